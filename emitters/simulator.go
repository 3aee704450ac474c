package emitters

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"anomalystream/streams"
)

// Event is one event to publish.
type Event struct {
	Key    []byte    // Record key; nil takes the detector's, where the stream's key rule is not "record".
	Value  []byte    // JSON object.
	Time   time.Time // Becomes the timestamp of the record; zero takes the time of publishing.
	Truth  string    // Name of the simulated fault the event belongs to, "" for none; travels in a header only.
	Replay bool      // A replay of recorded events: it notifies nobody.
}

// SimulatorConfig configures a Simulator.
type SimulatorConfig struct {
	Stream   string        // "server_metrics", "transactions" or "iot_sensors".
	Seed     uint64        // The same seed gives the same events.
	Start    time.Time     // Event time of the first event.
	Interval time.Duration // Event time from one event to the next; 1 ms by default.
	Calm     int           // Events of an entity before its first fault; 250 by default, more than a warm-up.
	Gap      int           // Events of an entity between its faults, on average; 1000 by default.
}

// WithDefaults returns the configuration with its defaults filled in.
func (c SimulatorConfig) WithDefaults() SimulatorConfig {
	if c.Interval == 0 {
		c.Interval = time.Millisecond
	}
	if c.Calm == 0 {
		c.Calm = 250
	}
	if c.Gap == 0 {
		c.Gap = 1000
	}
	return c
}

// Validate says what is wrong with the configuration.
func (c SimulatorConfig) Validate() error {
	switch {
	case !slices.Contains(SimulatedStreams(), c.Stream):
		return fmt.Errorf("no simulator of stream %q, there are: %v", c.Stream, SimulatedStreams())
	case c.Start.Before(streams.MinTime) || !c.Start.Before(streams.MaxTime):
		return fmt.Errorf("start %s is outside the years %d to %d", c.Start, streams.MinTime.Year(), streams.MaxTime.Year()-1)
	case c.Interval < 0, c.Calm < 0, c.Gap < 1:
		return errors.New("interval, calm and gap must not be negative")
	}
	return nil
}

// SimulatedStreams names the streams that can be simulated.
func SimulatedStreams() []string { return []string{"server_metrics", "transactions", "iot_sensors"} }

// Simulator makes up the events of one stream: a handful of entities with correlated features, a daily pattern and
// heavy tails, and now and then a fault with a name.
//
// Two clocks run in it. An event's timestamp advances by the interval, so it can stay close to the wall clock at any
// rate. What happens to the entities follows a simulated clock that an entity's events move: five minutes from one
// reading of a host or device to the next, the hours between two payments of a card. So a demonstration of a minute
// holds days of life, and faults take the same number of events at every rate.
//
// It is deterministic: the event number i depends on configuration and seed alone. It is not safe for concurrent use.
type Simulator struct {
	cfg   SimulatorConfig
	world world
	n     int64
}

// world is what happens in one simulated stream.
type world interface {
	// next returns the entity of the next event, appends its members to the JSON object in b, and names its fault.
	next(b []byte) (entity string, value []byte, truth string)
}

// NewSimulator returns a simulator at its first event.
func NewSimulator(cfg SimulatorConfig) (*Simulator, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuring the simulator: %w", err)
	}
	s := &Simulator{cfg: cfg}
	switch cfg.Stream {
	case "server_metrics":
		s.world = newServers(cfg)
	case "transactions":
		s.world = newCards(cfg)
	case "iot_sensors":
		s.world = newDevices(cfg)
	}
	return s, nil
}

// Next returns the next event; there is always one.
func (s *Simulator) Next() Event {
	at := s.cfg.Start.Add(time.Duration(s.n) * s.cfg.Interval).UTC().Truncate(time.Millisecond)
	s.n++
	value := make([]byte, 0, 256)
	value = append(value, `{"timestamp":"`...)
	value = at.AppendFormat(value, "2006-01-02T15:04:05.000Z07:00")
	value = append(value, '"')
	entity, value, truth := s.world.next(value)
	return Event{Key: []byte(entity), Value: append(value, '}'), Time: at, Truth: truth}
}

// source returns the random numbers of one entity: independent of those of the others.
func source(seed uint64, stream, entity string) *rand.Rand {
	h := uint64(14695981039346656037) // FNV-1a.
	for _, c := range []byte(stream + "/" + entity) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, h))
}

func appendText(b []byte, name, text string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, `":"`...)
	b = append(b, text...)
	return append(b, '"')
}

// appendNumber appends a member with that many decimal places.
func appendNumber(b []byte, name string, v float64, places int) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return strconv.AppendFloat(b, v, 'f', places, 64)
}
