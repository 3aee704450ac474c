package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"anomalystream/processors"
	"anomalystream/views"
)

// setting is the record of the control topic: what was changed about a stream while it runs, keyed by the stream.
type setting struct {
	Stream string    `json:"stream"`
	Rate   float64   `json:"expected_anomaly_rate"`
	At     time.Time `json:"at"`
}

// control carries changes of running streams to every process: it writes them to the control topic and follows that topic.
type control struct {
	site      *site
	view      *views.Table[setting]
	detectors map[string]*processors.DetectorGroup // Of this process, by stream.
}

func newControl(s *site) *control {
	c := &control{site: s, detectors: map[string]*processors.DetectorGroup{}}
	decode := func(b []byte) (out setting, err error) {
		if err = json.Unmarshal(b, &out); err == nil && !(out.Rate > 0 && out.Rate < 0.5) {
			err = fmt.Errorf("expected_anomaly_rate %v is not between 0 and 0.5", out.Rate)
		}
		return out, err
	}
	c.view = views.NewTable(s.kafka.Brokers, s.topics.Control(), s.client(), decode, s.log)
	c.view.OnChange(func(stream string, row setting) {
		if g := c.detectors[stream]; g != nil {
			g.SetRate(row.Rate)
		}
	})
	return c
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
	for !c.view.Recovered() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// SetRate implements api.Control.
func (c *control) SetRate(_ context.Context, stream string, rate float64) error {
	value, err := json.Marshal(setting{Stream: stream, Rate: rate, At: time.Now().UTC()})
	if err != nil {
		return fmt.Errorf("writing the rate of stream %s: %w", stream, err)
	}
	producer, err := sarama.NewSyncProducer(c.site.kafka.Brokers, c.site.client())
	if err != nil {
		return fmt.Errorf("writing the rate of stream %s: %w", stream, err)
	}
	defer producer.Close()
	_, _, err = producer.SendMessage(&sarama.ProducerMessage{Topic: c.site.topics.Control(), Key: sarama.StringEncoder(stream), Value: sarama.ByteEncoder(value)})
	if err != nil {
		return fmt.Errorf("writing the rate of stream %s: %w", stream, err)
	}
	return nil
}

// Rate implements api.Control.
func (c *control) Rate(stream string) (float64, bool) {
	row, ok := c.view.Get(stream)
	return row.Rate, ok
}
