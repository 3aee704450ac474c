package emitters

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"anomalystream/internal/retry"
	"anomalystream/streams"
)

// ReplayOptions configures Replay.
type ReplayOptions struct {
	Stream   *streams.Definition
	Files    []string
	Pace     Pace
	KeyField string         // Column or member whose value becomes the record key, where the stream's key rule is "record"; "" takes the file's name without suffixes: one file, one key.
	Progress func(Progress) // Called after each write; may be nil.
	Rejected func(error)    // Called with a *LineError for each line that is not sent; may be nil.
	Log      *slog.Logger   // Required.
}

// Replayed is what Replay has sent.
type Replayed struct {
	Sent     int64
	Rejected int64
	Elapsed  time.Duration
}

// Replay publishes the events of files, one file after the other, each marked as a replay. A line that the stream's
// processors would refuse is reported and left out; the rest goes on. It ends with the last file, with the context
// (which is no error), or when a file cannot be read.
func Replay(ctx context.Context, p *Publisher, o ReplayOptions) (Replayed, error) {
	r := &replay{publisher: p, options: o, begin: time.Now()}
	r.ticker = ticker{perSecond: o.Pace.PerSecond, start: r.begin}
	if o.KeyField != "" {
		r.keys = newKeyReader(o.KeyField)
	}
	var err error
	for r.file = range o.Files {
		if err = r.replayFile(ctx, o.Files[r.file]); err != nil {
			break
		}
	}
	r.out.Elapsed = time.Since(r.begin)
	if ctx.Err() != nil {
		return r.out, nil
	}
	if err != nil {
		return r.out, fmt.Errorf("replaying: %w", err)
	}
	return r.out, nil
}

type replay struct {
	publisher *Publisher
	options   ReplayOptions
	keys      *streams.Decoder // Reads the key field; nil without one.
	ticker    ticker
	begin     time.Time
	file      int
	first     time.Time // Event time of the first event of all files.
	batch     []Event
	out       Replayed
}

// newKeyReader returns a decoder that reads nothing but an entity and any number beside it.
func newKeyReader(field string) *streams.Decoder {
	d := streams.DefaultDefinition("replay")
	d.Key = field
	d.Features = []streams.Feature{{Name: "none", Path: "\x00", Missing: "0"}}
	return streams.NewDecoder(&d, 0)
}

func (r *replay) replayFile(ctx context.Context, path string) error {
	f, err := OpenFile(path, FileOptionsFor(r.options.Stream))
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		row, err := f.Next()
		var bad *LineError
		switch {
		case err == io.EOF:
			return r.flush(ctx, f)
		case errors.As(err, &bad):
			r.reject(bad)
			continue
		case err != nil:
			return errors.Join(r.flush(ctx, f), err)
		}
		if err := r.row(ctx, f, row); err != nil {
			return err
		}
	}
}

// row sends one event when it is due.
func (r *replay) row(ctx context.Context, f *File, row Row) error {
	event := Event{Value: row.Value, Time: row.Time, Replay: true}
	if r.options.Stream.Key == streams.KeyRecord {
		key, reject := r.key(f, row)
		if reject != nil {
			r.reject(&LineError{File: f.Path(), Line: row.Line, Reason: reject.Error()})
			return nil
		}
		event.Key = key
	}
	at, reject, err := r.publisher.Check(r.options.Stream.Name, &event)
	if err != nil {
		return err
	}
	if reject != nil {
		r.reject(&LineError{File: f.Path(), Line: row.Line, Reason: reject.Error()})
		return nil
	}
	if r.options.Pace.Realtime {
		if err := r.await(ctx, f, at); err != nil {
			return err
		}
	}
	r.batch = append(r.batch, event)
	if len(r.batch) < maxBatch && !r.dueNow() {
		return nil
	}
	return r.flush(ctx, f)
}

// key is the record key of a row.
func (r *replay) key(f *File, row Row) ([]byte, *streams.Reject) {
	if r.keys == nil {
		return []byte(f.Stem()), nil
	}
	event, reject := r.keys.Decode(streams.Record{Value: row.Value, Timestamp: streams.MinTime})
	if reject != nil {
		return nil, reject
	}
	return []byte(event.Entity), nil
}

// dueNow reports whether the batch at hand is all that may be sent now.
func (r *replay) dueNow() bool {
	rate := r.options.Pace.PerSecond
	return rate > 0 && float64(len(r.batch)) >= rate*linger.Seconds()
}

// await waits until the event of that time is due, and sends what was due before.
func (r *replay) await(ctx context.Context, f *File, at time.Time) error {
	if r.first.IsZero() {
		r.first = at
	}
	wait := at.Sub(r.first) - time.Since(r.begin)
	if wait < linger {
		return nil // Also for times that step back.
	}
	if err := r.flush(ctx, f); err != nil {
		return err
	}
	return retry.Sleep(ctx, at.Sub(r.first)-time.Since(r.begin))
}

// flush writes the batch, no faster than the pace.
func (r *replay) flush(ctx context.Context, f *File) error {
	for len(r.batch) > 0 {
		n, err := r.ticker.due(ctx, len(r.batch))
		if err != nil {
			return err
		}
		if err := r.publisher.deliver(ctx, r.options.Log, r.options.Stream.Name, r.batch[:n]); err != nil {
			return err
		}
		r.out.Sent += int64(n)
		r.batch = r.batch[n:]
	}
	r.batch = r.batch[:0]
	if r.options.Progress != nil {
		done := (float64(r.file) + f.Progress()) / float64(len(r.options.Files))
		r.options.Progress(Progress{Sent: r.out.Sent, Rejected: r.out.Rejected, Done: done})
	}
	return nil
}

func (r *replay) reject(e *LineError) {
	r.out.Rejected++
	if r.options.Rejected != nil {
		r.options.Rejected(e)
	}
}
