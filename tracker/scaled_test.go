package tracker

import (
	"reflect"
	"testing"

	"yfv2d/infer"
)

// In a picture of another size everything is the same but for what is told in pixels.
func TestScaledSnapshot(t *testing.T) {
	tr, last := walked(5, 4)
	snap := tr.snap
	twice := snap.Scaled(8, 3).Scaled(0.5, 1)
	end := tr.Reset(last)
	for _, c := range []struct {
		name           string
		plain, another []Track
	}{
		{"at a time", snap.At(last.Add(50e6)), snap.Scaled(4, 3).At(last.Add(50e6))},
		{"all", snap.All(), snap.Scaled(4, 3).All()},
		{"scaled twice", snap.All(), twice.All()},
		{"ended", end.Ended(), end.Scaled(4, 3).Ended()},
	} {
		if len(c.plain) != len(c.another) || len(c.plain) != 1 {
			t.Fatalf("%s: %d tracks of %d", c.name, len(c.another), len(c.plain))
		}
		for i, want := range c.plain {
			b := want.Box
			want.Box = infer.Box{X0: 4 * b.X0, Y0: 3 * b.Y0, X1: 4 * b.X1, Y1: 3 * b.Y1}
			want.VX, want.VY, want.SX, want.SY = 4*want.VX, 3*want.VY, 4*want.SX, 3*want.SY
			if !reflect.DeepEqual(c.another[i], want) {
				t.Errorf("%s: track\n%+v, want\n%+v", c.name, c.another[i], want)
			}
		}
	}
	if (*Snapshot)(nil).Scaled(2, 2) != nil {
		t.Error("no snapshot became one")
	}
	if got := snap.All(); got[0].Box == snap.Scaled(4, 3).All()[0].Box {
		t.Error("the snapshot itself was scaled")
	}
}
