package config

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// section checks the keys of one table against ours. at is the table's place in the file and name its name in our
// table of keys: both "" for the root, camera[1] and camera for a camera.
func (l *loader) section(at, name string, m map[string]any, cam *Camera) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		path, full := joinPath(at, k), joinPath(name, k)
		row, isKey := rows[full]
		switch {
		case isKey:
			l.value(path, row, m[k], cam)
		case name == "" && k == cameraTable: // comes later, in the order of the file
		case name == "" && tables[k]:
			if sub, ok := m[k].(map[string]any); ok {
				l.section(path, k, sub, nil)
			} else {
				l.fault(path, fmt.Sprintf("want a table, [%s], and not %s", k, kind(m[k])), Fault{})
			}
		default:
			l.unknown(path, name, k, m[k])
		}
	}
	if cam == nil || l.cut {
		return
	}
	for i := range keys {
		if k := &keys[i]; k.required && strings.HasPrefix(k.path, name+".") {
			short := k.path[len(name)+1:]
			if _, ok := m[short]; !ok && !slices.Contains(l.dropped, short) {
				l.faultAt(at, joinPath(at, short), "is missing", Fault{Allowed: k.want})
			}
		}
	}
}

// faultAt notes a fault of a key that is not in the file, at the line of the table that lacks it.
func (l *loader) faultAt(table, path, what string, f Fault) {
	l.fault(table, what, f)
	l.faults[len(l.faults)-1].Key = keyOf(path)
}

// unknown names the nearest key of the same table, else the key of another table that has this very name.
func (l *loader) unknown(path, table, name string, v any) {
	var here, elsewhere []string
	for i := range keys {
		t, n, ok := strings.Cut(keys[i].path, ".")
		if !ok {
			t, n = "", keys[i].path
		}
		switch {
		case t == table:
			here = append(here, n)
		case strings.EqualFold(n, name):
			elsewhere = append(elsewhere, keys[i].path)
		}
	}
	what := "unknown key"
	if table == "" {
		here = append(here, slices.Sorted(maps.Keys(tables))...)
		if _, ok := v.(map[string]any); ok {
			what = "unknown table"
		}
	}
	near := nearest(name, here)
	if near != "" && table != "" {
		near = table + "." + near
	}
	if near == "" && len(elsewhere) > 0 {
		near = elsewhere[0]
	}
	l.fault(path, what, Fault{Near: near})
}

// cameras checks each [[camera]].
func (l *loader) cameras(root map[string]any) {
	var list []map[string]any
	switch v := root[cameraTable].(type) {
	case nil: // a fresh installation has no camera yet; the page says how to add one
	case []map[string]any:
		list = v
	case []any:
		for i, item := range v {
			m, ok := item.(map[string]any)
			if !ok {
				l.fault(indexPath(cameraTable, i), fmt.Sprintf("want a table and not %s", kind(item)), Fault{})
			}
			list = append(list, m)
		}
	default:
		l.fault(cameraTable, fmt.Sprintf("each camera is a [[camera]] of its own, and not %s", kind(v)), Fault{})
	}
	for i, m := range list {
		if m == nil {
			continue
		}
		at, cam := indexPath(cameraTable, i), defaultCamera()
		cam.Line = l.line(at)
		l.section(at, cameraTable, m, &cam)
		if cam.Shown = cam.Source; l.written[at+".source"] != "" {
			cam.Shown = l.written[at+".source"]
		}
		l.cfg.Cameras = append(l.cfg.Cameras, cam)
		l.camera(at, &cam)
	}
}

