package modeltest

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
)

// tensor is a named tensor of a state dict.
type tensor struct {
	name  string
	shape []int
	v     []float32
}

// tensors is the network's state dict. The BatchNorms are such that folding them gives weights() and bias().
func (s Spec) tensors() []tensor {
	var ts []tensor
	for _, l := range s.layers() {
		w := l.weights()
		ts = append(ts, tensor{l.name + ".weight", []int{l.out, l.perIn, l.k, l.k}, w})
		if l.bn == "" {
			ts = append(ts, tensor{l.name + ".bias", []int{l.out}, l.bias()})
			continue
		}
		gamma, mean, variance := make([]float32, l.out), numbers(l.bn, l.out, 3), make([]float32, l.out)
		beta := l.bias()
		for i := range gamma {
			gamma[i], variance[i] = 2, 4-1e-5
			beta[i] += mean[i]
		}
		for _, t := range []tensor{{"weight", nil, gamma}, {"bias", nil, beta}, {"running_mean", nil, mean}, {"running_var", nil, variance}} {
			ts = append(ts, tensor{l.bn + "." + t.name, []int{l.out}, t.v})
		}
	}
	return ts
}

// Record is one file of a PyTorch zip.
type Record struct {
	Name string
	Data []byte
}

// PTH is the network as torch.save writes it.
func (s Spec) PTH() []byte { return Zip(s.Records(), zip.Store) }

// Records are the files in PTH.
func (s Spec) Records() []Record {
	ts := s.tensors()
	rs := []Record{{"archive/data.pkl", pickleOf(ts)}, {"archive/version", []byte("3\n")}}
	for i, t := range ts {
		rs = append(rs, Record{"archive/data/" + strconv.Itoa(i), floats(t.v)})
	}
	return rs
}

// Zip packs records.
func Zip(records []Record, method uint16) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, r := range records {
		w, err := z.CreateHeader(&zip.FileHeader{Name: r.Name, Method: method})
		if err == nil {
			_, err = w.Write(r.Data)
		}
		if err != nil {
			panic(err) // writing to memory
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func floats(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return b
}

// pickleOf writes a state dict as Python's protocol 2 does, without memo.
func pickleOf(ts []tensor) []byte {
	b := []byte("\x80\x02}(")
	for i, t := range ts {
		b = appendText(b, t.name)
		b = append(b, "ctorch._utils\n_rebuild_tensor_v2\n(("...)
		b = appendText(b, "storage")
		b = append(b, "ctorch\nFloatStorage\n"...)
		b = appendText(b, strconv.Itoa(i))
		b = appendText(b, "cpu")
		b = appendInt(b, len(t.v))
		b = append(b, "tQK\x00("...)
		for _, d := range t.shape {
			b = appendInt(b, d)
		}
		b = append(b, "t("...)
		for d := range t.shape {
			stride := 1
			for _, n := range t.shape[d+1:] {
				stride *= n
			}
			b = appendInt(b, stride)
		}
		b = append(b, "t\x89ccollections\nOrderedDict\n)RtR"...)
	}
	return append(b, "u."...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint32(append(b, 'X'), uint32(len(s))), s...)
}

func appendInt(b []byte, v int) []byte {
	return binary.LittleEndian.AppendUint32(append(b, 'J'), uint32(v))
}
