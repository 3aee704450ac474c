package streams

import (
	"fmt"
	"strconv"
)

// Headers returns the headers that carry the position through a repartition topic.
func (p Position) Headers() []Header {
	return []Header{
		{HeaderSourceTopic, []byte(p.Topic)},
		{HeaderSourcePartition, strconv.AppendInt(nil, int64(p.Partition), 10)},
		{HeaderSourceOffset, strconv.AppendInt(nil, p.Offset, 10)},
	}
}

// PositionFromHeaders returns the position that headers carry, and false where they carry none: then the record's own
// position is its identity. Header values come from lookup, which returns nil for an absent header. An error says that
// the headers are there and not readable.
func PositionFromHeaders(lookup func(name string) []byte) (Position, bool, error) {
	topic := lookup(HeaderSourceTopic)
	if topic == nil {
		return Position{}, false, nil
	}
	partition, err := strconv.ParseInt(string(lookup(HeaderSourcePartition)), 10, 32)
	if err != nil || partition < 0 {
		return Position{}, false, fmt.Errorf("reading header %s: found %q", HeaderSourcePartition, clip(lookup(HeaderSourcePartition)))
	}
	offset, err := strconv.ParseInt(string(lookup(HeaderSourceOffset)), 10, 64)
	if err != nil || offset < 0 {
		return Position{}, false, fmt.Errorf("reading header %s: found %q", HeaderSourceOffset, clip(lookup(HeaderSourceOffset)))
	}
	return Position{Topic: string(topic), Partition: int32(partition), Offset: offset}, true, nil
}

// ReplayFromHeaders reports whether headers mark a replayed record.
func ReplayFromHeaders(lookup func(name string) []byte) bool {
	return string(lookup(HeaderReplay)) == "1"
}
