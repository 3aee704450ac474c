package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"time"
)

// A snapshot is one record of the group's table, little-endian:
//
//	offset  size  field
//	0       1     version: 2
//	1       1     kind: 0 whole, 1 in chunks
//	2       8     at: offset of the group's input topic that was applied last
//	10      8     turn: interventions so far; version 1 has none, and the body or manifest begins here
//	18      n     whole: the body; in chunks: the manifest
//	18+n    4     CRC-32C of everything before
//
// The body:
//
//	positions   u32 count; each: position
//	outbox      u32 count; each: position (of the message), i64 offset in the input topic, i64 timestamp in Unix
//	            milliseconds or 0 for none, string topic, string key, bytes value, u32 count of headers; each: string name,
//	            bytes value
//	payload     the rest: the application's snapshot
//
//	position    string topic, i32 partition, i64 offset
//	string      u32 length, bytes
//	bytes       u32 length, bytes; length 0xffffffff stands for none (null)
//
// The manifest names the chunks a body too large for one record is cut into. They are records of the same partition, written
// before the snapshot and marked by the header "anomalystream-chunk"; the key of chunk i is the snapshot's key, a zero byte,
// the id as 16 hexadecimal digits, a point and i in decimal:
//
//	id          u64, different in each snapshot
//	chunks      u32 count
//	size        u64 length of the body
//	checksum    u32 CRC-32C of the body
const (
	envelopeVersion = 2
	kindWhole       = 0
	kindChunked     = 1
	envelopeHead1   = 10 // Of version 1.
	envelopeHead    = 18
	envelopeTail    = 4
	manifestSize    = 24
	nullLength      = 0xffffffff
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errCorrupt is the reason of all that cannot be read although its version is known.
var errCorrupt = errors.New("the snapshot is corrupt")

// age says how much a key has lived through: of two snapshots of a key, the one of greater age counts.
type age struct {
	at   int64 // Offset of the input topic applied last; -1 before any.
	turn int64 // Interventions so far.
}

func (a age) less(b age) bool { return a.at < b.at || a.at == b.at && a.turn < b.turn }

// pending is output of an applied message that was not acknowledged when the snapshot was made.
type pending struct {
	source Position
	input  int64 // Offset of the message in the input topic.
	output Output
}

// body is what a snapshot holds.
type body struct {
	last    []Position // Last message applied of each source partition.
	outbox  []pending
	payload []byte
}

// manifest names the chunks of a body.
type manifest struct {
	id       uint64
	chunks   uint32
	size     uint64
	checksum uint32
}

// chunkKey is the key of chunk i of a key's snapshot.
func (m manifest) chunkKey(key string, i uint32) string {
	return fmt.Sprintf("%s\x00%016x.%d", key, m.id, i)
}

// keys returns the keys of all chunks.
func (m manifest) keys(key string) []string {
	out := make([]string, m.chunks)
	for i := range out {
		out[i] = m.chunkKey(key, uint32(i))
	}
	return out
}

func appendPosition(b []byte, p Position) []byte {
	b = appendString(b, p.Topic)
	b = binary.LittleEndian.AppendUint32(b, uint32(p.Partition))
	return binary.LittleEndian.AppendUint64(b, uint64(p.Offset))
}

func appendString(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

func appendBytes(b, v []byte) []byte {
	if v == nil {
		return binary.LittleEndian.AppendUint32(b, nullLength)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(v)))
	return append(b, v...)
}

// appendBody appends everything of a body but its payload, which the caller appends.
func appendBody(b []byte, last []Position, outbox []pending) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(last)))
	for _, p := range last {
		b = appendPosition(b, p)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(outbox)))
	for _, o := range outbox {
		b = appendPosition(b, o.source)
		b = binary.LittleEndian.AppendUint64(b, uint64(o.input))
		b = binary.LittleEndian.AppendUint64(b, uint64(milliseconds(o.output.Timestamp)))
		b = appendString(b, o.output.Topic)
		b = appendString(b, o.output.Key)
		b = appendBytes(b, o.output.Value)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(o.output.Headers)))
		for _, name := range slices.Sorted(maps.Keys(o.output.Headers)) {
			b = appendString(b, name)
			b = appendBytes(b, o.output.Headers[name])
		}
	}
	return b
}

func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// appendHead appends version, kind and age.
func appendHead(b []byte, kind byte, a age) []byte {
	b = binary.LittleEndian.AppendUint64(append(b, envelopeVersion, kind), uint64(a.at))
	return binary.LittleEndian.AppendUint64(b, uint64(a.turn))
}

