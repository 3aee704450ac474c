package processors

import (
	"fmt"
	"slices"
)

// section is a part of a saved state that came after version 1. A state without the matter leaves its section out, so that
// what a detector does not use costs no bytes.
type section struct {
	tag   uint8
	write func(w *writer, s *State) // Writes nothing where the state has none of it.
	read  func(r *reader, s *State) // Reads all the bytes; what is left over is damage.
}

// Tags of sections, each given once and for good.
const (
	tagRawVerdicts = 1 // Verdicts with the raw values of the guilty features: only read.
	tagGuards      = 2 // Rules, stuck values, late events.
	tagVerdicts    = 3 // Verdicts in force.
)

// sections lists what is read and written, by ascending tag.
var sections = []section{
	{tagRawVerdicts, func(*writer, *State) {}, (*reader).rawVerdicts},
	{tagGuards, (*writer).guards, (*reader).guards},
	{tagVerdicts, (*writer).verdicts, (*reader).verdicts},
}

// sections appends the sections that are not empty, by ascending tag.
func (w *writer) sections(s *State) {
	at, count := len(w.b), uint32(0)
	w.uint32(count)
	for _, c := range sections {
		body := &writer{}
		if c.write(body, s); len(body.b) > 0 {
			w.b = append(w.b, c.tag)
			w.text(string(body.b))
			count++
		}
	}
	w.put(at, count)
}

// sections reads the sections of a state whose other fields are read. A tag that is not known comes from a newer program, and
// what it says must not be lost: that is an ErrFormatVersion, while damage is left to the reader.
func (r *reader) sections(s *State) error {
	last := uint8(0)
	for range r.size(5) {
		tag := r.take(1)[0]
		body := &reader{b: r.take(r.size(1))}
		if r.bad {
			return nil
		}
		i := slices.IndexFunc(sections, func(c section) bool { return c.tag == tag })
		if i < 0 {
			return fmt.Errorf("%w: it has a section %d, which this binary does not know", ErrFormatVersion, tag)
		}
		if tag <= last || len(body.b) == 0 {
			r.fail()
			return nil
		}
		last = tag
		if sections[i].read(body, s); body.bad || len(body.b) > 0 {
			r.fail()
			return nil
		}
	}
	return nil
}
