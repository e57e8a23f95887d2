package model

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/nlpodyssey/gopickle/pickle"
	"github.com/nlpodyssey/gopickle/types"
)

// maxPickle bounds the directory of a weights file, bytes; the official one has 72 kB. The unpickler takes up to some
// hundred bytes of memory for each.
const maxPickle = 8 << 20

// torchFile is a PyTorch zip file: a pickle that names tensors, and one record for each tensor's data.
type torchFile struct {
	records map[string]*zip.File // by name below the archive's folder
	budget  int                  // bytes of tensor data that may still be read
}

// torchTensor says where a tensor's elements lie.
type torchTensor struct {
	dtype   string // "Float", "Half" ...
	key     string // record
	size    int    // elements in the record, as the pickle says
	offset  int    // elements
	shape   []int
	strides []int
}

// parsePTH reads a PyTorch state dict of YOLO-FastestV2. It runs nothing that the file says.
func parsePTH(data []byte) (*network, error) {
	f, err := openTorch(data)
	if err != nil {
		return nil, err
	}
	dict, err := f.stateDict()
	if err != nil {
		return nil, err
	}
	return newStateDict(f, dict).network()
}

func openTorch(data []byte) (*torchFile, error) {
	if bytes.HasPrefix(data, []byte("\x80\x02\x8a\x0al\xfc\x9cF\xf9")) {
		return nil, errors.New("PyTorch's old format of before 1.6; expected its zip format: load and save the weights again with a newer PyTorch")
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("not a PyTorch file: %w; expected a zip file that torch.save wrote", err)
	}
	// Each tensor of a state dict has its own record; ten times allows some that share one.
	f := &torchFile{records: make(map[string]*zip.File, len(z.File)), budget: 10 * len(data)}
	for _, r := range z.File {
		_, name, ok := strings.Cut(r.Name, "/")
		if !ok {
			continue
		}
		if f.records[name] != nil {
			return nil, fmt.Errorf("two records are called %.60q", name)
		}
		f.records[name] = r
	}
	if f.records["constants.pkl"] != nil {
		return nil, errors.New("a TorchScript program; expected a state dict (weights only)")
	}
	return f, f.checkByteOrder()
}

func (f *torchFile) checkByteOrder() error {
	if f.records["byteorder"] == nil {
		return nil
	}
	b, err := f.read("byteorder", 16)
	if err == nil && string(b) != "little" {
		err = fmt.Errorf("byte order %q; expected little", b)
	}
	return err
}

// read takes a record of at most limit bytes. PyTorch stores records as they are, so a record can never be larger than
// the file; a compressed one is refused.
func (f *torchFile) read(name string, limit int) ([]byte, error) {
	r := f.records[name]
	if r == nil {
		return nil, fmt.Errorf("record %.60q is missing", name)
	}
	if r.Method != zip.Store || r.UncompressedSize64 != r.CompressedSize64 {
		return nil, fmt.Errorf("record %.60q is compressed; expected stored records, as torch.save writes them", name)
	}
	if r.UncompressedSize64 > uint64(limit) {
		return nil, fmt.Errorf("record %.60q has %d bytes; expected at most %d", name, r.UncompressedSize64, limit)
	}
	rc, err := r.Open()
	if err != nil {
		return nil, fmt.Errorf("record %.60q: %w", name, err)
	}
	defer rc.Close()
	var buf bytes.Buffer // grows with what is there, not with what the directory claims
	if _, err := io.Copy(&buf, io.LimitReader(rc, int64(limit)+1)); err != nil {
		return nil, fmt.Errorf("record %.60q: %w", name, err)
	}
	return buf.Bytes(), nil
}

// stateDict reads the names and places of all tensors.
func (f *torchFile) stateDict() (map[string]*torchTensor, error) {
	b, err := f.read("data.pkl", maxPickle)
	if err != nil {
		return nil, err
	}
	if err := checkPickle(b); err != nil {
		return nil, err
	}
	root, err := unpickle(b)
	if err != nil {
		return nil, fmt.Errorf("its pickle: %w", err)
	}
	dict := map[string]*torchTensor{}
	collectTensors(dict, root)
	if len(dict) == 0 {
		return nil, errors.New("it holds no tensors by name; expected a state dict")
	}
	return dict, nil
}