// value checks one value and stores it.
func (l *loader) value(path string, k *key, v any, cam *Camera) {
	if l.failed[path] {
		return
	}
	switch to := k.at(&l.cfg, cam).(type) {
	case *string:
		if s, ok := v.(string); ok {
			*to = s
			l.text(path, k, s)
			return
		}
		l.wrongType(path, k, "a text in quotes", v)
	case *bool:
		if b, ok := v.(bool); ok {
			*to = b
			return
		}
		l.wrongType(path, k, "true or false", v)
	case *int:
		if n, ok := v.(int64); ok && len(k.whole) > 0 {
			if *to = int(n); !slices.Contains(k.whole, *to) {
				l.fault(path, fmt.Sprintf("%d is not one of its values", n), Fault{Allowed: k.allowed()})
			}
		} else if ok && l.inRange(path, k, float64(n)) {
			*to = int(n)
		} else if !ok {
			l.wrongType(path, k, "a whole number", v)
		}
	case *float64:
		if n, ok := l.number(path, k, v); ok {
			*to = n
		}
	case *time.Duration:
		if n, ok := l.number(path, k, v); ok {
			*to = time.Duration(math.Round(n * float64(time.Second)))
		}
	case *[]string:
		*to = l.list(path, k, v)
	case *map[string]float64:
		*to = l.numbers(path, k, v)
	case *Fingerprint:
		*to = l.fingerprint(path, k, v)
	case *Crop:
		*to = l.crop(path, k, v)
	case *TLS:
		l.tls(path, k, v, to)
	case *Masks:
		*to = l.masks(path, k, v)
	}
}

func (l *loader) wrongType(path string, k *key, want string, v any) {
	l.fault(path, fmt.Sprintf("want %s and not %s", want, l.kind(path, v)), Fault{Allowed: k.allowed()})
}

// kind names the value at path.
func (l *loader) kind(path string, v any) string {
	if s, ok := v.(string); ok {
		return "the text " + l.shown(path, s)
	}
	return kind(v)
}

// kind names a TOML value for a person.
func kind(v any) string {
	switch v := v.(type) {
	case string:
		return "the text " + show(v)
	case bool:
		return fmt.Sprintf("%t", v)
	case int64, float64:
		return fmt.Sprintf("the number %v", v)
	case time.Time:
		return "a date or time"
	case []any, []map[string]any:
		return "a list"
	}
	return "a table"
}

func (l *loader) text(path string, k *key, s string) {
	if k.check != nil {
		if what := k.check(s); what != "" {
			if _, ok := l.written[path]; ok {
				what = l.shown(path, s) + " does not fit, with what its references stand for"
			}
			l.fault(path, what, Fault{Allowed: k.want})
		}
	}
	if len(k.oneOf) > 0 && !slices.Contains(k.oneOf, s) {
		near := ""
		if _, ok := l.written[path]; !ok {
			near = nearest(s, k.oneOf)
		}
		l.fault(path, l.shown(path, s)+" is not one of its values", Fault{Allowed: k.allowed(), Near: near})
	}
}

func (l *loader) number(path string, k *key, v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), l.inRange(path, k, float64(n))
	case float64:
		return n, l.inRange(path, k, n)
	}
	l.wrongType(path, k, "a number", v)
	return 0, false
}

func (l *loader) inRange(path string, k *key, n float64) bool {
	if n >= k.min && n <= k.max || k.zero && n == 0 {
		return true
	}
	l.fault(path, fmt.Sprintf("%v is out of range", n), Fault{Allowed: k.allowed()})
	return false
}

func (l *loader) list(path string, k *key, v any) []string {
	if s, ok := v.(string); ok && k.single {
		l.text(path, k, s)
		return []string{s}
	}
	items, ok := v.([]any)
	if !ok {
		l.wrongType(path, k, "a list of texts", v)
		return nil
	}
	if len(items) == 0 && k.single {
		l.fault(path, "is an empty list", Fault{Allowed: k.want})
	}
	var out []string
	for i, item := range items {
		at := indexPath(path, i)
		s, ok := item.(string)
		switch {
		case l.failed[at]:
		case !ok:
			l.wrongType(at, k, "a text in quotes", item)
		case slices.Contains(out, s):
			l.fault(at, l.shown(at, s)+" is listed twice", Fault{})
		default:
			l.text(at, k, s)
			out = append(out, s)
		}
	}
	return out
}

func (l *loader) numbers(path string, k *key, v any) map[string]float64 {
	m, ok := v.(map[string]any)
	if !ok {
		l.wrongType(path, k, "a table of numbers", v)
		return nil
	}
	out := make(map[string]float64, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if n, ok := l.number(joinPath(path, name), k, m[name]); ok {
			out[name] = n
		}
	}
	return out
}
