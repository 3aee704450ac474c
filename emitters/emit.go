package emitters

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// EmitOptions configures Emit.
type EmitOptions struct {
	Streams  []string // Simulated streams, in turn; all by default.
	Pace     Pace     // Over all streams together; realtime does not apply.
	Count    int64    // Events over all streams; 0 emits until the context ends.
	Seed     uint64
	Start    time.Time      // Event time of the first events; now by default.
	Calm     int            // See SimulatorConfig.
	Gap      int            // See SimulatorConfig.
	Progress func(Progress) // Called after each write; may be nil.
	Log      *slog.Logger   // Required.
}

// Progress is how far a loop is.
type Progress struct {
	Sent     int64
	Rejected int64   // Replay only: events that the stream's processors would refuse.
	Done     float64 // 0..1; 0 when the end is not known.
}

// Emitted is what Emit has sent.
type Emitted struct {
	Sent     int64
	ByStream map[string]int64
	Faulty   map[string]int64 // Events by name of the fault.
	Elapsed  time.Duration
}

// unpaced is the event time between events sent without a limit.
const unpaced = 20 * time.Microsecond

// Emit publishes simulated events until the count is reached or the context ends, which is no error. Event times advance
// with the pace, so they stay at the wall clock.
func Emit(ctx context.Context, p *Publisher, o EmitOptions) (Emitted, error) {
	if o.Pace.Realtime {
		return Emitted{}, errors.New("emitting: simulated events have no pace of their own, expected events per second")
	}
	if len(o.Streams) == 0 {
		o.Streams = SimulatedStreams()
	}
	begin := time.Now()
	if o.Start.IsZero() {
		o.Start = begin
	}
	simulators, err := o.simulators()
	if err != nil {
		return Emitted{}, fmt.Errorf("emitting: %w", err)
	}
	out := Emitted{ByStream: map[string]int64{}, Faulty: map[string]int64{}}
	t := ticker{perSecond: o.Pace.PerSecond, start: begin}
	batches := make([][]Event, len(simulators))
	for o.Count == 0 || out.Sent < o.Count {
		most := int64(maxBatch)
		if o.Count > 0 {
			most = min(most, o.Count-out.Sent)
		}
		n, err := t.due(ctx, int(most))
		if err != nil {
			break
		}
		for i := range batches {
			batches[i] = batches[i][:0]
		}
		for k := range int64(n) {
			i := (out.Sent + k) % int64(len(simulators))
			batches[i] = append(batches[i], simulators[i].Next())
		}
		for i, events := range batches {
			if err := p.deliver(ctx, o.Log, o.Streams[i], events); err != nil {
				out.Elapsed = time.Since(begin)
				if ctx.Err() != nil {
					return out, nil
				}
				return out, fmt.Errorf("emitting: %w", err)
			}
			out.add(o.Streams[i], events)
		}
		if o.Progress != nil {
			progress := Progress{Sent: out.Sent}
			if o.Count > 0 {
				progress.Done = float64(out.Sent) / float64(o.Count)
			}
			o.Progress(progress)
		}
	}
	out.Elapsed = time.Since(begin)
	return out, nil
}

func (o EmitOptions) simulators() ([]*Simulator, error) {
	interval := unpaced
	if o.Pace.PerSecond > 0 {
		interval = time.Duration(float64(len(o.Streams)) / o.Pace.PerSecond * float64(time.Second))
	}
	var out []*Simulator
	for _, name := range o.Streams {
		s, err := NewSimulator(SimulatorConfig{Stream: name, Seed: o.Seed, Start: o.Start, Interval: interval, Calm: o.Calm, Gap: o.Gap})
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func (e *Emitted) add(stream string, events []Event) {
	e.Sent += int64(len(events))
	e.ByStream[stream] += int64(len(events))
	for _, event := range events {
		if event.Truth != "" {
			e.Faulty[event.Truth]++
		}
	}
}
