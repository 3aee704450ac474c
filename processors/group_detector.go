package processors

import (
	"context"
	"fmt"
	"time"

	"anomalystream/processors/checkpoint"
	"anomalystream/streams"
	"anomalystream/streams/guards"
)

// DetectorGroup is this process's part in a stream's detector group: it scores the stream's events and learns from them, and
// writes anomalies, rollups, dead letters and the status of each detector. It is safe for concurrent use.
type DetectorGroup struct {
	config Config
	engine *Engine
	group  *checkpoint.Group[*State]
}

// NewDetectorGroup returns the detector group of a stream; Run starts it.
//
// Where the group has never committed anything it starts at the definition's From. What is in the topic before that first
// start is backfill: it warms the detectors up, its anomalies are marked as replay and notify nobody. Which records are
// backfill is kept with the group's offsets, so the same ones are after every restart. In a repartitioned stream the
// repartition group starts there and marks them.
func NewDetectorGroup(c Config) (*DetectorGroup, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	engine, err := NewEngine(c.Definition)
	if err != nil {
		return nil, fmt.Errorf("configuring stream %s: %w", c.Definition.Name, err)
	}
	start, err := checkpoint.ParseStart(c.Definition.From)
	if err != nil {
		return nil, fmt.Errorf("configuring stream %s: %w", c.Definition.Name, err)
	}
	g := &DetectorGroup{config: c, engine: engine}
	input := c.Topics.Source(c.Definition)
	if c.Definition.Repartitioned() {
		input, start = c.Topics.Repartition(c.Definition.Name), checkpoint.Start{}
	}
	g.group, err = newGroup(c.GroupConfig, checkpoint.Config[*State]{
		Group: c.Topics.DetectorGroup(c.Definition.Name), Input: input, Stateful: true,
		Outputs: []string{c.Topics.Anomalies(), c.Topics.DeadLetters(), c.Topics.Late(), c.Topics.Rollups(), c.Topics.Detectors()},
		NewApp:  func(int32) checkpoint.App[*State] { return newDetectorApp(c, engine) },
		Source:  source, Start: start,
	})
	if err != nil {
		return nil, err
	}
	return g, nil
}

// source reads the position that a repartitioned record carries. Headers that cannot be read are as good as none: somebody
// else wrote them.
func source(m *checkpoint.Message) (checkpoint.Position, bool) {
	p, ok, err := streams.PositionFromHeaders(lookup(m))
	return checkpoint.Position(p), ok && err == nil
}

// Run works until the context ends.
func (g *DetectorGroup) Run(ctx context.Context) error { return g.group.Run(ctx) }

// Ready returns nil while the group reads its input, and otherwise why it does not.
func (g *DetectorGroup) Ready() error { return g.group.Ready() }

// Reset gives the detector of an entity a new state, and reports whether this process has such a detector.
func (g *DetectorGroup) Reset(entity string) bool {
	return g.group.Reset(streams.DetectorKey(g.config.Definition.Name, entity))
}

// Checkpoint saves all detectors that changed now.
func (g *DetectorGroup) Checkpoint() error { return g.group.Checkpoint() }

// SetRate sets the requested false-alarm rate of the stream's detectors in this process, in (0, 0.5). Control does it in all.
func (g *DetectorGroup) SetRate(rate float64) { g.engine.SetRate(rate) }

// Rate returns the requested false-alarm rate.
func (g *DetectorGroup) Rate() float64 { return g.engine.Rate() }

// SetGuards exchanges the rules and maintenance windows of the stream's detectors in this process. Control does it in all.
func (g *DetectorGroup) SetGuards(rules *guards.Guards) { g.engine.SetGuards(rules) }

// Scored is what an event would score now.
type Scored struct {
	Status streams.DetectorStatus // Of the detector.
	Result Result
}

// Score tells what an event, as JSON, would score with the detector of an entity. Nothing is learned. The error is a
// *streams.Reject for an event that cannot be read; ok is false where this process has no such detector.
func (g *DetectorGroup) Score(entity string, value []byte) (scored Scored, ok bool, err error) {
	event, reject := g.decode(entity, value)
	if reject != nil {
		return Scored{}, true, reject
	}
	ok = g.group.Look(streams.DetectorKey(g.config.Definition.Name, entity), func(s *State) {
		scored.Result, reject = g.engine.Peek(s, &event)
		scored.Status = g.engine.Status(s)
	})
	if reject != nil {
		return Scored{}, ok, reject
	}
	return scored, ok, nil
}

// decode reads an event for a given entity, whatever the stream's key rule is.
func (g *DetectorGroup) decode(entity string, value []byte) (streams.Event, *streams.Reject) {
	d := *g.config.Definition
	if d.Key != streams.KeyStream {
		d.Key = streams.KeyRecord
	}
	return streams.NewDecoder(&d, g.config.MaxRecord).Decode(streams.Record{Key: []byte(entity), Value: value, Timestamp: time.Now()})
}

// ResetState deletes the saved state of detectors of a stream, of all where no entity is named, and returns how many it
// deleted. No process of the stream's detector group may be running; in a running one use DetectorGroup.Reset.
func ResetState(ctx context.Context, topics checkpoint.Topics, names streams.Topics, stream string, entities ...string) (int, error) {
	keys := make([]string, len(entities))
	for i, e := range entities {
		keys[i] = streams.DetectorKey(stream, e)
	}
	return topics.Reset(ctx, names.DetectorGroup(stream), keys...)
}
