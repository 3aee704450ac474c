package checkpoint

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
)

// Position is where a message was first read: its identity, which repartitioning keeps.
type Position struct {
	Topic     string
	Partition int32
	Offset    int64
}

func comparePositions(a, b Position) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
}

// Message is one record of the input topic. It is valid during the call it is passed to.
type Message struct {
	Position           // Where this group reads it.
	Source    Position // Where it was first read; equal to Position unless Config.Source says otherwise.
	Key       []byte   // nil for no key.
	Value     []byte   // nil for a tombstone.
	Timestamp time.Time
	Backfill  bool // It was in the topic before the group first started.

	key         []byte
	headers     goka.Headers
	headersFrom goka.Context
}

// Header is one record header.
type Header struct {
	Key   string
	Value []byte
}

// Header returns the value of a header; of several of one name, the last one's.
func (m *Message) Header(name string) ([]byte, bool) {
	v, ok := m.all()[name]
	return v, ok
}

// Headers returns all headers: in their order where a name occurs twice, else by name.
func (m *Message) Headers() []Header {
	all := m.all()
	if b, ok := all[carriedHeaders]; ok {
		return decodeHeaders(b)
	}
	out := make([]Header, 0, len(all))
	for k, v := range all {
		if k != carriedNullKey {
			out = append(out, Header{k, v})
		}
	}
	slices.SortFunc(out, func(a, b Header) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

func (m *Message) all() goka.Headers {
	if m.headers == nil && m.headersFrom != nil {
		m.headers = m.headersFrom.Headers()
	}
	return m.headers
}

// read fills the message from goka's context.
func (m *Message) read(ctx goka.Context, value []byte) {
	m.Position = Position{Topic: string(ctx.Topic()), Partition: ctx.Partition(), Offset: ctx.Offset()}
	m.Source = m.Position
	m.Value, m.Timestamp = value, ctx.Timestamp()
	m.headers, m.headersFrom = nil, ctx
	m.key = append(m.key[:0], ctx.Key()...)
	m.Key = m.key
	if len(m.key) == 0 {
		m.Key = []byte{}
		if _, null := m.Header(carriedNullKey); null {
			m.Key = nil
		}
	}
}

// What goka drops on the way from the consumer to the callback travels in headers of our own, added after the record was read:
// it knows no difference between an empty key and none, and of two headers of one name it keeps one.
const (
	carriedNullKey = "\x00null-key"
	carriedHeaders = "\x00headers"
)

// carry is a consumer interceptor that adds those headers.
type carry struct{}

// OnConsume implements sarama.ConsumerInterceptor.
func (carry) OnConsume(m *sarama.ConsumerMessage) {
	if repeats(m.Headers) {
		var b []byte
		for _, h := range m.Headers {
			b = binary.AppendUvarint(b, uint64(len(h.Key)))
			b = append(b, h.Key...)
			if h.Value == nil {
				b = binary.AppendUvarint(b, 0)
				continue
			}
			b = binary.AppendUvarint(b, uint64(len(h.Value))+1)
			b = append(b, h.Value...)
		}
		m.Headers = append(m.Headers, &sarama.RecordHeader{Key: []byte(carriedHeaders), Value: b})
	}
	if m.Key == nil {
		m.Headers = append(m.Headers, &sarama.RecordHeader{Key: []byte(carriedNullKey)})
	}
}

// repeats reports whether a name occurs twice, or one of ours occurs at all.
func repeats(headers []*sarama.RecordHeader) bool {
	for i, h := range headers {
		if len(h.Key) > 0 && h.Key[0] == 0 {
			return true
		}
		for _, other := range headers[:i] {
			if string(h.Key) == string(other.Key) {
				return true
			}
		}
	}
	return false
}

func decodeHeaders(b []byte) []Header {
	var out []Header
	next := func() []byte {
		n, size := binary.Uvarint(b)
		field := b[size : size+int(n)]
		b = b[size+int(n):]
		return field
	}
	for len(b) > 0 {
		key := string(next())
		if b[0] == 0 {
			b = b[1:]
			out = append(out, Header{Key: key})
			continue
		}
		n, size := binary.Uvarint(b)
		out = append(out, Header{Key: key, Value: b[size : size+int(n)-1]})
		b = b[size+int(n)-1:]
	}
	return out
}
