package api

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"anomalystream/streams"
)

// Bounds of what the audit keeps of a change: a calendar alone can be larger than both.
const (
	mostOfItem   = 300  // Bytes of one item.
	mostOfChange = 8000 // Bytes of all.
)

func nameOfRule(r *streams.Rule) string     { return r.Name }
func nameOfWindow(w *streams.Window) string { return w.Name }

// changesOf tells the audit what became of a list whose items have unique names: what was added, removed and changed, in full as
// far as it fits. The order counts too, so where that alone is another it says so.
func changesOf[T any](before, after []T, name func(*T) string) string {
	old := make(map[string]string, len(before))
	for i := range before {
		old[name(&before[i])] = told(&before[i])
	}
	var out []string
	kept := make(map[string]bool, len(after))
	for i := range after {
		n, now := name(&after[i]), told(&after[i])
		was, known := old[n]
		kept[n] = known
		switch {
		case !known:
			out = append(out, "added "+cut(now, mostOfItem))
		case was != now:
			out = append(out, "changed "+cut(was, mostOfItem)+" to "+cut(now, mostOfItem))
		}
	}
	for i := range before {
		if n := name(&before[i]); !kept[n] {
			out = append(out, "removed "+cut(old[n], mostOfItem))
		}
	}
	switch {
	case len(out) > 0:
	case sameOrder(before, after, name):
		return "nothing changed"
	default:
		return "another order"
	}
	return cut(strings.Join(out, "; "), mostOfChange)
}

// sameOrder reports whether two lists of the same items have them in one order.
func sameOrder[T any](a, b []T, name func(*T) string) bool {
	for i := range a {
		if name(&a[i]) != name(&b[i]) {
			return false
		}
	}
	return true
}

// told is an item as the API shows it.
func told(item any) string {
	b, _ := json.Marshal(item) // Rules and windows hold nothing that JSON lacks: no number of them is infinite.
	return string(b)
}

// cut shortens a text to so many bytes at most, without breaking a character.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := most - len("…")
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
