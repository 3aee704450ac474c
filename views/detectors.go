package views

import (
	"encoding/json"
	"log/slog"
	"sort"

	"github.com/IBM/sarama"

	"anomalystream/streams"
)

// Detectors is the view of the detectors topic: the latest status of every detector key.
type Detectors struct {
	*Table[streams.DetectorStatus]
}

// NewDetectors returns a view of the detectors topic.
func NewDetectors(brokers []string, topic string, config *sarama.Config, log *slog.Logger) *Detectors {
	decode := func(b []byte) (s streams.DetectorStatus, err error) {
		err = json.Unmarshal(b, &s)
		return s, err
	}
	return &Detectors{NewTable(brokers, topic, config, decode, log)}
}

// List returns the statuses of a stream ("" for all), ordered by stream and entity.
func (d *Detectors) List(stream string) []streams.DetectorStatus {
	var out []streams.DetectorStatus
	d.Each(func(_ string, s streams.DetectorStatus) bool {
		if stream == "" || s.Stream == stream {
			out = append(out, s)
		}
		return true
	})
	sort.Slice(out, func(i, j int) bool {
		if out[i].Stream != out[j].Stream {
			return out[i].Stream < out[j].Stream
		}
		return out[i].Entity < out[j].Entity
	})
	return out
}

// Status returns the status of one detector.
func (d *Detectors) Status(stream, entity string) (streams.DetectorStatus, bool) {
	return d.Get(streams.DetectorKey(stream, entity))
}
