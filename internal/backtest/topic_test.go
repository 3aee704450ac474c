package backtest

import (
	"log/slog"
	"testing"

	"anomalystream/emitters"
	"anomalystream/internal/kafkatest"
	"anomalystream/streams"
)

// TestTopicSource replays a file to a topic and backtests both: one detector, the same events, the same outcome.
func TestTopicSource(t *testing.T) {
	dir := t.TempDir()
	path := recording(t, dir, "a", 1)
	d := definition()
	b := kafkatest.Start(t)
	b.CreateTopic("load", 3)
	p, err := emitters.NewPublisher(emitters.PublisherConfig{Brokers: b.Brokers(), Streams: []*streams.Definition{d}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if out, err := emitters.Replay(t.Context(), p, emitters.ReplayOptions{Stream: d, Files: []string{path}, Log: slog.New(slog.DiscardHandler)}); err != nil || out.Sent != rows {
		t.Fatalf("replayed %+v, %v", out, err)
	}
	r, err := Run(t.Context(), Options{Setups: []Setup{{Definition: d}}, Sources: []Source{FileSource(path), TopicSource(t.Context(), "topic", emitters.TopicOptions{Brokers: b.Brokers(), Topic: "load"})}})
	if err != nil {
		t.Fatal(err)
	}
	file, topic := r.Runs[0].Sources[0], r.Runs[0].Sources[1]
	if file.Rows != topic.Rows || file.Scored != topic.Scored || file.Anomalies != topic.Anomalies || topic.Anomalies == 0 || topic.Rejected != 0 {
		t.Errorf("the file gave %+v, the topic %+v", file, topic)
	}
}
