package backtest

import (
	"context"
	"errors"
	"slices"

	"anomalystream/emitters"
	"anomalystream/streams"
)

// Source is a recorded sequence of events: one stream of its own, whose detectors start fresh.
type Source struct {
	Name string // Names the score file and the labels.
	Open func(d *streams.Definition) (Input, error)
}

// Input reads the events of a source.
type Input interface {
	// Next returns the next event, io.EOF after the last one, a *streams.Reject for one that cannot be read (the next call
	// goes on behind it), or another error when nothing more can be read.
	Next() (streams.Record, error)
	// Progress is the share that has been read, in [0, 1].
	Progress() float64
	Close() error
}

// FileSource reads a CSV or JSON Lines file. The record key is the file's name without suffixes: one file, one key.
func FileSource(path string) Source {
	return Source{Name: emitters.Stem(path), Open: func(d *streams.Definition) (Input, error) {
		f, err := emitters.OpenFile(path, emitters.FileOptionsFor(d))
		if err != nil {
			return nil, err
		}
		if f.Columns() != nil && byField(d) && !slices.Contains(f.Columns(), d.Key) {
			d.Key = streams.KeyRecord // A file without the column that names entities is one entity.
		}
		return &fileInput{File: f, key: []byte(f.Stem())}, nil
	}}
}

// TopicSource reads a range of a topic; the stream's key rule applies.
func TopicSource(ctx context.Context, name string, o emitters.TopicOptions) Source {
	return Source{Name: name, Open: func(*streams.Definition) (Input, error) {
		t, err := emitters.OpenTopic(ctx, o)
		if err != nil {
			return nil, err
		}
		return t, nil
	}}
}

// byField reports whether a field of the value names the entity.
func byField(d *streams.Definition) bool {
	return d.Key != streams.KeyRecord && d.Key != streams.KeyStream
}

type fileInput struct {
	*emitters.File
	key  []byte
	rows int64
}

func (f *fileInput) Next() (streams.Record, error) {
	row, err := f.File.Next()
	var bad *emitters.LineError
	if errors.As(err, &bad) {
		f.rows++
		return streams.Record{}, &streams.Reject{Code: streams.CodeNotJSON, Reason: bad.Error()}
	}
	if err != nil {
		return streams.Record{}, err
	}
	source := streams.Position{Topic: f.Stem(), Offset: f.rows}
	f.rows++
	return streams.Record{Key: f.key, Value: row.Value, Timestamp: row.Time, Source: source, Replay: true}, nil
}
