package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// What a camera's view takes (capture.View): the least width and height of a crop, polygons, and points of one.
const (
	minCrop   = 0.01
	maxMasks  = 64
	maxPoints = 256
)

// crop reads [x, y, width, height]; an empty list is the whole.
func (l *loader) crop(path string, k *key, v any) (out Crop) {
	items, ok := v.([]any)
	switch {
	case !ok:
		l.wrongType(path, k, "a list of four numbers", v)
		return Crop{}
	case len(items) == 0:
		return Crop{}
	case len(items) != 4:
		l.fault(path, fmt.Sprintf("has %d numbers", len(items)), Fault{Allowed: k.want})
		return Crop{}
	}
	for i, item := range items {
		if out[i], ok = l.part(indexPath(path, i), k, item); !ok {
			return Crop{}
		}
	}
	if out[2] < minCrop || out[3] < minCrop || out[0]+out[2] > 1+1e-9 || out[1]+out[3] > 1+1e-9 {
		l.fault(path, "reaches beyond the picture, or is less than a hundredth of it wide or high", Fault{Allowed: k.want})
		return Crop{}
	}
	return out
}

// masks reads a list of polygons.
func (l *loader) masks(path string, k *key, v any) (out Masks) {
	polygons, ok := v.([]any)
	if !ok {
		l.wrongType(path, k, "a list of polygons", v)
		return nil
	}
	if len(polygons) > maxMasks {
		l.fault(path, fmt.Sprintf("has %d polygons, more than %d", len(polygons), maxMasks), Fault{Allowed: k.want})
		return nil
	}
	for i, item := range polygons {
		at := indexPath(path, i)
		corners, ok := item.([]any)
		if !ok {
			l.wrongType(at, k, "a list of points", item)
			return nil
		}
		if len(corners) < 3 || len(corners) > maxPoints {
			l.fault(at, fmt.Sprintf("a polygon has 3 to %d points", maxPoints), Fault{Allowed: k.want})
			return nil
		}
		polygon := make([][2]float64, 0, len(corners))
		for j, corner := range corners {
			p, ok := l.point(indexPath(at, j), k, corner)
			if !ok {
				return nil
			}
			polygon = append(polygon, p)
		}
		out = append(out, polygon)
	}
	return out
}

// point reads [x, y].
func (l *loader) point(path string, k *key, v any) (out [2]float64, ok bool) {
	pair, isList := v.([]any)
	if !isList || len(pair) != 2 {
		l.fault(path, "a point is [x, y]", Fault{Allowed: k.want})
		return out, false
	}
	for i, item := range pair {
		if out[i], ok = l.part(indexPath(path, i), k, item); !ok {
			return out, false
		}
	}
	return out, true
}

// part reads a number from 0 to 1.
func (l *loader) part(path string, k *key, v any) (float64, bool) {
	var x float64
	switch n := v.(type) {
	case int64:
		x = float64(n)
	case float64:
		x = n
	default:
		l.wrongType(path, k, "a number", v)
		return 0, false
	}
	if !(x >= 0 && x <= 1) {
		l.fault(path, fmt.Sprintf("%v is out of range", v), Fault{Allowed: "0 to 1"})
		return 0, false
	}
	return x, true
}

// fingerprint reads the digits of a SHA-256.
func (l *loader) fingerprint(path string, k *key, v any) Fingerprint {
	s, ok := v.(string)
	if !ok {
		l.wrongType(path, k, "a text in quotes", v)
		return nil
	}
	if s == "" {
		return nil
	}
	sum, err := hex.DecodeString(strings.ReplaceAll(strings.TrimPrefix(strings.ToLower(s), "sha256:"), ":", ""))
	if err != nil || len(sum) != sha256.Size {
		l.fault(path, l.shown(path, s)+" is no fingerprint", Fault{Allowed: k.want})
		return nil
	}
	return sum
}
