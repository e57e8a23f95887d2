package model

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

const int32Type DType = 6

// DecodeONNX reads any ONNX file whose graph has no subgraphs and whose constants are inside the file; it does not ask
// which operators the nodes use. Memory is bounded by a constant times len(data); large constants of unknown types
// point into data.
func DecodeONNX(data []byte) (*File, error) {
	f := &File{}
	err := fields(data, func(num protowire.Number, v field) error {
		switch num {
		case 1:
			f.IRVersion = int64(v.varint)
		case 2:
			f.Producer = string(v.bytes)
		case 3:
			f.ProducerVersion = string(v.bytes)
		case 7:
			if f.Graph != nil {
				return errors.New("two graphs")
			}
			g, err := decodeGraph(v.bytes)
			f.Graph = g
			return err
		case 8:
			return f.decodeOpset(v.bytes)
		case 14:
			e, err := decodeMeta(v.bytes)
			f.Meta = append(f.Meta, e)
			return err
		case 25:
			return errors.New("model functions are not supported")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if f.Graph == nil || f.IRVersion == 0 {
		return nil, errors.New("no ONNX file: it has no graph or no version")
	}
	return f, nil
}

func (f *File) decodeOpset(b []byte) error {
	domain, version := "", int64(0)
	err := fields(b, func(num protowire.Number, v field) error {
		switch num {
		case 1:
			domain = string(v.bytes)
		case 2:
			version = int64(v.varint)
		}
		return nil
	})
	if domain == "" || domain == "ai.onnx" {
		f.Opset = version
	}
	return err
}

func decodeMeta(b []byte) (e MetaEntry, err error) {
	err = fields(b, func(num protowire.Number, v field) error {
		switch num {
		case 1:
			e.Key = string(v.bytes)
		case 2:
			e.Value = string(v.bytes)
		}
		return nil
	})
	return e, err
}

func decodeGraph(b []byte) (*Graph, error) {
	g := &Graph{}
	var inputs []Value
	err := fields(b, func(num protowire.Number, v field) error {
		switch num {
		case 1:
			n, err := decodeNode(v.bytes)
			if err != nil {
				return fmt.Errorf("node %d (%s): %w", len(g.Nodes), n.String(), err)
			}
			g.Nodes = append(g.Nodes, n)
		case 2:
			g.Name = string(v.bytes)
		case 5:
			t, err := decodeTensor(v.bytes)
			if err != nil {
				return fmt.Errorf("constant %.60q: %w", t.Name, err)
			}
			g.Inits = append(g.Inits, t)
		case 11:
			in, err := decodeValue(v.bytes)
			inputs = append(inputs, in)
			return err
		case 12:
			out, err := decodeValue(v.bytes)
			g.Outputs = append(g.Outputs, out)
			return err
		case 15:
			return errors.New("sparse constants are not supported")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	g.Init("")
	if len(g.index) != len(g.Inits) {
		return nil, errors.New("two constants have the same name")
	}
	for _, in := range inputs { // old files list constants as inputs too
		if g.Init(in.Name) == nil {
			g.Inputs = append(g.Inputs, in)
		}
	}
	return g, nil
}

func decodeNode(b []byte) (n Node, err error) {
	err = fields(b, func(num protowire.Number, v field) error {
		switch num {
		case 1:
			n.Inputs = append(n.Inputs, string(v.bytes))
		case 2:
			n.Outputs = append(n.Outputs, string(v.bytes))
		case 3:
			n.Name = string(v.bytes)
		case 4:
			n.Op = string(v.bytes)
		case 5:
			a, err := decodeAttr(v.bytes)
			if err != nil {
				return fmt.Errorf("attribute %.60q: %w", a.Name, err)
			}
			n.Attrs = append(n.Attrs, a)
		case 7:
			n.Domain = string(v.bytes)
		}
		return nil
	})
	return n, err
}

func decodeAttr(b []byte) (a Attr, err error) {
	err = fields(b, func(num protowire.Number, v field) (err error) {
		switch num {
		case 1:
			a.Name = string(v.bytes)
		case 2:
			a.F = math.Float32frombits(uint32(v.varint))
			a.setKind(AttrFloat)
		case 3:
			a.I = int64(v.varint)
			a.setKind(AttrInt)
		case 4:
			a.S = string(v.bytes)
			a.setKind(AttrString)
		case 5:
			a.T, err = decodeTensor(v.bytes)
			a.setKind(AttrTensor)
		case 7:
			a.Floats, err = appendFloats(a.Floats, v)
			a.setKind(AttrFloats)
		case 8:
			a.Ints, err = appendInts(a.Ints, v)
			a.setKind(AttrInts)
		case 9:
			a.Strings = append(a.Strings, string(v.bytes))
			a.setKind(AttrStrings)
		case 20:
			a.Kind = AttrKind(v.varint)
		case 6, 10, 11, 14, 15, 22, 23:
			err = errors.New("holds a graph, type or list of tensors, which is not supported")
		}
		return err
	})
	return a, err
}

// setKind infers the kind of an attribute written without one.
func (a *Attr) setKind(k AttrKind) {
	if a.Kind == 0 {
		a.Kind = k
	}
}

func decodeValue(b []byte) (v Value, err error) {
	err = fields(b, func(num protowire.Number, f field) error {
		switch num {
		case 1:
			v.Name = string(f.bytes)
		case 2:
			return fields(f.bytes, func(num protowire.Number, f field) error {
				if num != 1 {
					return fmt.Errorf("value %.60q is not a tensor", v.Name)
				}
				return v.decodeTensorType(f.bytes)
			})
		}
		return nil
	})
	return v, err
}

func (v *Value) decodeTensorType(b []byte) error {
	return fields(b, func(num protowire.Number, f field) error {
		switch num {
		case 1:
			v.Type = DType(f.varint)
		case 2:
			v.Dims = Shape{}
			return fields(f.bytes, func(num protowire.Number, f field) error {
				if num != 1 {
					return nil
				}
				d, err := decodeDim(f.bytes)
				if v.Dims = append(v.Dims, d); len(v.Dims) > maxRank {
					err = fmt.Errorf("value %.60q has more than %d dimensions", v.Name, maxRank)
				}
				return err
			})
		}
		return nil
	})
}

func decodeDim(b []byte) (int, error) {
	d := -1
	err := fields(b, func(num protowire.Number, f field) error {
		if num == 1 && int64(f.varint) > 0 && f.varint <= math.MaxInt32 {
			d = int(f.varint)
		}
		return nil
	})
	return d, err
}

// field is one protobuf field's value: varint also holds fixed 32 and 64 bit values.
type field struct {
	typ    protowire.Type
	varint uint64
	bytes  []byte
}

// fields calls f for each field of a protobuf message.
func fields(b []byte, f func(protowire.Number, field) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("damaged protobuf: %w", protowire.ParseError(n))
		}
		b = b[n:]
		v, n := consume(num, typ, b)
		if n < 0 {
			return fmt.Errorf("damaged protobuf: field %d: %w", num, protowire.ParseError(n))
		}
		b = b[n:]
		if err := f(num, v); err != nil {
			return err
		}
	}
	return nil
}

func consume(num protowire.Number, typ protowire.Type, b []byte) (v field, n int) {
	v.typ = typ
	switch typ {
	case protowire.VarintType:
		v.varint, n = protowire.ConsumeVarint(b)
	case protowire.Fixed32Type:
		var x uint32
		x, n = protowire.ConsumeFixed32(b)
		v.varint = uint64(x)
	case protowire.Fixed64Type:
		v.varint, n = protowire.ConsumeFixed64(b)
	case protowire.BytesType:
		v.bytes, n = protowire.ConsumeBytes(b)
	default:
		n = protowire.ConsumeFieldValue(num, typ, b)
	}
	return v, n
}
