package processors

import (
	"context"

	"anomalystream/processors/checkpoint"
	"anomalystream/processors/routes"
	"anomalystream/streams"
)

// NotifyJournalGroup copies each incident into the journals of the routes that it concerns, keyed by route, so that limits and
// digests of a route see everything of it in one order. Incidents that were there before the group first started are not
// copied: they are history.
type NotifyJournalGroup struct {
	group *checkpoint.Group[struct{}]
}

// NewNotifyJournalGroup returns the group; Run starts it.
func NewNotifyJournalGroup(c NotifyConfig) (*NotifyJournalGroup, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	group, err := newGroup(c.GroupConfig, checkpoint.Config[struct{}]{
		Group: c.Topics.NotifyJournalGroup(), Input: c.Topics.Incidents(),
		Outputs: []string{c.Topics.NotifyJournal(), c.Topics.DeadLetters()},
		NewApp: func(int32) checkpoint.App[struct{}] {
			return &journaling{routes: c.Routes, topic: c.Topics.NotifyJournal(), refusal: c.refusal()}
		},
	})
	if err != nil {
		return nil, err
	}
	return &NotifyJournalGroup{group: group}, nil
}

// Run works until the context ends.
func (g *NotifyJournalGroup) Run(ctx context.Context) error { return g.group.Run(ctx) }

// Ready returns nil while the group reads the incidents, and otherwise why it does not.
func (g *NotifyJournalGroup) Ready() error { return g.group.Ready() }

// journaling is the application of the group: it has no state.
type journaling struct {
	stateless
	routes  []*routes.Route
	topic   string
	refusal refusal
}

// Key copies an incident, with the position it was read at.
func (j *journaling) Key(m *checkpoint.Message, out *checkpoint.Outputs) (string, bool) {
	if m.Value == nil || m.Backfill {
		return "", false // A tombstone ends the record of an incident, and tells nothing about it.
	}
	incident, reject := readIncident(m.Value)
	if reject != nil {
		j.refusal.write(m, stageNotify, reject, out)
		return "", false
	}
	headers := map[string][]byte{streams.HeaderRecord: []byte(streams.RecordIncident)}
	for _, h := range streams.Position(m.Source).Headers() {
		headers[h.Key] = h.Value
	}
	for _, r := range j.routes {
		if r.Matches(incident) {
			out.Add(checkpoint.Output{Topic: j.topic, Key: r.Name, Value: m.Value, Headers: headers}) // Written now, as ticks are.
		}
	}
	return "", false
}

// readIncident reads a record of the incidents topic.
func readIncident(value []byte) (*streams.Incident, *streams.Reject) {
	incident, err := streams.UnmarshalIncident(value)
	if err != nil {
		return nil, &streams.Reject{Code: streams.CodeNotJSON, Reason: err.Error()}
	}
	if incident.ID == "" || incident.Revision < 1 || incident.Stream == "" {
		return nil, &streams.Reject{Code: streams.CodeMissingField, Reason: "no incident: id, revision or stream is missing"}
	}
	return incident, nil
}

// Refuse writes the dead letter of a message that made us panic.
func (j *journaling) Refuse(m *checkpoint.Message, code, reason string, out *checkpoint.Outputs) {
	j.refusal.write(m, stageNotify, &streams.Reject{Code: code, Reason: reason}, out)
}
