//go:build matprofile

package dnn

import (
	"bytes"
	"image"
	"testing"

	"gocv.io/x/gocv"
)

// Every Mat is freed: of engines that switch sizes, that fail, and that are closed.
func TestNoMatIsLeft(t *testing.T) {
	m := builtin(t)
	before := gocv.MatProfile.Count()
	for range 5 {
		e, err := New(m)
		if err != nil {
			t.Fatal(err)
		}
		for i := range maxNets + 2 {
			for range 3 {
				forward(t, e, noise(image.Pt(64+32*i, 64), 1))
			}
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		g, err := m.Graph(image.Pt(64, 64))
		if err != nil {
			t.Fatal(err)
		}
		net, err := OpenNet(g)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := net.Forward(noise(image.Pt(64, 64), 1).Pix); err != nil {
			t.Fatal(err)
		}
		_ = net.Close()
		bad := newEngine(m.Head, func(image.Point) ([]byte, error) { return []byte("no graph"), nil })
		if _, err := bad.Forward(noise(image.Pt(64, 64), 1)); err == nil {
			t.Fatal("a bad graph was taken")
		}
		_ = bad.Close()
	}
	if n := gocv.MatProfile.Count(); n != before {
		var b bytes.Buffer
		_ = gocv.MatProfile.WriteTo(&b, 1)
		t.Errorf("%d Mats left open:\n%s", n-before, b.String())
	}
}
