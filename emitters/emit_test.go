package emitters

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"

	"anomalystream/internal/kafkatest"
	"anomalystream/streams"
)

// memory is a producer that keeps what it takes, and fails when told to.
type memory struct {
	taken []*sarama.ProducerMessage
	times []time.Time
	fail  func(attempt int, m []*sarama.ProducerMessage) error
	calls int
}

func (p *memory) SendMessages(m []*sarama.ProducerMessage) error {
	p.calls++
	var err error
	if p.fail != nil {
		err = p.fail(p.calls, m)
	}
	var failed sarama.ProducerErrors
	errors.As(err, &failed)
	for _, message := range m {
		if err != nil && (failed == nil || slices.ContainsFunc(failed, func(e *sarama.ProducerError) bool { return e.Msg == message })) {
			continue
		}
		p.taken = append(p.taken, message)
		p.times = append(p.times, time.Now())
	}
	return err
}

func (p *memory) Close() error { return nil }

func publisher(p *memory) *Publisher {
	return newPublisher(config([]string{"nowhere:9092"}).WithDefaults(), p)
}

// TestEmit sends through a real broker and compares with what the simulators say.
func TestEmit(t *testing.T) {
	b := kafkatest.Start(t)
	p := connect(t, b)
	var last Progress
	out, err := Emit(t.Context(), p, EmitOptions{Count: 3001, Seed: 9, Start: start, Log: quiet(), Progress: func(p Progress) { last = p }})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{"server_metrics": 1001, "transactions": 1000, "iot_sensors": 1000}, out.ByStream); diff != "" || out.Sent != 3001 {
		t.Errorf("sent %d, by stream (-want +got):\n%s", out.Sent, diff)
	}
	if last.Sent != 3001 || last.Done != 1 {
		t.Errorf("last progress: %+v", last)
	}
	for _, stream := range SimulatedStreams() {
		s, err := NewSimulator(SimulatorConfig{Stream: stream, Seed: 9, Start: start, Interval: unpaced})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string][]string{}
		for range out.ByStream[stream] {
			e := s.Next()
			want[string(e.Key)] = append(want[string(e.Key)], string(e.Value)+e.Truth)
		}
		got := map[string][]string{}
		for _, r := range b.ReadAll("test." + stream) {
			truth, _ := r.Header(streams.HeaderTruth)
			got[string(r.Key)] = append(got[string(r.Key)], string(r.Value)+truth)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: events by key (-want +got):\n%s", stream, diff)
		}
	}
}

func TestEmitKeepsThePace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &memory{}
		begin := time.Now()
		out, err := Emit(t.Context(), publisher(p), EmitOptions{Pace: Pace{PerSecond: 300}, Count: 3000, Log: quiet()})
		if err != nil || out.Sent != 3000 || len(p.taken) != 3000 {
			t.Fatalf("sent %d, %v", out.Sent, err)
		}
		if got := out.Elapsed; got < 9900*time.Millisecond || got > 10100*time.Millisecond {
			t.Errorf("3000 events at 300/s took %v", got)
		}
		for i, at := range p.times {
			due := begin.Add(time.Duration(i+1) * time.Second / 300)
			if lag := at.Sub(due); lag < -15*time.Millisecond || lag > 60*time.Millisecond { // Up to three streams' worth of rounding.
				t.Fatalf("event %d came %v after it was due", i, lag)
			}
			if off := at.Sub(p.taken[i].Timestamp).Abs(); off > 100*time.Millisecond {
				t.Fatalf("event %d has the time %v at %v", i, p.taken[i].Timestamp, at)
			}
		}
	})
}

// TestEmitOutlivesKafka loses acknowledgements and single records: everything arrives, in order by stream.
func TestEmitOutlivesKafka(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &memory{fail: func(attempt int, m []*sarama.ProducerMessage) error {
			switch attempt {
			case 1, 2, 3:
				return sarama.ErrOutOfBrokers
			case 4:
				return sarama.ProducerErrors{{Msg: m[1], Err: sarama.ErrNotEnoughReplicas}}
			}
			return nil
		}}
		out, err := Emit(t.Context(), publisher(p), EmitOptions{Streams: []string{"iot_sensors"}, Count: 100, Start: start, Log: quiet()})
		if err != nil || out.Sent != 100 || len(p.taken) != 100 {
			t.Fatalf("sent %d, taken %d, %v", out.Sent, len(p.taken), err)
		}
		if out.Elapsed < 1400*time.Millisecond || out.Elapsed > 10*time.Second {
			t.Errorf("it took %v", out.Elapsed)
		}
	})
}

func TestEmitGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &memory{fail: func(int, []*sarama.ProducerMessage) error {
			return fmt.Errorf("not yours: %w", sarama.ErrTopicAuthorizationFailed)
		}}
		if _, err := Emit(t.Context(), publisher(p), EmitOptions{Count: 10, Log: quiet()}); !errors.Is(err, sarama.ErrTopicAuthorizationFailed) || p.calls != 1 {
			t.Errorf("got %v after %d attempts", err, p.calls)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		p = &memory{fail: func(int, []*sarama.ProducerMessage) error { return sarama.ErrOutOfBrokers }}
		begin := time.Now()
		out, err := Emit(ctx, publisher(p), EmitOptions{Pace: Pace{PerSecond: 10}, Log: quiet()})
		if err != nil || out.Sent != 0 || time.Since(begin) != 90*time.Second {
			t.Errorf("got %+v, %v after %v", out, err, time.Since(begin))
		}
		if p.calls < 10 || p.calls > 20 {
			t.Errorf("%d attempts in 90 s", p.calls)
		}
	})
	if _, err := Emit(t.Context(), publisher(&memory{}), EmitOptions{Streams: []string{"weather"}, Log: quiet()}); err == nil {
		t.Error("an unknown stream was emitted")
	}
	if _, err := Emit(t.Context(), publisher(&memory{}), EmitOptions{Pace: Pace{Realtime: true}, Log: quiet()}); err == nil {
		t.Error("simulated events in real time of their own")
	}
}

func TestParsePace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Pace{"max": {}, "realtime": {Realtime: true}, "1000/s": {PerSecond: 1000}, "0.5": {PerSecond: 0.5}} {
		got, err := ParsePace(text)
		if err != nil || got != want {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
		if again, err := ParsePace(got.String()); err != nil || again != want {
			t.Errorf("%s was written as %s: %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "-1/s", "fast", "1/m", "inf/s", "NaN"} {
		if got, err := ParsePace(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}
