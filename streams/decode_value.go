package streams

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// value reads any value; n says what is wanted of it, nil for nothing.
func (d *Decoder) value(n *pathNode, depth int) *Reject {
	at := d.pos
	switch c := d.peek(); {
	case c == '{':
		if n.wanted() {
			d.wrongType(n, "an object", at)
		}
		return d.object(n, depth+1)
	case c == '[':
		if n.wanted() {
			d.wrongType(n, "an array", at)
		}
		return d.array(depth + 1)
	case c == '"':
		s, r := d.text()
		if r == nil && n.wanted() {
			d.takeText(n, s.bytes, at)
		}
		return r
	case isDigit(c) || c == '-' && !d.infinite():
		s, integer, r := d.number()
		if r == nil && n.wanted() {
			d.takeNumber(n, s, integer, at)
		}
		return r
	case c == 't', c == 'f':
		word := "true"
		if c == 'f' {
			word = "false"
		}
		if n.wanted() {
			d.wrongType(n, word, at)
		}
		return d.literal(word)
	case c == 'n' && !d.infinite():
		if n.wanted() {
			d.takeNull(n, at)
		}
		return d.literal("null")
	}
	if d.infinite() {
		return d.notFinite(n)
	}
	return d.broken("expected a value")
}

// infinite reports whether one of the words for numbers that JSON does not have comes next.
func (d *Decoder) infinite() bool {
	rest := bytes.TrimPrefix(d.data[d.pos:], []byte("-"))
	for _, word := range []string{"NaN", "nan", "Infinity", "Inf", "inf"} {
		if bytes.HasPrefix(rest, []byte(word)) {
			return true
		}
	}
	return false
}

// notFinite refuses a record with such a word. It ends the reading: the record is no JSON.
func (d *Decoder) notFinite(n *pathNode) *Reject {
	field := ""
	if n != nil {
		field = n.path
	}
	return &Reject{Code: CodeNotFinite, Field: field, Reason: fmt.Sprintf("NaN or an infinity at byte %d, which JSON does not have", d.pos)}
}

func (d *Decoder) wrongType(n *pathNode, found string, at int) {
	code := CodeWrongType
	switch {
	case len(n.features) > 0:
	case n.key:
		code = CodeBadKey
	case n.time:
		code = CodeBadTime
	}
	d.complain(code, n.path, "found %s at byte %d, expected %s", found, at, n.expects())
}

func (d *Decoder) takeText(n *pathNode, s []byte, at int) {
	if len(n.features) > 0 {
		d.wrongType(n, "a string", at)
		return
	}
	if n.key {
		d.takeKey(n, s, at)
	}
	if n.time {
		t, ok := parseTime(s)
		if !ok {
			d.complain(CodeBadTime, n.path, "found %q at byte %d, expected an RFC 3339 time", clip(s), at)
			return
		}
		d.takeTime(n, t, at)
	}
}

func (d *Decoder) takeNumber(n *pathNode, s []byte, integer bool, at int) {
	if n.key {
		if !integer {
			d.wrongType(n, "the number "+clip(s), at)
			return
		}
		d.takeKey(n, s, at)
	}
	if n.time {
		t, ok := parseUnix(s)
		if !ok {
			d.complain(CodeAbsurdTime, n.path, "the number %s at byte %d is no time of the years %d to %d in Unix seconds or milliseconds", clip(s), at, MinTime.Year(), MaxTime.Year()-1)
			return
		}
		d.takeTime(n, t, at)
	}
	if len(n.features) == 0 {
		return
	}
	v, code := finite(s)
	if code != "" {
		d.badNumber(code, n.path, s, at)
		return
	}
	for _, i := range n.features {
		if d.seen[i] != unseen {
			d.twice(n, at)
			return
		}
		d.values[i], d.seen[i] = v, given
	}
}

// finite reads a number that can be computed with, or returns the code of what is wrong with it.
func finite(s []byte) (v float64, code string) {
	v, err := strconv.ParseFloat(string(s), 64) // The text is a JSON number, so the range is all that can be wrong.
	switch {
	case err != nil:
		return 0, CodeNotFinite
	case math.Abs(v) > MaxMagnitude:
		return 0, CodeOutOfRange
	}
	return v, ""
}

func (d *Decoder) badNumber(code, field string, s []byte, at int) {
	if code == CodeNotFinite {
		d.complain(code, field, "the number %s at byte %d is beyond float64", clip(s), at)
		return
	}
	d.complain(code, field, "the number %s at byte %d is too large to compute with, at most %g is accepted", clip(s), at, MaxMagnitude)
}

func (d *Decoder) takeNull(n *pathNode, at int) {
	if n.key {
		d.complain(CodeMissingKey, n.path, "the key field is null at byte %d", at)
	}
	if n.time {
		d.complain(CodeBadTime, n.path, "the time field is null at byte %d", at)
	}
	for _, i := range n.features {
		if d.seen[i] != unseen {
			d.twice(n, at)
			return
		}
		d.seen[i] = null
	}
}

func (d *Decoder) takeKey(n *pathNode, s []byte, at int) {
	entity, reason := d.intern(s)
	switch {
	case reason != "":
		d.complain(CodeBadKey, n.path, "the key at byte %d %s", at, reason)
	case d.key.found:
		d.twice(n, at)
	default:
		d.key = keyField{entity, true}
	}
}

// twice refuses a place that a dotted name and a nested object both fill.
func (d *Decoder) twice(n *pathNode, at int) {
	d.complain(CodeDuplicate, n.path, "given once as a dotted name and once in a nested object, at byte %d", at)
}

// clip shortens what a reason quotes.
func clip(s []byte) string {
	const most = 64
	if len(s) <= most {
		return string(s)
	}
	return string(bytes.ToValidUTF8(s[:most], nil)) + "..."
}
