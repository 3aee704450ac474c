package emitters

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"

	"anomalystream/internal/kafkatest"
	"anomalystream/streams"
)

func TestMain(m *testing.M) {
	kafkatest.Main(m, nil)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func config(brokers []string) PublisherConfig {
	var defs []*streams.Definition
	for _, name := range SimulatedStreams() {
		defs = append(defs, definition(name))
	}
	return PublisherConfig{Brokers: brokers, Topics: streams.Topics{Prefix: "test."}, Streams: defs}
}

func connect(t *testing.T, b *kafkatest.Broker) *Publisher {
	t.Helper()
	for _, name := range SimulatedStreams() {
		b.CreateTopic("test."+name, 4)
	}
	p, err := NewPublisher(config(b.Brokers()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// TestPublish writes good and bad events together and reads the good ones back from where Publish says they are.
func TestPublish(t *testing.T) {
	b := kafkatest.Start(t)
	p := connect(t, b)
	events := simulate(t, "iot_sensors", 1, 20)
	events[3].Value = []byte(`{"timestamp":1767366245,"temperature":"hot"}`)
	events[5].Key = nil
	events[6].Value = nil
	events[7].Truth, events[7].Replay = FaultStuck, true
	codes := map[int]string{3: streams.CodeWrongType, 5: streams.CodeMissingKey, 6: streams.CodeTombstone}
	out, err := p.Publish(t.Context(), "iot_sensors", events)
	if err != nil {
		t.Fatal(err)
	}
	written := map[streams.Position]kafkatest.Record{}
	for _, r := range b.ReadAll("test.iot_sensors") {
		written[streams.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}] = r
	}
	if len(written) != len(events)-len(codes) {
		t.Errorf("%d records were written, want %d", len(written), len(events)-len(codes))
	}
	for i, o := range out {
		if code, bad := codes[i]; bad {
			if o.Reject == nil || o.Reject.Code != code {
				t.Errorf("event %d: got %v, want %s", i, o.Reject, code)
			}
			continue
		}
		r, ok := written[o.Position]
		if !ok || o.Reject != nil {
			t.Errorf("event %d: nothing at %v, %v", i, o.Position, o.Reject)
			continue
		}
		if string(r.Key) != string(events[i].Key) || string(r.Value) != string(events[i].Value) || r.Timestamp.Equal(events[i].Time) == events[i].Replay {
			t.Errorf("event %d: got %+v", i, r)
		}
		if want := streams.Partition(events[i].Key, 4); r.Partition != want {
			t.Errorf("event %d: key %s on partition %d, want %d", i, r.Key, r.Partition, want)
		}
		truth, _ := r.Header(streams.HeaderTruth)
		replay, _ := r.Header(streams.HeaderReplay)
		if truth != events[i].Truth || (replay == "1") != events[i].Replay {
			t.Errorf("event %d: headers %v", i, r.Headers)
		}
	}
	if _, err := p.Publish(t.Context(), "weather", events); !errors.Is(err, ErrUnknownStream) {
		t.Errorf("an unknown stream: got %v", err)
	}
	if out, err := p.Publish(t.Context(), "iot_sensors", nil); err != nil || len(out) != 0 {
		t.Errorf("no events: got %v, %v", out, err)
	}
}

func TestPublishReportsTrouble(t *testing.T) {
	b := kafkatest.Start(t)
	p := connect(t, b)
	stop := b.FailProduce("test.iot_sensors", -1, kerr.InvalidTopicException)
	_, err := p.Publish(t.Context(), "iot_sensors", simulate(t, "iot_sensors", 1, 3))
	if err == nil || !strings.Contains(err.Error(), "writing 3 of 3 records to topic test.iot_sensors at 127.0.0.1") {
		t.Errorf("got %v", err)
	}
	stop.Remove()
	release := b.HoldProduce("test.iot_sensors")
	defer release() // Before the publisher is closed, which waits for what is being written.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Publish(ctx, "iot_sensors", simulate(t, "iot_sensors", 1, 3)); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: got %v", err)
	}
}

func TestPublisherIsClosedOnce(t *testing.T) {
	t.Parallel()
	p := publisher(&memory{})
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := p.Publish(t.Context(), "iot_sensors", simulate(t, "iot_sensors", 1, 1)); !errors.Is(err, sarama.ErrClosedClient) {
		t.Errorf("publishing after Close: got %v", err)
	}
}

func TestPublisherConfig(t *testing.T) {
	t.Parallel()
	good := config([]string{"127.0.0.1:1"})
	for name, change := range map[string]func(*PublisherConfig){
		"no brokers": func(c *PublisherConfig) { c.Brokers = nil },
		"no streams": func(c *PublisherConfig) { c.Streams = nil },
		"max record": func(c *PublisherConfig) { c.MaxRecord = -1 },
	} {
		c := good
		change(&c)
		if _, err := NewPublisher(c); err == nil || !strings.Contains(err.Error(), "configuring") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	good.Sarama = sarama.NewConfig()
	good.Sarama.Net.DialTimeout = 100 * time.Millisecond
	good.Sarama.Metadata.Retry.Max = 0
	if _, err := NewPublisher(good); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("no broker there: got %v", err)
	}
}