// collectTensors fills dict from a state dict, or from a checkpoint that holds one as "state_dict" or "model".
func collectTensors(dict map[string]*torchTensor, root any) {
	eachItem(root, func(name string, v any) {
		switch t := v.(type) {
		case *torchTensor:
			dict[strings.TrimPrefix(name, "module.")] = t // DataParallel's prefix
		default:
			if name == "state_dict" || name == "model" {
				collectTensors(dict, v)
			}
		}
	})
}

func eachItem(dict any, f func(name string, v any)) {
	switch d := dict.(type) {
	case *types.Dict:
		for _, e := range *d {
			if name, ok := e.Key.(string); ok {
				f(name, e.Value)
			}
		}
	case *types.OrderedDict:
		for e := d.List.Front(); e != nil; e = e.Next() {
			entry := e.Value.(*types.OrderedDictEntry)
			if name, ok := entry.Key.(string); ok {
				f(name, entry.Value)
			}
		}
	}
}

// unpickle runs gopickle on bytes that checkPickle has passed. A panic of the library is an error here: it is not ours
// and it indexes without asking.
func unpickle(b []byte) (root any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("damaged: %v", p)
		}
	}()
	u := pickle.NewUnpickler(bytes.NewReader(b))
	u.FindClass = findTorchClass
	u.PersistentLoad = loadStorage
	return u.Load()
}

func findTorchClass(module, name string) (any, error) {
	switch {
	case module == "torch._utils" && name == "_rebuild_tensor_v2":
		return rebuildTensor{}, nil
	case module == "torch._utils" && name == "_rebuild_parameter":
		return rebuildParameter{}, nil
	case module == "torch" && strings.HasSuffix(name, "Storage"):
		return storageClass(strings.TrimSuffix(name, "Storage")), nil
	}
	return nil, fmt.Errorf("it names %s.%s", module, name)
}

// storageClass is an element type: "Float", "Half" ...
type storageClass string

// storageRef is a record that holds elements.
type storageRef struct {
	dtype, key string
	size       int
}

var errTensorArgs = errors.New("a tensor is described in an unknown way")

// loadStorage reads a persistent id: ("storage", class, key, device, elements).
func loadStorage(id any) (any, error) {
	t, ok := id.(*types.Tuple)
	if !ok || t.Len() < 5 || t.Get(0) != any("storage") {
		return nil, errTensorArgs
	}
	class, ok1 := t.Get(1).(storageClass)
	key, ok2 := t.Get(2).(string)
	size, ok3 := t.Get(4).(int)
	if !ok1 || !ok2 || !ok3 || size < 0 || key != path.Base(key) {
		return nil, errTensorArgs
	}
	return &storageRef{string(class), key, size}, nil
}

type rebuildTensor struct{}

// Call makes a tensor from (storage, offset, shape, strides, ...).
func (rebuildTensor) Call(args ...any) (any, error) {
	if len(args) < 4 {
		return nil, errTensorArgs
	}
	s, ok1 := args[0].(*storageRef)
	offset, ok2 := args[1].(int)
	shape, ok3 := intTuple(args[2])
	strides, ok4 := intTuple(args[3])
	if !ok1 || !ok2 || !ok3 || !ok4 || len(shape) != len(strides) {
		return nil, errTensorArgs
	}
	return &torchTensor{s.dtype, s.key, s.size, offset, shape, strides}, nil
}

type rebuildParameter struct{}

// Call makes a parameter from (tensor, requires_grad, hooks): the tensor.
func (rebuildParameter) Call(args ...any) (any, error) {
	if len(args) < 1 {
		return nil, errTensorArgs
	}
	t, ok := args[0].(*torchTensor)
	if !ok {
		return nil, errTensorArgs
	}
	return t, nil
}

func intTuple(v any) ([]int, bool) {
	t, ok := v.(*types.Tuple)
	if !ok || t.Len() > maxRank {
		return nil, false
	}
	out := make([]int, t.Len())
	for i := range out {
		if out[i], ok = t.Get(i).(int); !ok {
			return nil, false
		}
	}
	return out, true
}
