package processors

import (
	"context"
	"fmt"
	"slices"
	"time"

	"anomalystream/processors/checkpoint"
	"anomalystream/processors/routes"
	"anomalystream/streams"
)

// NotifyConfig configures the groups that plan notifications.
type NotifyConfig struct {
	GroupConfig
	Routes    []*routes.Route
	TickEvery time.Duration  // Time between ticks, by which waits are measured; default 10 s.
	Metrics   *NotifyMetrics // Default measures for nobody.
}

// WithDefaults returns the configuration with every unset field filled.
func (c NotifyConfig) WithDefaults() NotifyConfig {
	c.GroupConfig = c.GroupConfig.WithDefaults()
	if c.TickEvery == 0 {
		c.TickEvery = 10 * time.Second
	}
	if c.Metrics == nil {
		c.Metrics = NewNotifyMetrics(nil)
	}
	return c
}

// Validate reports what is wrong with the configuration.
func (c NotifyConfig) Validate() error {
	if err := c.GroupConfig.Validate(); err != nil {
		return fmt.Errorf("configuring notifications: %w", err)
	}
	names := map[string]bool{}
	for _, r := range c.Routes {
		if r.Name == "" || names[r.Name] || r.Per <= 0 {
			return fmt.Errorf("configuring notifications: route %q has no name, or one that another has, or no span for its limit", r.Name)
		}
		names[r.Name] = true
	}
	return nil
}

func (c NotifyConfig) refusal() refusal {
	return refusal{topic: c.Topics.DeadLetters(), max: largestLetter(c.MaxRecord), rejects: c.Metrics.rejects}
}

// NotifyGroup is this process's part in planning notifications: of what the journals of the routes say, in their order, it makes
// the messages to deliver. A crash makes the same messages with the same keys.
type NotifyGroup struct {
	group *checkpoint.Group[*routes.State]
}

// NewNotifyGroup returns the group; Run starts it.
func NewNotifyGroup(c NotifyConfig) (*NotifyGroup, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	group, err := newGroup(c.GroupConfig, checkpoint.Config[*routes.State]{
		Group: c.Topics.NotifyGroup(), Input: c.Topics.NotifyJournal(), Stateful: true,
		Outputs: []string{c.Topics.Notifications(), c.Topics.DeadLetters()},
		NewApp: func(int32) checkpoint.App[*routes.State] {
			return &planning{routes: c.Routes, topic: c.Topics.Notifications(), refusal: c.refusal(), metrics: c.Metrics}
		},
		Source: source,
	})
	if err != nil {
		return nil, err
	}
	return &NotifyGroup{group: group}, nil
}

// Run works until the context ends.
func (g *NotifyGroup) Run(ctx context.Context) error { return g.group.Run(ctx) }

// Ready returns nil while the group reads the journals, and otherwise why it does not.
func (g *NotifyGroup) Ready() error { return g.group.Ready() }

// planning is the application of the group: its keys are routes.
type planning struct {
	routes  []*routes.Route
	topic   string
	refusal refusal
	metrics *NotifyMetrics

	route  *routes.Route // Of the message Key read last.
	signal routes.Signal // That message.
}

// Key reads a message of the journal. What concerns a route that is not configured any more is dropped.
func (p *planning) Key(m *checkpoint.Message, out *checkpoint.Outputs) (string, bool) {
	i := slices.IndexFunc(p.routes, func(r *routes.Route) bool { return r.Name == string(m.Key) })
	if i < 0 {
		return "", false
	}
	p.route, p.signal = p.routes[i], routes.Signal{At: m.Timestamp}
	if kind, _ := m.Header(streams.HeaderRecord); string(kind) == streams.RecordTick {
		return p.route.Name, true
	}
	incident, reject := readIncident(m.Value)
	if reject != nil {
		p.refusal.write(m, stageNotify, reject, out)
		return "", false
	}
	p.signal.Incident, p.signal.Body = incident, slices.Clone(m.Value)
	return p.route.Name, true
}

// New returns the state of a route that has told nothing.
func (*planning) New(string) *routes.State { return routes.NewState() }

// Apply plans what follows from the message.
func (p *planning) Apply(state *routes.State, _ *checkpoint.Message, out *checkpoint.Outputs) {
	held := state.Held()
	for _, n := range p.route.Step(state, p.signal) {
		b, err := streams.MarshalNotification(&n)
		if err != nil {
			panic(fmt.Sprintf("encoding the notification %s of route %s: %v", n.Key, n.Route, err)) // Its scores were read from JSON.
		}
		out.Emit(p.topic, n.Route, b)
		p.metrics.planned.WithLabelValues(n.Route, n.Event).Inc()
		if n.Digest != nil {
			held = 0
		}
	}
	p.metrics.held.WithLabelValues(p.route.Name).Add(float64(max(state.Held()-held, 0)))
}

// Refuse writes the dead letter of a message that cannot be applied.
func (p *planning) Refuse(m *checkpoint.Message, code, reason string, out *checkpoint.Outputs) {
	p.refusal.write(m, stageNotify, &streams.Reject{Code: code, Reason: reason}, out)
}

// Append appends the saved state of a route.
func (*planning) Append(b []byte, state *routes.State) []byte { return state.Append(b) }

// Restore reads the saved state of a route.
func (*planning) Restore(_ string, payload []byte) (*routes.State, error) {
	return routes.Restore(payload)
}

// Report measures a route.
func (p *planning) Report(route string, state *routes.State, _ int, _ *checkpoint.Outputs) {
	p.metrics.open.WithLabelValues(route).Set(float64(state.Open()))
}
