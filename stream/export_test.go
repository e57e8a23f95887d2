package stream

import "yfv2d/pipeline"

// TestViewer lets tests of other packages than this one, which have real encoders, watch without WebRTC.
type TestViewer struct{ v *viewer }

// TestUnit is what such a viewer gets.
type TestUnit struct {
	TS       uint32
	Key      bool
	Payloads [][]byte
}

// JoinForTest makes a viewer.
func (b *Broadcaster) JoinForTest(rendition string, codec pipeline.Codec, profiles ...uint8) (TestViewer, error) {
	v, err := b.join(viewing{rendition: rendition, codec: codec, profiles: profiles})
	return TestViewer{v}, err
}

// Drain takes all that there is.
func (t TestViewer) Drain() (all []TestUnit) {
	for _, u := range drain(t.v) {
		all = append(all, TestUnit{u.ts, u.key, u.payloads})
	}
	return all
}

func (t TestViewer) Estimate(bps int)  { t.v.estimate(bps) }
func (t TestViewer) AskKey()           { t.v.askKey() }
func (t TestViewer) Rendition() string { return t.v.rendition() }
func (t TestViewer) Leave()            { t.v.leave() }
