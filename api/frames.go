package api

import (
	"encoding/json"
	"strconv"
	"time"

	"anomalystream/streams"
)

// Types of frame.
const (
	frameHello     = "hello"
	frameHeartbeat = "heartbeat"
	frameRollups   = "rollups"
	frameDetectors = "detectors"
	frameDeleted   = "deleted"
	frameGap       = "gap"
)

// maxFrameItems bounds the anomalies of one frame: larger bursts are sent as several frames.
const maxFrameItems = 500

// chunk is how many anomalies of a replay are sent at once: a message of the single format holds one only.
func (k *groupKey) chunk() int {
	if k.format == formatSingle {
		return maxBacklog
	}
	return maxFrameItems
}

// encodeItems renders entries in the group's format: one message, or one for each entry in the single format.
func (k *groupKey) encodeItems(seq uint64, entries []*entry, replayed bool) [][]byte {
	size := 200
	for _, e := range entries {
		size += len(e.body) + len(e.cursor) + 20
	}
	switch k.format {
	case formatSingle:
		out := make([][]byte, len(entries))
		for i, e := range entries {
			out[i] = e.body
		}
		return out
	case formatEvents:
		b := make([]byte, 0, size)
		for _, e := range entries {
			b = append(append(append(b, "id: "...), e.cursor...), "\ndata: "...)
			b = append(append(b, e.body...), "\n\n"...)
		}
		return [][]byte{b}
	}
	b := head(size, seq, k.items)
	b = append(b, `,"cursor":`...)
	b = appendString(b, entries[len(entries)-1].cursor)
	if replayed {
		b = append(b, `,"replayed":true`...)
	}
	b = append(b, `,"items":[`...)
	for i, e := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e.body...)
	}
	return [][]byte{append(b, "]}"...)}
}

// encode renders a frame of another type; fields are its members after seq and type. Its items are empty, so that a client
// that reads nothing but items gets the anomalies and only these. The single format has none of these frames.
func (k *groupKey) encode(seq uint64, kind string, fields map[string]any) [][]byte {
	switch k.format {
	case formatSingle:
		return nil
	case formatEvents:
		id := ""
		if cursor, ok := fields["cursor"].(string); ok {
			id = "id: " + cursor + "\n" // A client that has seen no anomaly yet resumes from here.
		}
		if kind == frameHeartbeat {
			return [][]byte{[]byte(id + "\n")} // Without data it is no event, and still moves the last event's id.
		}
		b, err := json.Marshal(fields)
		if err != nil {
			return nil // Fields are ours and finite.
		}
		return [][]byte{append(append([]byte(id+"event: "+kind+"\ndata: "), b...), "\n\n"...)}
	}
	b, err := json.Marshal(fields)
	if err != nil {
		return nil
	}
	out := head(len(b)+64, seq, kind)
	if len(b) > 2 {
		out = append(append(out, ','), b[1:len(b)-1]...)
	}
	return [][]byte{append(out, `,"items":[]}`...)}
}

func head(size int, seq uint64, kind string) []byte {
	b := append(make([]byte, 0, size), `{"seq":`...)
	b = strconv.AppendUint(b, seq, 10)
	return append(append(append(b, `,"type":"`...), kind...), '"')
}

func appendString(b []byte, s string) []byte {
	q, err := json.Marshal(s)
	if err != nil {
		return append(b, `""`...) // A string always encodes.
	}
	return append(b, q...)
}

// anomalyOut returns the anomaly with empty lists instead of null ones, as the schema promises.
func anomalyOut(a streams.Anomaly) streams.Anomaly {
	a.Detectors = list(a.Detectors)
	a.Why.Contributions = list(a.Why.Contributions)
	if a.Features == nil {
		a.Features = map[string]float64{}
	}
	return a
}

func storedOut(a streams.StoredAnomaly) streams.StoredAnomaly {
	a.Anomaly = anomalyOut(a.Anomaly)
	a.CreatedAt = a.CreatedAt.UTC()
	return a
}

func statusOut(s streams.DetectorStatus) streams.DetectorStatus {
	s.Features, s.Detectors, s.Failures, s.Verdicts = list(s.Features), list(s.Detectors), list(s.Failures), list(s.Verdicts)
	return s
}

func rollupOut(r streams.Rollup) streams.Rollup {
	r.Features = list(r.Features)
	return r
}

// list returns s, never nil: JSON lists are not null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func utc(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
