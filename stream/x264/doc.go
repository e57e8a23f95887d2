// Package x264 encodes I420 frames to H.264 constrained baseline with the system's libx264, on the caller's thread. It is
// built with the tag x264 only, and needs libx264-dev then: libx264 is under the GPL, version 2 or later, and so is every
// program linked to it. Without the tag New says so.
package x264

import "errors"

// ErrNotBuilt is what New returns where the program was built without libx264.
var ErrNotBuilt = errors.New("this program was built without libx264 (build it with the tag x264)")

// ErrClosed is returned by an encoder that was closed.
var ErrClosed = errors.New("x264: the encoder is closed")
