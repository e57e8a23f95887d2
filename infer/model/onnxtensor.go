package model

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxRank bounds the dimensions of tensors and the values that errors print.
const maxRank = 16

// decodeTensor reads a TensorProto. The returned tensor is never nil, so that an error can name it.
func decodeTensor(b []byte) (*Tensor, error) {
	t := &Tensor{Dims: Shape{}}
	var raw []byte
	var doubles []float64
	err := fields(b, func(num protowire.Number, v field) (err error) {
		switch num {
		case 1:
			var dims []int64
			dims, err = appendInts(nil, v)
			for _, d := range dims {
				if d < 0 || d > math.MaxInt32 {
					return fmt.Errorf("dimension %d is out of range", d)
				}
				t.Dims = append(t.Dims, int(d))
			}
			if len(t.Dims) > maxRank {
				return fmt.Errorf("more than %d dimensions", maxRank)
			}
		case 2:
			t.Type = DType(v.varint)
		case 4:
			t.F32, err = appendFloats(t.F32, v)
		case 5, 7:
			t.I64, err = appendInts(t.I64, v)
		case 8:
			t.Name = string(v.bytes)
		case 9:
			raw = v.bytes
		case 10:
			doubles, err = appendDoubles(doubles, v)
		case 13:
			err = errors.New("its data is in another file")
		case 14:
			if v.varint == 1 {
				err = errors.New("its data is in another file")
			}
		}
		return err
	})
	if err != nil {
		return t, err
	}
	for _, d := range doubles {
		t.F32 = append(t.F32, float32(d))
	}
	return t, t.setRaw(raw)
}

// setRaw decodes raw_data of the types we calculate with and checks the number of elements.
func (t *Tensor) setRaw(raw []byte) error {
	want, err := t.Dims.Elems(math.MaxInt32)
	if err != nil {
		return err
	}
	size := map[DType]int{Float32: 4, Int64: 8, Float64: 8, int32Type: 4}[t.Type]
	if size == 0 {
		t.Raw = raw // kept as it is; the element size of the type is not ours to know
		return nil
	}
	if raw != nil {
		if len(raw)%size != 0 {
			return fmt.Errorf("%d bytes of data are no whole number of %d-byte elements", len(raw), size)
		}
		t.F32, t.I64 = nil, nil
		t.decodeRaw(raw, size)
	}
	if got := len(t.F32) + len(t.I64); got != want {
		return fmt.Errorf("has %d elements, but shape %v wants %d", got, []int(t.Dims), want)
	}
	return nil
}

func (t *Tensor) decodeRaw(raw []byte, size int) {
	n := len(raw) / size
	switch t.Type {
	case Float32:
		t.F32 = make([]float32, n)
		for i := range t.F32 {
			t.F32[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	case Float64:
		t.F32 = make([]float32, n)
		for i := range t.F32 {
			t.F32[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:])))
		}
	case Int64:
		t.I64 = make([]int64, n)
		for i := range t.I64 {
			t.I64[i] = int64(binary.LittleEndian.Uint64(raw[8*i:]))
		}
	case int32Type:
		t.I64 = make([]int64, n)
		for i := range t.I64 {
			t.I64[i] = int64(int32(binary.LittleEndian.Uint32(raw[4*i:])))
		}
	}
}

var errPacked = errors.New("damaged protobuf: a list ends in the middle of an element")

// appendInts reads one integer or a packed list of them.
func appendInts(dst []int64, v field) ([]int64, error) {
	if v.typ != protowire.BytesType {
		return append(dst, int64(v.varint)), nil
	}
	for b := v.bytes; len(b) > 0; {
		x, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return dst, errPacked
		}
		dst, b = append(dst, int64(x)), b[n:]
	}
	return dst, nil
}

// appendFloats reads one float or a packed list of them.
func appendFloats(dst []float32, v field) ([]float32, error) {
	if v.typ != protowire.BytesType {
		return append(dst, math.Float32frombits(uint32(v.varint))), nil
	}
	if len(v.bytes)%4 != 0 {
		return dst, errPacked
	}
	for b := v.bytes; len(b) > 0; b = b[4:] {
		dst = append(dst, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return dst, nil
}

// appendDoubles reads one double or a packed list of them.
func appendDoubles(dst []float64, v field) ([]float64, error) {
	if v.typ != protowire.BytesType {
		return append(dst, math.Float64frombits(v.varint)), nil
	}
	if len(v.bytes)%8 != 0 {
		return dst, errPacked
	}
	for b := v.bytes; len(b) > 0; b = b[8:] {
		dst = append(dst, math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	return dst, nil
}
