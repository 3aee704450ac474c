package streams

import (
	"bytes"
	"hash/maphash"
)

// members remembers which names the objects of a record hold, to find a name given twice. It is one open-addressing
// table for all objects of a record: an entry is found by object and name, and entries of earlier records count as free.
type members struct {
	seed    maphash.Seed
	entries []member // Its length is a power of two.
	used    int      // Entries of this record.
	objects uint64   // Objects opened ever; the number of the latest one.
	first   uint64   // Number of this record's first object; entries below it are free.
}

type member struct {
	object  uint64
	hash    uint64
	at, n   int  // Where the name lies.
	escaped bool // In the scratch buffer instead of the record.
}

const (
	fewMembers  = 64   // Entries at first.
	manyMembers = 4096 // A larger table is not kept for the next record.
)

func (m *members) reset() {
	if len(m.entries) == 0 || len(m.entries) > manyMembers {
		m.entries = make([]member, fewMembers)
	}
	m.used = 0
	m.first = m.objects + 1
}

// open starts an object and returns its number.
func (m *members) open() uint64 {
	m.objects++
	return m.objects
}

// add notes a name of an object and reports whether it is new. The name lies in data or in scratch.
func (m *members) add(object uint64, name text, data, scratch []byte) bool {
	if 2*m.used >= len(m.entries) {
		m.grow()
	}
	e := member{object: object, at: name.at, n: len(name.bytes), escaped: name.escaped}
	e.hash = maphash.Bytes(m.seed, name.bytes) + object*0x9e3779b97f4a7c15
	mask := uint64(len(m.entries) - 1)
	for i := e.hash & mask; ; i = (i + 1) & mask {
		old := &m.entries[i]
		if old.object < m.first {
			*old = e
			m.used++
			return true
		}
		if old.hash == e.hash && old.object == object {
			where := data
			if old.escaped {
				where = scratch
			}
			if bytes.Equal(where[old.at:old.at+old.n], name.bytes) {
				return false
			}
		}
	}
}

func (m *members) grow() {
	old := m.entries
	m.entries = make([]member, 2*len(old))
	mask := uint64(len(m.entries) - 1)
	for _, e := range old {
		if e.object < m.first {
			continue
		}
		i := e.hash & mask
		for m.entries[i].object >= m.first {
			i = (i + 1) & mask
		}
		m.entries[i] = e
	}
}
