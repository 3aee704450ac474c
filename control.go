package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"anomalystream/internal/retry"
	"anomalystream/processors"
	"anomalystream/streams"
	"anomalystream/streams/guards"
	"anomalystream/views"
)

// setting is the record of the control topic: one thing that was changed while everything runs. Each kind has a key of its own,
// so that changes of one do not undo another's.
type setting struct {
	Stream  string            `json:"stream"` // "" for maintenance.
	Rate    float64           `json:"expected_anomaly_rate,omitempty"`
	Rules   *[]streams.Rule   `json:"rules,omitempty"`
	Windows *[]streams.Window `json:"maintenance,omitempty"`
	At      time.Time         `json:"at"`
}

// Keys of the control topic, beside the stream's name for its rate. No stream's name has a slash.
const (
	keyMaintenance = "/maintenance"
	suffixRules    = "/rules"
)

func keyRules(stream string) string { return stream + suffixRules }

// maxSetting bounds a record of the control topic: every broker takes that much.
const maxSetting = 900_000

// readSetting reads a record. One kind of change is in it.
func readSetting(b []byte) (out setting, err error) {
	if err = json.Unmarshal(b, &out); err != nil {
		return out, err
	}
	if out.Rules == nil && out.Windows == nil && !(out.Rate > 0 && out.Rate < 0.5) {
		err = fmt.Errorf("expected_anomaly_rate %v is not between 0 and 0.5", out.Rate)
	}
	return out, err
}

// control carries changes of running streams to every process: it writes them to the control topic and follows that topic.
type control struct {
	site      *site
	view      *views.Table[setting]
	detectors map[string]*processors.DetectorGroup // Of this process, by stream.

	mu      sync.Mutex                // Held while guards are exchanged: changes of several kinds may arrive at once.
	current map[string]*guards.Guards // What holds now, by stream; a stream is missing until somebody wants to know.
}

func newControl(s *site) *control {
	c := &control{site: s, detectors: map[string]*processors.DetectorGroup{}, current: map[string]*guards.Guards{}}
	c.view = views.NewTable(s.kafka.Brokers, s.topics.Control(), s.client(), readSetting, s.log)
	c.view.OnChange(c.arrived)
	return c
}

// arrived hands a change to the detectors of this process.
func (c *control) arrived(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if key == keyMaintenance {
		for _, stream := range c.site.cfg.Streams.Names() {
			c.guard(stream)
		}
		return
	}
	if stream, ok := strings.CutSuffix(key, suffixRules); ok {
		c.guard(stream)
		return
	}
	d, g := c.site.cfg.Streams.Get(key), c.detectors[key]
	if d == nil || g == nil {
		return
	}
	rate, changed := c.Rate(key)
	if !changed {
		rate = d.Rate
	}
	g.SetRate(rate)
}

// guard brings up to date what holds for a stream, and gives it to its detectors. Rules and windows set at run time may have become wrong by a
// change of the configuration, a feature that is gone; then those of the configuration hold.
// The lock is held.
func (c *control) guard(stream string) {
	d := c.site.cfg.Streams.Get(stream)
	if d == nil {
		return
	}
	rules, changed := c.Rules(stream)
	if !changed {
		rules = d.Rules
	} else if problems := guards.CheckRules(d, rules); len(problems) > 0 {
		c.site.log.Error("the rules set at run time do not fit the stream: the configuration's hold", "stream", stream, "error", &guards.Error{Problems: problems})
		rules = d.Rules
	}
	windows, changed := c.Maintenance()
	if !changed {
		windows = d.Maintenance
	}
	now, err := guards.New(d, rules, windows)
	if err != nil {
		c.site.log.Error("the maintenance windows set at run time cannot be read: rules and windows stay as they were", "stream", stream, "error", err)
		return
	}
	c.current[stream] = now
	if g := c.detectors[stream]; g != nil {
		g.SetGuards(now)
	}
}

// OpenWindows returns the maintenance windows of a stream that are open at a time.
func (c *control) OpenWindows(stream string, at time.Time) []streams.OpenWindow {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current[stream] == nil {
		c.guard(stream)
	}
	if now := c.current[stream]; now != nil {
		return now.Open(at)
	}
	return nil
}

func (c *control) run(ctx context.Context) error { return c.view.Run(ctx) }

func (c *control) ready(context.Context) error {
	if !c.view.Recovered() {
		return errors.New("the control topic is still being read")
	}
	return nil
}

// await waits until every earlier change has arrived.
func (c *control) await(ctx context.Context) error {
	return retry.Until(ctx, 20*time.Millisecond, c.view.Recovered)
}

// SetRate implements api.Control.
func (c *control) SetRate(_ context.Context, stream string, rate float64) error {
	return c.write(stream, setting{Stream: stream, Rate: rate})
}

// ResetRate implements api.Control.
func (c *control) ResetRate(_ context.Context, stream string) error { return c.remove(stream) }

// Rate implements api.Control.
func (c *control) Rate(stream string) (float64, bool) {
	row, ok := c.view.Get(stream)
	return row.Rate, ok
}

// SetRules implements api.Control.
func (c *control) SetRules(_ context.Context, stream string, rules []streams.Rule) error {
	rules = append([]streams.Rule{}, rules...) // None at all is a list too.
	return c.write(keyRules(stream), setting{Stream: stream, Rules: &rules})
}

// ResetRules implements api.Control.
func (c *control) ResetRules(_ context.Context, stream string) error {
	return c.remove(keyRules(stream))
}

// Rules implements api.Control.
func (c *control) Rules(stream string) ([]streams.Rule, bool) {
	row, ok := c.view.Get(keyRules(stream))
	if !ok || row.Rules == nil {
		return nil, false
	}
	return *row.Rules, true
}

// SetMaintenance implements api.Control.
func (c *control) SetMaintenance(_ context.Context, windows []streams.Window) error {
	windows = append([]streams.Window{}, windows...)
	return c.write(keyMaintenance, setting{Windows: &windows})
}

// ResetMaintenance implements api.Control.
func (c *control) ResetMaintenance(context.Context) error { return c.remove(keyMaintenance) }

// Maintenance implements api.Control.
func (c *control) Maintenance() ([]streams.Window, bool) {
	row, ok := c.view.Get(keyMaintenance)
	if !ok || row.Windows == nil {
		return nil, false
	}
	return *row.Windows, true
}

// write writes a change to the control topic, from where it comes back to every process.
func (c *control) write(key string, row setting) error {
	row.At = time.Now().UTC()
	value, err := json.Marshal(row)
	if err == nil && len(value) > maxSetting {
		err = fmt.Errorf("the change has %d bytes, at most %d fit", len(value), maxSetting)
	}
	if err != nil {
		return fmt.Errorf("writing setting %s: %w", key, err)
	}
	return c.send(key, sarama.ByteEncoder(value))
}

// remove takes a change back: the configuration holds again.
func (c *control) remove(key string) error { return c.send(key, nil) }

func (c *control) send(key string, value sarama.Encoder) error {
	producer, err := sarama.NewSyncProducer(c.site.kafka.Brokers, c.site.client())
	if err != nil {
		return fmt.Errorf("writing setting %s: %w", key, err)
	}
	defer producer.Close()
	_, _, err = producer.SendMessage(&sarama.ProducerMessage{Topic: c.site.topics.Control(), Key: sarama.StringEncoder(key), Value: value})
	if err != nil {
		return fmt.Errorf("writing setting %s: %w", key, err)
	}
	return nil
}
