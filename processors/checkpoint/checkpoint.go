package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
	"golang.org/x/sync/errgroup"
)

// checkpoint saves every key that has changed and commits the offsets that are then safe: those below which every effect is in
// an acknowledged snapshot and all output is acknowledged.
//
// A sweep that is broken off leaves snapshots behind that are written and perhaps not acknowledged, of keys that no later sweep
// saves. So only the end of the session breaks it off, and the session makes no other checkpoint then.
func (r *run[S]) checkpoint() error {
	r.sweeping.Lock()
	defer r.sweeping.Unlock()
	if r.session == nil {
		return nil
	}
	started := time.Now()
	// What is applied now will be in the snapshots; what follows during the sweep may be in some.
	applied := map[int32]int64{}
	for _, p := range r.all() {
		applied[p.id] = p.applied.Load()
	}
	if r.group.config.Stateful {
		r.removeOrphans()
		if err := r.sweep(r.session.ctx); err != nil {
			r.session = nil
			return fmt.Errorf("saving the changed keys: %w", err)
		}
	}
	r.commit(applied)
	r.group.shared.metrics.sweepSeconds.Observe(time.Since(started).Seconds())
	r.group.shared.metrics.checkpoint.SetToCurrentTime()
	return nil
}

// sweep saves every key that has changed, of all partitions at the same time.
func (r *run[S]) sweep(ctx context.Context) error {
	pace := &pace{started: time.Now(), bandwidth: float64(r.group.config.Bandwidth)}
	work, ctx := errgroup.WithContext(ctx)
	for _, p := range r.all() {
		work.Go(func() error { return r.save(ctx, p, pace) })
	}
	return work.Wait()
}

// commit commits, for each partition, the smaller of what is saved and what is acknowledged. A group without state has
// nothing to save.
func (r *run[S]) commit(applied map[int32]int64) {
	var uncommitted, lag int64
	for _, p := range r.all() {
		mark, ok := p.water.mark()
		if !ok || p.failed.Load() {
			continue
		}
		if r.group.config.Stateful {
			mark = min(mark, applied[p.id]+1)
		}
		begin := r.begins[p.id]
		r.session.ConsumerGroupSession.MarkOffset(r.group.config.Input, p.id, mark, begin.metadata())
		next := p.applied.Load() + 1
		uncommitted += next - mark
		r.mu.RLock()
		if claim := r.claims[p.id]; claim != nil {
			lag += max(claim.HighWaterMarkOffset()-next, 0)
		}
		r.mu.RUnlock()
	}
	r.session.ConsumerGroupSession.Commit()
	r.group.shared.metrics.uncommitted.Set(float64(uncommitted))
	r.group.shared.metrics.lag.Set(float64(lag))
}

// removeOrphans deletes the chunks that no snapshot names. Nothing depends on it, so nobody waits.
func (r *run[S]) removeOrphans() {
	for _, p := range r.all() {
		r.producer.write(r.group.shared.table, p.id, [][]write{deletions(p.takeOrphans())}, func(err error) {
			if err != nil {
				r.group.shared.log.Debug("removing old chunks", "error", err)
			}
		})
	}
}

// begin implements sessionOwner: it makes the partitions of the session and decides where they start.
func (r *run[S]) begin(s *session) (func() error, error) {
	g := r.group
	g.setHealth(errRecovering)
	ids := s.Claims()[g.config.Input]
	begins, err := beginnings(r.client, r.admin, g.config.Group, g.config.Input, ids, g.config.Start)
	if err != nil {
		return nil, err
	}
	partitions := map[int32]*partition[S]{}
	for _, id := range ids {
		partitions[id] = newPartition(id, g.config.NewApp(id), g.shared, begins[id].backfill)
		partitions[id].applied.Store(begins[id].offset - 1)
	}
	r.mu.Lock()
	r.partitions, r.claims = partitions, map[int32]sarama.ConsumerGroupClaim{}
	r.mu.Unlock()
	return func() error { return r.ready(s, begins) }, nil
}

