package processors

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"anomalystream/processors/checkpoint"
	"anomalystream/streams"
)

// Instruct applies a verdict, or its withdrawal, to the detector it is about, between two of its events, and waits until that
// is saved. It reports whether this process has the detector; of one that nobody has seen yet nothing is kept. With
// checkpoint.ErrNotReady it may be tried again. What was applied before changes nothing.
func (g *DetectorGroup) Instruct(ctx context.Context, f *streams.Feedback) (owned bool, err error) {
	return g.group.Intervene(ctx, streams.DetectorKey(f.Stream, f.Entity), func(s *State) bool {
		changed := g.engine.Instruct(s, f)
		if changed {
			g.config.Metrics.verdicts.WithLabelValues(g.config.Definition.Name, f.Action, f.Verdict).Inc()
		}
		return changed
	})
}

// retryEvery is how often verdicts are tried again whose detectors were not ready.
const retryEvery = 500 * time.Millisecond

// Obey applies the verdicts on the detectors of this process until the context ends: those that list returns when it begins,
// and again whenever changed says that there may be others, and all of them in each session of the group, since
// partitions come and go. Of those it finds together it applies the older first, by time and id.
func (g *DetectorGroup) Obey(ctx context.Context, list func() []*streams.Feedback, changed <-chan struct{}) error {
	log := g.config.Log.With("stream", g.config.Definition.Name)
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	done, session, pending := map[string]bool{}, int64(-1), true
	for ctx.Err() == nil {
		if now := g.group.Sessions(); now != session {
			clear(done)
			session, pending = now, true
		}
		if pending && g.group.Ready() == nil {
			pending = false
			all := list()
			done = retained(done, all)
			for _, f := range g.open(all, done) {
				switch _, err := g.Instruct(ctx, f); {
				case errors.Is(err, checkpoint.ErrNotReady):
					pending = true
				case ctx.Err() != nil:
					return nil
				case err != nil: // If it was not saved the session ends, and the next one tries again.
					log.Error("a verdict was not applied", "id", f.ID, "entity", f.Entity, "error", err)
					done[f.Key()] = true
				default:
					done[f.Key()] = true
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-changed:
			pending = true
		}
	}
	return nil
}

// retained returns what of done is still there: what was deleted is not done for ever.
func retained(done map[string]bool, all []*streams.Feedback) map[string]bool {
	out := make(map[string]bool, len(done))
	for _, f := range all {
		if done[f.Key()] {
			out[f.Key()] = true
		}
	}
	return out
}

// open returns the verdicts and withdrawals of the stream that are not done, in the order in which they are to be applied.
func (g *DetectorGroup) open(all []*streams.Feedback, done map[string]bool) []*streams.Feedback {
	var out []*streams.Feedback
	for _, f := range all {
		if f.Stream == g.config.Definition.Name && (f.Action == streams.ActionVerdict || f.Action == streams.ActionWithdraw) && !done[f.Key()] {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b *streams.Feedback) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return out
}
