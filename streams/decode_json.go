package streams

import (
	"bytes"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// This file reads JSON: one pass over the bytes, strict (RFC 8259, unique names, valid UTF-8, no unpaired surrogates),
// and every complaint has the byte where it arose. Values go to decode_value.go on the way.

// document reads the whole value.
func (d *Decoder) document() *Reject {
	d.space()
	object := d.peek() == '{'
	var r *Reject
	if object {
		r = d.object(d.plan, 1)
	} else {
		r = d.value(nil, 1)
	}
	if r != nil {
		return r
	}
	d.space()
	if d.pos < len(d.data) {
		return d.broken("data after the end of the value")
	}
	if !object {
		return &Reject{Code: CodeNotObject, Reason: "the value is JSON, but not an object"}
	}
	return nil
}

// object reads an object; n holds the members that are wanted, nil for none.
func (d *Decoder) object(n *pathNode, depth int) *Reject {
	if depth > maxDepth {
		return d.tooDeep()
	}
	id := d.members.open()
	d.pos++
	d.space()
	if d.peek() == '}' {
		d.pos++
		return nil
	}
	for {
		if d.peek() != '"' {
			return d.broken("expected the name of a member")
		}
		name, r := d.text()
		if r != nil {
			return r
		}
		if !d.members.add(id, name, d.data, d.scratch) {
			d.complain(CodeDuplicate, clip(name.bytes), "the object names it again before byte %d", d.pos)
		}
		d.space()
		if d.peek() != ':' {
			return d.broken("expected ':'")
		}
		d.pos++
		d.space()
		child := n.child(name.bytes)
		if child == nil && n != nil && n.top {
			r = d.wildValue(name.bytes, depth)
		} else {
			r = d.value(child, depth)
		}
		if r != nil {
			return r
		}
		d.space()
		switch d.peek() {
		case ',':
			d.pos++
			d.space()
		case '}':
			d.pos++
			return nil
		default:
			return d.broken("expected ',' or '}'")
		}
	}
}

// array reads an array; nothing inside is ever wanted.
func (d *Decoder) array(depth int) *Reject {
	if depth > maxDepth {
		return d.tooDeep()
	}
	d.pos++
	d.space()
	if d.peek() == ']' {
		d.pos++
		return nil
	}
	for {
		if r := d.value(nil, depth); r != nil {
			return r
		}
		d.space()
		switch d.peek() {
		case ',':
			d.pos++
			d.space()
		case ']':
			d.pos++
			return nil
		default:
			return d.broken("expected ',' or ']'")
		}
	}
}

// text is the content of a string, and where it lies: in the record, or in the scratch buffer if there were escapes.
type text struct {
	bytes   []byte
	at      int
	escaped bool
}

// text reads a string.
func (d *Decoder) text() (text, *Reject) {
	start := d.pos + 1
	ascii := true
	for i := start; i < len(d.data); i++ {
		switch c := d.data[i]; {
		case c == '"':
			s := d.data[start:i]
			if !ascii && !utf8.Valid(s) {
				d.pos = start + firstInvalid(s)
				return text{}, d.broken("the text is not UTF-8")
			}
			d.pos = i + 1
			return text{bytes: s, at: start}, nil
		case c == '\\':
			return d.escaped(start)
		case c < ' ':
			d.pos = i
			return text{}, d.broken("a control character in a string")
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	d.pos = len(d.data)
	return text{}, d.broken("the string has no end")
}

// escaped reads a string with escapes into the scratch buffer.
func (d *Decoder) escaped(start int) (text, *Reject) {
	from := len(d.scratch)
	for i := start; i < len(d.data); {
		switch c := d.data[i]; {
		case c == '"':
			d.pos = i + 1
			return text{bytes: d.scratch[from:], at: from, escaped: true}, nil
		case c == '\\':
			n := d.unescape(i)
			if n == 0 {
				d.pos = i
				return text{}, d.broken("an escape that JSON does not have")
			}
			i += n
		case c < ' ':
			d.pos = i
			return text{}, d.broken("a control character in a string")
		case c < utf8.RuneSelf:
			d.scratch = append(d.scratch, c)
			i++
		default:
			r, n := utf8.DecodeRune(d.data[i:])
			if r == utf8.RuneError && n == 1 {
				d.pos = i
				return text{}, d.broken("the text is not UTF-8")
			}
			d.scratch = append(d.scratch, d.data[i:i+n]...)
			i += n
		}
	}
	d.pos = len(d.data)
	return text{}, d.broken("the string has no end")
}

// unescape appends the escape at byte i to the scratch buffer and returns its length, 0 for one that does not exist.
func (d *Decoder) unescape(i int) int {
	if i+1 >= len(d.data) {
		return 0
	}
	const short, means = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if k := bytes.IndexByte([]byte(short), d.data[i+1]); k >= 0 {
		d.scratch = append(d.scratch, means[k])
		return 2
	}
	r, ok := hex4(d.data, i)
	switch {
	case !ok:
		return 0
	case !utf16.IsSurrogate(r):
		d.scratch = utf8.AppendRune(d.scratch, r)
		return 6
	}
	low, ok := hex4(d.data, i+6)
	pair := utf16.DecodeRune(r, low)
	if !ok || pair == utf8.RuneError {
		return 0
	}
	d.scratch = utf8.AppendRune(d.scratch, pair)
	return 12
}

// hex4 reads the escape \uXXXX at byte i.
func hex4(b []byte, i int) (rune, bool) {
	if i+6 > len(b) || b[i] != '\\' || b[i+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[i+2 : i+6] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// number reads a number and returns its text; integer reports that it has neither fraction nor exponent.
func (d *Decoder) number() (text []byte, integer bool, r *Reject) {
	start := d.pos
	integer = true
	if d.peek() == '-' {
		d.pos++
	}
	switch c := d.peek(); {
	case c == '0':
		d.pos++
		if isDigit(d.peek()) {
			return nil, false, d.broken("a number with a leading zero")
		}
	case isDigit(c):
		d.digits()
	default:
		return nil, false, d.broken("expected a digit")
	}
	if d.peek() == '.' {
		integer = false
		d.pos++
		if !d.digits() {
			return nil, false, d.broken("expected a digit after the decimal point")
		}
	}
	if c := d.peek(); c == 'e' || c == 'E' {
		integer = false
		d.pos++
		if c := d.peek(); c == '+' || c == '-' {
			d.pos++
		}
		if !d.digits() {
			return nil, false, d.broken("expected a digit in the exponent")
		}
	}
	return d.data[start:d.pos], integer, nil
}

func (d *Decoder) digits() bool {
	start := d.pos
	for d.pos < len(d.data) && isDigit(d.data[d.pos]) {
		d.pos++
	}
	return d.pos > start
}

func isDigit(c byte) bool { return c-'0' < 10 }

// literal reads true, false or null.
func (d *Decoder) literal(word string) *Reject {
	if !bytes.HasPrefix(d.data[d.pos:], []byte(word)) {
		return d.broken("expected a value")
	}
	d.pos += len(word)
	return nil
}

func (d *Decoder) space() {
	for d.pos < len(d.data) {
		switch d.data[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

// peek is the next byte, 0 at the end.
func (d *Decoder) peek() byte {
	if d.pos < len(d.data) {
		return d.data[d.pos]
	}
	return 0
}

// broken says why the text is no JSON, and where.
func (d *Decoder) broken(why string) *Reject {
	found := "the end"
	if d.pos < len(d.data) {
		found = fmt.Sprintf("%q", d.data[d.pos])
		if d.data[d.pos] >= utf8.RuneSelf {
			found = fmt.Sprintf("0x%02X", d.data[d.pos])
		}
	}
	return &Reject{Code: CodeNotJSON, Reason: fmt.Sprintf("%s, found %s at byte %d", why, found, d.pos)}
}

func (d *Decoder) tooDeep() *Reject {
	return &Reject{Code: CodeTooDeep, Reason: fmt.Sprintf("nested deeper than %d levels at byte %d", maxDepth, d.pos)}
}

func firstInvalid(s []byte) int {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRune(s[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(s)
}
