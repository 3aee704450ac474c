package emitters

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"anomalystream/internal/kafkatest"
	"anomalystream/streams"
)

func readTopic(t *testing.T, o TopicOptions) []streams.Record {
	t.Helper()
	topic, err := OpenTopic(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := topic.Close(); err != nil {
			t.Error(err)
		}
	}()
	var out []streams.Record
	for {
		r, err := topic.Next()
		if err == io.EOF {
			if got := topic.Progress(); got != 1 {
				t.Errorf("progress at the end: got %v", got)
			}
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
}

func TestTopic(t *testing.T) {
	b := kafkatest.Start(t)
	p := connect(t, b)
	if _, err := Emit(t.Context(), p, EmitOptions{Streams: []string{"server_metrics"}, Count: 3000, Seed: 1, Start: start, Log: quiet()}); err != nil {
		t.Fatal(err)
	}
	o := TopicOptions{Brokers: b.Brokers(), Topic: "test.server_metrics"}
	want := simulate(t, "server_metrics", 1, 3000)
	all := readTopic(t, o)
	if len(all) != len(want) {
		t.Fatalf("read %d records, want %d", len(all), len(want))
	}
	seen := map[streams.Position]bool{}
	for i, r := range all {
		if i > 0 && r.Timestamp.Before(all[i-1].Timestamp) {
			t.Fatalf("record %d steps back in time", i)
		}
		if seen[r.Source] || r.Source.Topic != o.Topic || !r.Replay {
			t.Fatalf("record %d: %+v", i, r)
		}
		seen[r.Source] = true
	}
	from, to := all[1000].Timestamp.Add(time.Millisecond), all[2000].Timestamp
	o.From, o.To = from, to
	part := readTopic(t, o)
	n := 0
	for _, r := range all {
		if !r.Timestamp.Before(from) && r.Timestamp.Before(to) {
			n++
		}
	}
	if len(part) != n || n == 0 || part[0].Timestamp.Before(from) || !part[n-1].Timestamp.Before(to) {
		t.Errorf("read %d records of the range, want %d", len(part), n)
	}
	if got := readTopic(t, TopicOptions{Brokers: b.Brokers(), Topic: o.Topic, Newest: 100}); len(got) == 0 || len(got) > 104 {
		t.Errorf("read %d records, want the newest 100", len(got))
	}
	if got := readTopic(t, TopicOptions{Brokers: b.Brokers(), Topic: o.Topic, From: start.Add(time.Hour)}); len(got) != 0 {
		t.Errorf("read %d records of the future", len(got))
	}
	if got := readTopic(t, TopicOptions{Brokers: b.Brokers(), Topic: "test.iot_sensors"}); len(got) != 0 {
		t.Errorf("read %d records of an empty topic", len(got))
	}
}

func TestTopicFails(t *testing.T) {
	b := kafkatest.Start(t)
	b.CreateTopic("held", 1)
	if _, err := OpenTopic(t.Context(), TopicOptions{Brokers: b.Brokers(), Topic: "no.such"}); err == nil || !strings.Contains(err.Error(), "reading topic no.such") {
		t.Errorf("no such topic: got %v", err)
	}
	p, err := NewPublisher(PublisherConfig{Brokers: b.Brokers(), Streams: []*streams.Definition{{Name: "held", Topic: "held", Key: streams.KeyStream}}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.deliver(t.Context(), quiet(), "held", simulate(t, "iot_sensors", 1, 3)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	topic, err := OpenTopic(ctx, TopicOptions{Brokers: b.Brokers(), Topic: "held"})
	if err != nil {
		t.Fatal(err)
	}
	defer topic.Close()
	if _, err := topic.Next(); err != nil {
		t.Fatal(err)
	}
	topic.partitions[0].end += 5 // Records that never come.
	cancel()
	for err == nil {
		_, err = topic.Next()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
