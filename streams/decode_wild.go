package streams

import (
	"slices"
	"strings"
)

// wildFields collects the numeric members of a wildcard stream's event. Features are in the order of their names, so
// producers may write the members in any order.
type wildFields struct {
	values []float64 // In document order.
	sorted []float64
	names  []byte            // The names in document order, each followed by a zero byte.
	shapes map[string]*shape // By names.
}

// shape is a set of members in document order, and how to sort them.
type shape struct {
	names []string // Sorted.
	from  []int    // Position in document order, by sorted position.
}

func (w *wildFields) reset() { w.values, w.names = w.values[:0], w.names[:0] }

func (w *wildFields) add(name []byte, v float64) {
	w.names = append(append(w.names, name...), 0)
	w.values = append(w.values, v)
}

// features returns names and values, sorted by name. The names are shared between events of the same members.
func (w *wildFields) features() ([]string, []float64) {
	if len(w.values) == 0 {
		return nil, nil
	}
	s, ok := w.shapes[string(w.names)]
	if !ok {
		if len(w.shapes) == maxShapes {
			clear(w.shapes)
		}
		s = newShape(string(w.names))
		w.shapes[string(w.names)] = s
	}
	w.sorted = w.sorted[:0]
	for _, i := range s.from {
		w.sorted = append(w.sorted, w.values[i])
	}
	return s.names, w.sorted
}

func newShape(joined string) *shape {
	names := strings.Split(strings.TrimSuffix(joined, "\x00"), "\x00")
	s := &shape{from: make([]int, len(names)), names: make([]string, len(names))}
	for i := range s.from {
		s.from[i] = i
	}
	slices.SortFunc(s.from, func(a, b int) int { return strings.Compare(names[a], names[b]) })
	for i, j := range s.from {
		s.names[i] = names[j]
	}
	return s
}

// wildValue reads a member that is a feature if it is a number. A null is a missing value where the definition has a
// policy for those; else it is as good as absent.
func (d *Decoder) wildValue(name []byte, depth int) *Reject {
	var v float64
	at := d.pos
	switch c := d.peek(); {
	case (isDigit(c) || c == '-') && !d.infinite():
		s, _, r := d.number()
		if r != nil {
			return r
		}
		var code string
		if v, code = finite(s); code != "" {
			d.badNumber(code, clip(name), s, at)
			return nil
		}
	case c == 'n' && !d.infinite() && !d.wildcard.reject:
		if r := d.literal("null"); r != nil {
			return r
		}
		v = d.wildcard.value
	default:
		return d.value(nil, depth)
	}
	if reason := checkName(name); reason != "" {
		d.complain(CodeWrongType, clip(name), "the name of the number at byte %d %s", at, reason)
		return nil
	}
	if len(d.wild.values) == MaxFeatures {
		d.complain(CodeShape, clip(name), "more than %d numeric fields at byte %d", MaxFeatures, at)
		return nil
	}
	d.wild.add(name, v)
	return nil
}
