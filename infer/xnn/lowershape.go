//go:build cgo && !noxnnpack

package xnn

import (
	"errors"
	"fmt"
	"slices"

	"yfv2d/infer/model"
)

// lowerConcat joins channels: what comes from a step of its own is written to its place there and then, only the rest
// is copied.
func lowerConcat(b *builder, n *model.Node) error {
	ins := make([]*value, len(n.Inputs))
	for i := range ins {
		var err error
		if ins[i], err = b.in(n, i); err != nil {
			return err
		}
	}
	first := ins[0]
	axis, err := axisOf(n.Int("axis", 0), len(first.dims))
	if err != nil {
		return err
	}
	dims := slices.Clone(first.dims)
	dims[axis] = 0
	for _, v := range ins {
		d := slices.Clone(v.dims)
		if len(d) != len(dims) || v.form != first.form && v.pixels() > 1 {
			return fmt.Errorf("its inputs of shapes %v and %v do not fit", []int(first.dims), []int(v.dims))
		}
		dims[axis] += v.dims[axis]
		if d[axis] = dims[axis]; !sameDims(d, dims) {
			return fmt.Errorf("its inputs of shapes %v and %v do not fit", []int(first.dims), []int(v.dims))
		}
		if dims[axis] > maxArena {
			return errors.New("its output is too large")
		}
	}
	out := &value{dims: dims, form: first.form}
	switch {
	case axis == first.channelAxis():
		err = b.joinChannels(ins, out)
	case first.form == channelsLast, axis == 2 && len(dims) == 3:
		err = b.joinRows(ins, out)
	default:
		err = fmt.Errorf("axis %d of shape %v is neither channels nor rows of them", axis, []int(first.dims))
	}
	if err != nil {
		return err
	}
	return b.set(n, 0, out)
}

// joinChannels makes out of the inputs' channels, one input behind the other.
func (b *builder) joinChannels(ins []*value, out *value) error {
	c := 0
	for _, v := range ins {
		c += v.c
	}
	st, err := b.storage(ins[0].st.h, ins[0].st.w, c)
	if err != nil {
		return err
	}
	out.area = st.whole()
	at := 0
	for i, v := range ins {
		if !st.adopt(v, at, i == len(ins)-1) {
			part := &value{area: area{st: st, ch: at, c: v.c}}
			b.emit(newStep(kindCopy, "concat"), v, part)
		}
		at += v.c
	}
	return nil
}

// adopt makes v's storage part of st, at channel at, if it holds v alone. The last input's storage may hold more
// channels behind v's: those come to lie behind st's own. It says whether v is in its place now.
func (st *storage) adopt(v *value, at int, last bool) bool {
	own := v.st
	if own == st || own.parent != nil || own.fixed || v.ch != 0 || own.h != st.h || own.w != st.w {
		return false
	}
	rest := own.c - v.c
	if rest > 0 && !last || rest > v.c { // more would spread the pixels too far
		return false
	}
	own.parent, own.at = st, at
	st.c += rest
	return true
}

// joinRows makes out of the inputs' pixels, one input's behind the other's.
func (b *builder) joinRows(ins []*value, out *value) error {
	pixels := 0
	for _, v := range ins {
		if v.c != ins[0].c {
			return fmt.Errorf("its inputs have %d and %d channels", ins[0].c, v.c)
		}
		pixels += v.pixels()
	}
	st, err := b.storage(1, pixels, ins[0].c)
	if err != nil {
		return err
	}
	st.fixed = true
	out.area = st.whole()
	at := 0
	for _, v := range ins {
		b.emit(newStep(kindCopy, "concat"), v, &value{area: area{st: st, c: v.c, px: at}})
		at += v.pixels()
	}
	return nil
}

// part is channels from..to-1 of v, where they are.
func (v *value) part(from, to int) (*value, error) {
	if from < 0 || to <= from || to > v.c {
		return nil, fmt.Errorf("channels %d to %d of %d are empty or out of range", from, to, v.c)
	}
	p := &value{area: v.area, dims: slices.Clone(v.dims), form: v.form}
	p.ch, p.c = v.ch+from, to-from
	p.dims[v.channelAxis()] = p.c
	return p, nil
}

func lowerSlice(b *builder, n *model.Node) error {
	v, err := b.in(n, 0)
	if err != nil {
		return err
	}
	var at [3][]int // starts, ends, axes
	for i := range at {
		if at[i], err = b.ints(n, 1+i); err != nil {
			return err
		}
	}
	if len(at[0]) != 1 || len(at[1]) != 1 || len(at[2]) != 1 || len(n.Inputs) > 4 {
		return errors.New("expected a slice of one axis, without steps")
	}
	axis, err := axisOf(at[2][0], len(v.dims))
	if err != nil {
		return err
	}
	if axis != v.channelAxis() {
		return fmt.Errorf("axis %d of shape %v is not the channels", axis, []int(v.dims))
	}
	p, err := v.part(fromEnd(at[0][0], v.c), min(fromEnd(at[1][0], v.c), v.c))
	if err != nil {
		return err
	}
	return b.set(n, 0, p)
}

func fromEnd(i, n int) int {
	if i < 0 {
		return i + n
	}
	return i
}

