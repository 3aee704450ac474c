package processors

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"anomalystream/processors/checkpoint"
	"anomalystream/processors/incidents"
	"anomalystream/streams"
)

// IncidentConfig configures the groups that make incidents.
type IncidentConfig struct {
	GroupConfig
	Definitions []*streams.Definition
	TickEvery   time.Duration // Default incidents.TickEvery.

	// Windows returns the maintenance windows of a stream that are open at a time. Default none ever.
	Windows func(stream string, at time.Time) []streams.OpenWindow

	Metrics *Metrics // Default measures for nobody.
}

// WithDefaults returns the configuration with every unset field filled.
func (c IncidentConfig) WithDefaults() IncidentConfig {
	c.GroupConfig = c.GroupConfig.WithDefaults()
	if c.TickEvery == 0 {
		c.TickEvery = incidents.TickEvery
	}
	if c.Windows == nil {
		c.Windows = noWindows
	}
	if c.Metrics == nil {
		c.Metrics = NewMetrics(nil)
	}
	return c
}

func noWindows(string, time.Time) []streams.OpenWindow { return nil }

// Validate reports what is wrong with the configuration.
func (c IncidentConfig) Validate() error {
	if err := c.GroupConfig.Validate(); err != nil {
		return fmt.Errorf("configuring the incident groups: %w", err)
	}
	return nil
}

func (c IncidentConfig) refusal() refusal {
	return refusal{topic: c.Topics.DeadLetters(), max: largestLetter(c.MaxRecord), rejects: c.Metrics.rejects.MustCurryWith(prometheus.Labels{"stream": ""})}
}

// IncidentGroup is this process's part in the group that turns the journal into incidents.
type IncidentGroup struct {
	group *checkpoint.Group[*incidents.State]
}

// NewIncidentGroup returns the incident group; Run starts it.
func NewIncidentGroup(c IncidentConfig) (*IncidentGroup, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	engines := map[string]*incidents.Engine{}
	for _, d := range c.Definitions {
		engine, err := incidents.New(d)
		if err != nil {
			return nil, fmt.Errorf("configuring the incidents of stream %s: %w", d.Name, err)
		}
		engines[d.Name] = engine
	}
	group, err := newGroup(c.GroupConfig, checkpoint.Config[*incidents.State]{
		Group: c.Topics.IncidentGroup(), Input: c.Topics.Journal(), Stateful: true,
		Outputs: []string{c.Topics.Incidents(), c.Topics.Feedback(), c.Topics.DeadLetters()},
		NewApp: func(int32) checkpoint.App[*incidents.State] {
			return &incidentApp{engines: engines, topics: c.Topics, max: largestLetter(c.MaxRecord), refusal: c.refusal(), metrics: c.Metrics.incidents}
		},
		Source: source,
	})
	if err != nil {
		return nil, err
	}
	return &IncidentGroup{group: group}, nil
}

// Run works until the context ends.
func (g *IncidentGroup) Run(ctx context.Context) error { return g.group.Run(ctx) }

// Ready returns nil while the group reads the journal, and otherwise why it does not.
func (g *IncidentGroup) Ready() error { return g.group.Ready() }

// incidentApp is the application of the group on one partition: the shell around incidents.Engine.Step.
type incidentApp struct {
	engines map[string]*incidents.Engine
	topics  streams.Topics
	max     int // Largest record of an incident, in bytes.
	refusal refusal
	metrics incidentMetrics

	signal incidents.Signal // Read by Key for Apply.
	engine *incidents.Engine
}

// Key reads a record of the journal. Records of a stream that is not configured any more make no incidents.
func (a *incidentApp) Key(m *checkpoint.Message, out *checkpoint.Outputs) (string, bool) {
	kind, _ := m.Header(streams.HeaderRecord)
	stream, signal, err := readSignal(string(kind), m)
	if err != nil {
		a.refusal.write(m, stageIncidents, &streams.Reject{Code: streams.CodeNotJSON, Reason: err.Error()}, out)
		return "", false
	}
	a.signal, a.engine = signal, a.engines[stream]
	return stream, a.engine != nil
}

// New returns the state of a stream never seen.
func (a *incidentApp) New(string) *incidents.State { return incidents.NewState() }

// Apply makes incidents of the signal, and with the ticks deletes the records that are kept no longer.
func (a *incidentApp) Apply(s *incidents.State, _ *checkpoint.Message, out *checkpoint.Outputs) {
	for _, i := range a.engine.Step(s, a.signal) {
		switch {
		case i.Change == streams.ChangeOpened:
			a.metrics.opened.WithLabelValues(i.Stream, i.Kind).Inc()
		case i.Ends():
			a.metrics.ended.WithLabelValues(i.Stream, i.Kind).Inc()
		}
		out.Emit(a.topics.Incidents(), i.Key(), a.encode(&i))
	}
	if a.signal.Tick.IsZero() {
		return
	}
	expired := a.engine.Expire(s)
	for _, key := range expired.Incidents {
		out.Emit(a.topics.Incidents(), key, nil)
	}
	for _, key := range expired.Feedback {
		out.Emit(a.topics.Feedback(), key, nil)
	}
}

// encode returns the record of an incident. One that is too large goes without its peak.
func (a *incidentApp) encode(i *streams.Incident) []byte {
	b, err := streams.MarshalIncident(i)
	if err == nil && len(b) > a.max {
		i.Peak = nil
		b, err = streams.MarshalIncident(i)
	}
	if err != nil {
		panic(fmt.Sprintf("encoding incident %s: %v", i.ID, err))
	}
	return b
}

// Refuse writes the dead letter of a record that was not applied.
func (a *incidentApp) Refuse(m *checkpoint.Message, code, reason string, out *checkpoint.Outputs) {
	a.refusal.write(m, stageIncidents, &streams.Reject{Code: code, Reason: reason}, out)
}

// Append appends the snapshot of a stream's incidents.
func (a *incidentApp) Append(b []byte, s *incidents.State) []byte { return s.Append(b) }

// Restore makes the incidents of their snapshot.
func (a *incidentApp) Restore(_ string, payload []byte) (*incidents.State, error) {
	return incidents.Restore(payload)
}

// Report counts the incidents that last.
func (a *incidentApp) Report(stream string, s *incidents.State, _ int, _ *checkpoint.Outputs) {
	open := s.Open()
	for _, kind := range []string{streams.KindModel, streams.KindRule, streams.KindStuck, streams.KindSilent, streams.KindGroup} {
		a.metrics.open.WithLabelValues(stream, kind).Set(float64(open[kind]))
	}
}
