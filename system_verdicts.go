package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"anomalystream/internal/retry"
	"anomalystream/processors"
	"anomalystream/streams"
	"anomalystream/views"
)

// obedience follows the feedback topic and has the detectors of this process obey the verdicts in it.
type obedience struct {
	view    *views.Table[*streams.Feedback]
	follows []follow
}

// follow is one stream's detectors, and how they are told that there are new verdicts.
type follow struct {
	group   *processors.DetectorGroup
	changed chan struct{}
}

func newObedience(s *site) *obedience {
	f := &obedience{}
	decode := func(b []byte) (*streams.Feedback, error) {
		row, err := streams.UnmarshalFeedback(b)
		if err == nil && (row.ID == "" || row.Stream == "") {
			err = fmt.Errorf("feedback %q has no id or no stream", row.ID)
		}
		if err == nil {
			row.About = nil // No detector needs it, and the view holds every verdict.
		}
		return row, err
	}
	f.view = views.NewTable(s.kafka.Brokers, s.topics.Feedback(), s.client(), decode, s.log)
	f.view.OnChange(func(string) {
		for _, to := range f.follows {
			select {
			case to.changed <- struct{}{}:
			default: // It looks again anyway.
			}
		}
	})
	return f
}

// add lets the detectors of a stream follow; it must be called before run.
func (f *obedience) add(g *processors.DetectorGroup) {
	f.follows = append(f.follows, follow{g, make(chan struct{}, 1)})
}

// run follows the topic until the context ends. Nothing is applied before the topic has been read once: what came together is
// applied in its order.
func (f *obedience) run(ctx context.Context) error {
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error { return f.view.Run(ctx) })
	for _, to := range f.follows {
		work.Go(func() error {
			if retry.Until(ctx, 20*time.Millisecond, f.view.Recovered) != nil {
				return nil
			}
			return to.group.Obey(ctx, f.list, to.changed)
		})
	}
	return work.Wait()
}

func (f *obedience) ready(context.Context) error {
	if !f.view.Recovered() {
		return errors.New("the feedback topic is still being read")
	}
	return nil
}

func (f *obedience) list() []*streams.Feedback {
	var out []*streams.Feedback
	f.view.Each(func(_ string, row *streams.Feedback) bool {
		out = append(out, row)
		return true
	})
	return out
}
