//go:build noxnnpack || !cgo

package xnn

import (
	"errors"
	"testing"
)

func TestWithoutXNNPACK(t *testing.T) {
	if e, err := New(nil, Options{}); e != nil || !errors.Is(err, ErrNotBuilt) {
		t.Errorf("New gives %v and %v", e, err)
	}
	var e *Engine
	if _, err := e.Forward(nil); !errors.Is(err, ErrNotBuilt) {
		t.Errorf("Forward gives %v", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
