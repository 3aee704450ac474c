package processors

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"anomalystream/processors/checkpoint"
	"anomalystream/streams"
)

// detectorApp is the application of a detector group on one partition: the shell around Engine.Step.
type detectorApp struct {
	engine  *Engine
	decoder *streams.Decoder
	refusal refusal
	topics  streams.Topics
	log     *slog.Logger
	rekeyed bool // Repartitioned: the repartition group marks what is backfill.

	event streams.Event     // Read by Key for Apply.
	keys  map[string]string // Detector key by entity.

	events, scored, anomalies, suppressed, late prometheus.Counter
	latency, fit                                prometheus.Observer
}

// maxKeys bounds the cache of detector keys.
const maxKeys = 1 << 16

func newDetectorApp(c Config, engine *Engine) *detectorApp {
	name := c.Definition.Name
	return &detectorApp{
		engine: engine, decoder: streams.NewDecoder(c.Definition, c.MaxRecord), refusal: c.refusal(), topics: c.Topics,
		log: c.Log.With("stream", name), rekeyed: c.Definition.Repartitioned(), keys: map[string]string{},
		events: c.Metrics.events.WithLabelValues(name), scored: c.Metrics.scored.WithLabelValues(name),
		anomalies: c.Metrics.anomalies.WithLabelValues(name), suppressed: c.Metrics.suppressed.WithLabelValues(name),
		late: c.Metrics.late.WithLabelValues(name), latency: c.Metrics.latency.WithLabelValues(name),
		fit: c.Metrics.fit.WithLabelValues(name),
	}
}

// Key decodes the message; what is no event becomes a dead letter.
func (a *detectorApp) Key(m *checkpoint.Message, out *checkpoint.Outputs) (string, bool) {
	rec := record(m)
	if a.rekeyed {
		rec.Replay = streams.ReplayFromHeaders(lookup(m))
	}
	var reject *streams.Reject
	if a.event, reject = a.decoder.Decode(rec); reject != nil {
		a.refusal.write(m, stageDecode, reject, out)
		return "", false
	}
	key, ok := a.keys[a.event.Entity]
	if !ok {
		if len(a.keys) == maxKeys {
			clear(a.keys)
		}
		key = a.event.Key()
		a.keys[a.event.Entity] = key
	}
	return key, true
}

// New returns a detector that has seen nothing.
func (a *detectorApp) New(key string) *State { return a.engine.NewState(a.entity(key)) }

// entity is the entity of a detector key.
func (a *detectorApp) entity(key string) string {
	return strings.TrimPrefix(strings.TrimPrefix(key, a.refusal.stream), "/")
}

// Apply scores the event and learns from it.
func (a *detectorApp) Apply(s *State, m *checkpoint.Message, out *checkpoint.Outputs) {
	started := time.Now() // For the metrics alone.
	result, reject := a.engine.Step(s, &a.event)
	if result.Late {
		a.late.Inc()
	}
	if reject != nil {
		a.refuse(m, reject, out)
		return
	}
	a.events.Inc()
	if result.Scored {
		a.scored.Inc()
	}
	if result.Refitted {
		a.fit.Observe(time.Since(started).Seconds())
	}
	for i := range result.Closed {
		a.rollup(&result.Closed[i], out)
	}
	if result.Anomaly == nil {
		return
	}
	a.anomalies.Inc()
	if result.Anomaly.Suppressed != "" {
		a.suppressed.Inc()
	}
	b, err := streams.MarshalAnomaly(result.Anomaly)
	if err != nil {
		panic(fmt.Sprintf("encoding anomaly %s: %v", result.Anomaly.ID, err))
	}
	out.Emit(a.topics.Anomalies(), streams.DetectorKey(result.Anomaly.Stream, result.Anomaly.Entity), b)
	if !a.event.Replay {
		a.latency.Observe(time.Since(m.Timestamp).Seconds())
	}
}

// refuse writes the dead letter of an event that the detector refused. A late one is no mistake of its sender: it has a topic of
// its own.
func (a *detectorApp) refuse(m *checkpoint.Message, reject *streams.Reject, out *checkpoint.Outputs) {
	refusal := a.refusal
	if reject.Code == streams.CodeLate {
		refusal.topic = a.topics.Late()
	}
	refusal.write(m, stageDetect, reject, out)
}

// Refuse writes the dead letter of an event that was not applied.
func (a *detectorApp) Refuse(m *checkpoint.Message, code, reason string, out *checkpoint.Outputs) {
	a.refusal.write(m, stageDetect, &streams.Reject{Code: code, Reason: reason}, out)
}

// Append appends the detector's snapshot.
func (a *detectorApp) Append(b []byte, s *State) []byte { return a.engine.AppendState(b, s) }

// Restore makes the detector of its snapshot. A snapshot of another definition is given up: somebody changed what the
// detectors are, and they have to learn anew.
func (a *detectorApp) Restore(key string, payload []byte) (*State, error) {
	entity := a.entity(key)
	s, err := a.engine.RestoreState(entity, payload)
	if errors.Is(err, ErrDefinition) {
		a.log.Warn("the definition of the stream has changed: the detector starts anew", "key", key, "error", err)
		return a.engine.NewState(entity), nil
	}
	return s, err
}

// Report writes the detector's status and its rollup of the minute that is still open.
func (a *detectorApp) Report(key string, s *State, size int, out *checkpoint.Outputs) {
	status := a.engine.Status(s)
	status.CheckpointAt, status.StateBytes = time.Now().UTC(), size
	b, err := streams.MarshalDetectorStatus(&status)
	if err != nil {
		a.log.Error("encoding a status", "key", key, "error", err)
		return
	}
	out.Emit(a.topics.Detectors(), key, b)
	if r, ok := a.engine.Rollup(s); ok {
		a.rollup(&r, out)
	}
}

func (a *detectorApp) rollup(r *streams.Rollup, out *checkpoint.Outputs) {
	b, err := streams.MarshalRollup(r)
	if err != nil {
		panic(fmt.Sprintf("encoding a rollup of %s: %v", streams.DetectorKey(r.Stream, r.Entity), err))
	}
	out.Emit(a.topics.Rollups(), streams.DetectorKey(r.Stream, r.Entity), b)
}
