// Package xnn runs a model's network with XNNPACK, on one thread. Built with the tag noxnnpack, or without cgo, it has
// no engine and New says so.
package xnn

import "errors"

// ErrNotBuilt is what New returns where the program was built without XNNPACK.
var ErrNotBuilt = errors.New("this program was built without XNNPACK")

// ErrClosed is what Forward returns after Close.
var ErrClosed = errors.New("engine is closed")
