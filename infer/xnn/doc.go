// Package xnn runs a model's network with XNNPACK, on one thread. Built with the tag noxnnpack, or without cgo, it has
// no engine and New says so.
package xnn

import "errors"

// ErrNotBuilt is what New returns where the program was built without XNNPACK.
var ErrNotBuilt = errors.New("this program was built without XNNPACK")

// ErrClosed is what Forward returns after Close.
var ErrClosed = errors.New("engine is closed")

// Options are what New may be told.
type Options struct {
	// Sizes is how many input sizes an engine keeps ready, those used last; 0: DefaultSizes. One of 352x352 takes 4 MB beside
	// the arena that all share, 3 MB where the library lets us share weights, and making it again takes as long as a forward.
	// Using the operators of one size for another saves these too, but to bind them anew took half a forward's time.
	Sizes int
}

// DefaultSizes is how many input sizes an engine keeps ready unless it is told.
const DefaultSizes = 4