func lowerSplit(b *builder, n *model.Node) error {
	v, err := b.in(n, 0)
	if err != nil {
		return err
	}
	axis, err := axisOf(n.Int("axis", 0), len(v.dims))
	if err != nil {
		return err
	}
	sizes := n.Ints("split")
	if len(n.Inputs) > 1 {
		if sizes, err = b.ints(n, 1); err != nil {
			return err
		}
	}
	if len(sizes) == 0 && v.c%len(n.Outputs) == 0 {
		sizes = slices.Repeat([]int{v.c / len(n.Outputs)}, len(n.Outputs))
	}
	if axis != v.channelAxis() || len(sizes) != len(n.Outputs) {
		return fmt.Errorf("expected a split of the channels of shape %v into %d outputs", []int(v.dims), len(n.Outputs))
	}
	from := 0
	for i, size := range sizes {
		if size < 1 || size > v.c-from || i == len(sizes)-1 && size != v.c-from {
			return fmt.Errorf("sizes %v do not fit %d channels", sizes, v.c)
		}
		p, err := v.part(from, from+size)
		if err != nil {
			return err
		}
		if err := b.set(n, i, p); err != nil {
			return err
		}
		from += size
	}
	return nil
}

func lowerFlatten(b *builder, n *model.Node) error {
	v, err := b.in(n, 0)
	if err != nil {
		return err
	}
	if n.Int("axis", 1) != 1 {
		return errors.New("expected axis 1")
	}
	out, err := b.flat(v)
	if err != nil {
		return err
	}
	return b.set(n, 0, out)
}

func lowerReshape(b *builder, n *model.Node) error {
	v, err := b.in(n, 0)
	if err != nil {
		return err
	}
	want, err := b.ints(n, 1)
	if err != nil {
		return err
	}
	dims, err := reshaped(v, want)
	if err != nil {
		return err
	}
	out, err := b.reshape(v, dims)
	if err != nil {
		return err
	}
	return b.set(n, 0, out)
}

// maxRank bounds a shape's dimensions.
const maxRank = 8

// reshaped is the shape that want (0: as it was, -1: what is left) makes of v's.
func reshaped(v *value, want []int) (model.Shape, error) {
	wrong := fmt.Errorf("cannot reshape %v to %v", []int(v.dims), want)
	if len(want) < 2 || len(want) > maxRank {
		return nil, wrong
	}
	total, rest, open := v.pixels()*v.c, 1, -1
	dims := model.Shape(slices.Clone(want))
	for i, d := range want {
		switch {
		case d == -1 && open < 0:
			open = i
			continue
		case d == 0 && i < len(v.dims):
			dims[i] = v.dims[i]
		case d < 1 || d > total:
			return nil, wrong
		}
		if rest *= dims[i]; rest > total {
			return nil, wrong
		}
	}
	if open >= 0 {
		dims[open] = total / rest
		rest *= dims[open]
	}
	if rest != total || dims[0] != 1 {
		return nil, wrong
	}
	return dims, nil
}

// reshape gives v other dimensions: where it lies if the channels stay, else written out in rows.
func (b *builder) reshape(v *value, dims model.Shape) (*value, error) {
	last := len(dims) - 1
	out := &value{area: v.area, dims: dims, form: v.form}
	if v.form == channelsFirst && dims[1] == v.c || v.form == channelsLast && dims[last] == v.c {
		if h, w, err := out.picture(); v.pixels() == 1 || err != nil || h == v.st.h && w == v.st.w {
			return out, nil
		}
	}
	if flat := v.pixels() * v.c; slices.Contains(dims, flat) {
		f, err := b.flat(v)
		if err != nil {
			return nil, err
		}
		f.dims = dims
		if f.form = channelsLast; dims[1] == flat {
			f.form = channelsFirst
		}
		if f.channelAxis() == slices.Index(dims, flat) {
			return f, nil
		}
		return nil, fmt.Errorf("cannot reshape %v to %v", []int(v.dims), []int(dims))
	}
	st, err := b.storage(1, v.pixels()*v.c/dims[last], dims[last])
	if err != nil {
		return nil, err
	}
	out = &value{area: st.whole(), dims: dims, form: channelsLast}
	b.rows(v, out)
	return out, nil
}

// lowerTranspose knows the two that only name the dimensions otherwise: channels from second to last, and back.
func lowerTranspose(b *builder, n *model.Node) error {
	v, err := b.in(n, 0)
	if err != nil {
		return err
	}
	perm := n.Ints("perm")
	rank := len(v.dims)
	toLast, toSecond := make([]int, rank), make([]int, rank)
	for i := range rank {
		toLast[i], toSecond[i] = i+1, i-1
	}
	toLast[0], toLast[rank-1] = 0, 1
	toSecond[0], toSecond[1] = 0, rank-1
	out := &value{area: v.area, dims: make(model.Shape, rank)}
	switch {
	case v.form == channelsFirst && slices.Equal(perm, toLast):
		out.form = channelsLast
	case v.form == channelsLast && slices.Equal(perm, toSecond):
		out.form = channelsFirst
	default:
		return fmt.Errorf("permutation %v of shape %v is more than moving the channels", perm, []int(v.dims))
	}
	for i, p := range perm {
		out.dims[i] = v.dims[p]
	}
	return b.set(n, 0, out)
}