// ready is called when goka has recovered the tables. It checks them, fixes where new partitions start, and opens the session
// to checkpoints.
func (r *run[S]) ready(s *session, begins map[int32]beginning) error {
	g := r.group
	for _, p := range r.all() {
		b := begins[p.id]
		end, err := r.client.GetOffset(g.config.Input, p.id, sarama.OffsetNewest)
		if err != nil {
			return fmt.Errorf("reading the end of topic %s, partition %d: %w", g.config.Input, p.id, err)
		}
		p.past = end
		if err := p.verify(func(topic string, partition int32) (int64, error) {
			return r.client.GetOffset(topic, partition, sarama.OffsetNewest)
		}); err != nil {
			return err
		}
		if b.fresh {
			// Committed before anything is read: a crash must not move the start, nor what counts as backfill.
			s.ConsumerGroupSession.MarkOffset(g.config.Input, p.id, b.offset, b.metadata())
			continue
		}
		lost, err := b.lost(r.client, g.config.Input, p.id)
		if err != nil {
			return err
		}
		if lost > 0 {
			g.shared.metrics.lost.Add(float64(lost))
			g.shared.log.Error("messages were deleted before they were read: the topic's retention is shorter than the group was away",
				"topic", g.config.Input, "partition", p.id, "messages", lost)
		}
	}
	s.ConsumerGroupSession.Commit()
	r.sweeping.Lock()
	defer r.sweeping.Unlock()
	r.session, r.begins = s, begins
	r.hurry.Store(false)
	r.admit(s)
	g.setHealth(nil)
	g.shared.metrics.partitions.Set(float64(len(begins)))
	g.shared.log.Info("reading", "topic", g.config.Input, "partitions", len(begins), "keys", r.countKeys())
	r.takeover(s)
	return nil
}

// takeover saves every key once, some time after partitions came from elsewhere. Their former owner may have been paused and
// write older snapshots until it notices; keys without events of their own would keep those.
func (r *run[S]) takeover(s *session) {
	g := r.group
	g.mu.Lock()
	var taken []*partition[S]
	for _, p := range r.all() {
		if !g.owned[p.id] {
			taken = append(taken, p)
		}
	}
	g.owned = nil
	g.mu.Unlock()
	if !g.config.Stateful || len(taken) == 0 {
		return
	}
	timer := time.AfterFunc(2*g.config.Sarama.Consumer.Group.Session.Timeout, func() {
		for _, p := range taken {
			p.markAll()
		}
	})
	context.AfterFunc(s.ctx, func() { timer.Stop() })
}

func (r *run[S]) countKeys() (n int) {
	for _, p := range r.all() {
		p.mu.Lock()
		n += len(p.keys)
		p.mu.Unlock()
	}
	return n
}

// end implements sessionOwner: it makes the final checkpoint, so that nothing is read twice after an orderly end.
func (r *run[S]) end(s *session, orderly bool) {
	r.hurry.Store(true)
	r.mu.RLock()
	failed := r.cause != nil
	r.mu.RUnlock()
	owned := map[int32]bool{}
	if orderly && !failed && r.pulse.beats() {
		limit := time.AfterFunc(r.group.config.Final, s.cancel)
		defer limit.Stop()
		r.admit(nil)
		if err := r.checkpoint(); err != nil {
			r.group.shared.log.Warn("the last checkpoint was not made: some messages will be read again", "error", err)
		} else {
			for _, p := range r.all() {
				owned[p.id] = true
			}
		}
	} else {
		s.cancel() // It also breaks off a sweep or an intervention under way.
		r.admit(nil)
	}
	r.group.mu.Lock()
	r.group.owned = owned
	r.group.mu.Unlock()
	r.sweeping.Lock()
	r.session = nil
	r.sweeping.Unlock()
	r.group.setHealth(errRecovering)
}

// ended implements sessionOwner. goka has waited for the acknowledgements: a group without state commits them.
func (r *run[S]) ended(s *session) {
	if !r.group.config.Stateful {
		r.sweeping.Lock()
		r.session = s
		r.commit(nil)
		r.session = nil
		r.sweeping.Unlock()
	}
	for _, p := range r.all() {
		p.drop()
	}
	r.group.shared.metrics.partitions.Set(0)
}

// acknowledged implements sessionOwner.
func (r *run[S]) acknowledged(partition int32, offset int64) {
	if p := r.partition(partition); p != nil {
		p.water.ack(offset)
	}
}

// claimed implements sessionOwner.
func (r *run[S]) claimed(claim sarama.ConsumerGroupClaim) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.claims[claim.Partition()] = claim
}

// errPaused ends a run after a pause of the whole process.
var errPaused = errors.New("the process stood still for more than half a session timeout: its partitions may belong to another by now")
