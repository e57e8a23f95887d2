package model

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ncnnLayer is one line of a .param file.
type ncnnLayer struct {
	typ, name       string
	bottoms, tops   []string
	params          map[int]string
	conv            *conv // of convolutions
	sigmoidActivity bool
}

func (l *ncnnLayer) String() string { return fmt.Sprintf("layer %.40q (%.40q)", l.name, l.typ) }

// int is parameter id, or def.
func (l *ncnnLayer) int(id, def int) (int, error) {
	s, ok := l.params[id]
	if !ok {
		return def, nil
	}
	v, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("%s: parameter %d is %.20q; expected an integer", l, id, s)
	}
	return v, nil
}

// parseNCNN reads a network of a text .param file and its weights.
func parseNCNN(param, bin []byte) (*network, error) {
	layers, err := parseParam(param)
	if err != nil {
		return nil, err
	}
	if err := readWeights(layers, bin); err != nil {
		return nil, err
	}
	return newNCNNWalk(layers).network()
}

// maxNCNNLayers bounds a .param file; the official one has 143 layers. maxNCNNBlobs bounds a layer's inputs and outputs.
const (
	maxNCNNLayers = 4096
	maxNCNNBlobs  = 64
	maxNCNNText   = 4 << 20 // bytes
)

// parseParam reads the layers of a .param file.
func parseParam(data []byte) ([]*ncnnLayer, error) {
	if len(data) > maxNCNNText {
		return nil, fmt.Errorf("%d bytes of text; expected at most %d", len(data), maxNCNNText)
	}
	if bytes.IndexByte(data[:min(len(data), 4096)], 0) >= 0 {
		return nil, errors.New("a binary .param file; expected ncnn's text form")
	}
	lines := strings.FieldsFunc(string(data), func(r rune) bool { return r == '\n' || r == '\r' })
	if len(lines) < 2 || strings.TrimSpace(lines[0]) != ncnnMagic {
		return nil, fmt.Errorf("no ncnn .param file; expected %s in the first line", ncnnMagic)
	}
	counts := strings.Fields(lines[1])
	if len(counts) != 2 {
		return nil, fmt.Errorf("line 2 is %.40q; expected the numbers of layers and blobs", lines[1])
	}
	lines = lines[2:]
	if counts[0] != strconv.Itoa(len(lines)) {
		return nil, fmt.Errorf("%d layers; expected %.20q, as line 2 says", len(lines), counts[0])
	}
	if len(lines) > maxNCNNLayers {
		return nil, fmt.Errorf("%d layers; expected at most %d", len(lines), maxNCNNLayers)
	}
	layers := make([]*ncnnLayer, len(lines))
	made := map[string]bool{}
	for i, line := range lines {
		l, err := parseLayer(strings.Fields(line))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+3, err)
		}
		for _, b := range l.bottoms {
			if !made[b] {
				return nil, fmt.Errorf("line %d: %s reads %.40q, which no layer before it makes", i+3, l, b)
			}
		}
		for _, t := range l.tops {
			if made[t] {
				return nil, fmt.Errorf("line %d: %s makes %.40q a second time", i+3, l, t)
			}
			made[t] = true
		}
		layers[i] = l
	}
	return layers, nil
}

func parseLayer(f []string) (*ncnnLayer, error) {
	if len(f) < 4 {
		return nil, fmt.Errorf("%d words; expected type, name, inputs, outputs, their names and parameters", len(f))
	}
	l := &ncnnLayer{typ: f[0], name: f[1], params: map[int]string{}}
	in, err1 := strconv.Atoi(f[2])
	out, err2 := strconv.Atoi(f[3])
	f = f[4:]
	if err1 != nil || err2 != nil || in < 0 || out < 0 || in > min(len(f), maxNCNNBlobs) || out > min(len(f)-in, maxNCNNBlobs) {
		return nil, fmt.Errorf("%s: the numbers of inputs and outputs do not fit the line", l)
	}
	l.bottoms, l.tops = f[:in], f[in:in+out]
	for _, p := range f[in+out:] {
		key, value, ok := strings.Cut(p, "=")
		id, err := strconv.Atoi(key)
		if !ok || err != nil {
			return nil, fmt.Errorf("%s: %.40q; expected id=value", l, p)
		}
		l.params[id] = value
	}
	return l, nil
}