// appendChecksum appends the checksum of all of b.
func appendChecksum(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func appendManifest(b []byte, m manifest) []byte {
	b = binary.LittleEndian.AppendUint64(b, m.id)
	b = binary.LittleEndian.AppendUint32(b, m.chunks)
	b = binary.LittleEndian.AppendUint64(b, m.size)
	return binary.LittleEndian.AppendUint32(b, m.checksum)
}

// readHead checks a snapshot record and returns its age and either the bytes of its body or the manifest of its chunks.
func readHead(record []byte) (a age, rest []byte, chunks *manifest, err error) {
	if len(record) == 0 {
		return age{}, nil, nil, fmt.Errorf("%w: it is empty", errCorrupt)
	}
	head := envelopeHead
	switch v := record[0]; v {
	case 1:
		head = envelopeHead1
	case envelopeVersion:
	default:
		return age{}, nil, nil, fmt.Errorf("the snapshot has version %d, and this program reads versions 1 to %d", v, envelopeVersion)
	}
	if len(record) < head+envelopeTail {
		return age{}, nil, nil, fmt.Errorf("%w: it has %d bytes only", errCorrupt, len(record))
	}
	rest, tail := record[:len(record)-envelopeTail], record[len(record)-envelopeTail:]
	if got, want := crc32.Checksum(rest, castagnoli), binary.LittleEndian.Uint32(tail); got != want {
		return age{}, nil, nil, fmt.Errorf("%w: checksum %08x, expected %08x", errCorrupt, got, want)
	}
	a.at = int64(binary.LittleEndian.Uint64(rest[2:]))
	if head > envelopeHead1 {
		a.turn = int64(binary.LittleEndian.Uint64(rest[envelopeHead1:]))
	}
	rest = rest[head:]
	switch kind := record[1]; {
	case kind == kindWhole:
		return a, rest, nil, nil
	case kind == kindChunked && len(rest) == manifestSize:
		return a, nil, &manifest{
			id:       binary.LittleEndian.Uint64(rest),
			chunks:   binary.LittleEndian.Uint32(rest[8:]),
			size:     binary.LittleEndian.Uint64(rest[12:]),
			checksum: binary.LittleEndian.Uint32(rest[20:]),
		}, nil
	default:
		return age{}, nil, nil, fmt.Errorf("%w: kind %d with %d bytes", errCorrupt, kind, len(rest))
	}
}

// join puts a body together from its chunks.
func (m manifest) join(key string, chunk func(key string) []byte) ([]byte, error) {
	var out []byte
	for i := range m.chunks {
		c := chunk(m.chunkKey(key, i))
		if c == nil {
			return nil, fmt.Errorf("%w: chunk %d of %d is missing", errCorrupt, i+1, m.chunks)
		}
		out = append(out, c...)
	}
	if got := crc32.Checksum(out, castagnoli); uint64(len(out)) != m.size || got != m.checksum {
		return nil, fmt.Errorf("%w: its chunks hold %d bytes with checksum %08x, expected %d and %08x", errCorrupt, len(out), got, m.size, m.checksum)
	}
	return out, nil
}

// readBody reads a body. The payload shares memory with b.
func readBody(b []byte) (out body, err error) {
	r := reader{b: b}
	for range r.count(16) {
		out.last = append(out.last, r.position())
	}
	for range r.count(48) {
		o := pending{source: r.position(), input: int64(r.u64())}
		if ms := int64(r.u64()); ms != 0 {
			o.output.Timestamp = time.UnixMilli(ms).UTC()
		}
		o.output.Topic, o.output.Key, o.output.Value = string(r.bytes()), string(r.bytes()), slices.Clone(r.bytes())
		for range r.count(8) {
			if o.output.Headers == nil {
				o.output.Headers = map[string][]byte{}
			}
			name := string(r.bytes())
			o.output.Headers[name] = slices.Clone(r.bytes())
		}
		out.outbox = append(out.outbox, o)
	}
	if r.short {
		return body{}, fmt.Errorf("%w: it ends too early", errCorrupt)
	}
	out.payload = r.b
	return out, nil
}

// reader reads fields; after the end it returns zeros and remembers.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.b, r.short = nil, true
		return make([]byte, min(n, 8))
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) u32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }

// count reads a number of items that take at least size bytes each.
func (r *reader) count(size int) uint32 {
	n := r.u32()
	if int64(n)*int64(size) > int64(len(r.b)) {
		r.b, r.short = nil, true
		return 0
	}
	return n
}

func (r *reader) bytes() []byte {
	n := r.u32()
	if n == nullLength {
		return nil
	}
	if int64(n) > int64(len(r.b)) {
		r.b, r.short = nil, true
		return nil
	}
	return r.take(int(n))
}

func (r *reader) position() Position {
	topic := string(r.bytes())
	return Position{Topic: topic, Partition: int32(r.u32()), Offset: int64(r.u64())}
}
