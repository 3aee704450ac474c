package checkpoint

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"anomalystream/internal/retry"
)

// gate is a consumer group that commits only what its owner says. goka marks each message when that message's own output is
// acknowledged, and sarama commits the highest mark: here marks only feed the watermark.
type gate struct {
	sarama.ConsumerGroup
	owner sessionOwner
}

// sessionOwner is told of the sessions of a group.
type sessionOwner interface {
	// begin is called before goka sets up, and returns what is called after it did.
	begin(s *session) (ready func() error, err error)
	// end is called before goka cleans up: the partitions still run. orderly is false when they may belong to another
	// process already.
	end(s *session, orderly bool)
	// ended is called after goka has cleaned up: the partitions have stopped.
	ended(s *session)
	// acknowledged is called when everything a message led to is acknowledged.
	acknowledged(partition int32, offset int64)
	// claimed is called when a partition starts to be read.
	claimed(claim sarama.ConsumerGroupClaim)
}

// Consume joins the group and stays in it over rebalances until the context ends or an error comes. goka would wait five
// seconds after each.
func (g *gate) Consume(ctx context.Context, topics []string, handler sarama.ConsumerGroupHandler) error {
	for ctx.Err() == nil {
		started := time.Now()
		if err := g.ConsumerGroup.Consume(ctx, topics, &gateHandler{inner: handler, owner: g.owner}); err != nil {
			return err
		}
		if time.Since(started) < time.Second { // A session that ends at once would be joined again and again.
			_ = retry.Sleep(ctx, 500*time.Millisecond)
		}
	}
	return nil
}

// session is the session that goka sees. Its context outlives the real one until the final checkpoint is made.
type session struct {
	sarama.ConsumerGroupSession
	owner  sessionOwner
	ctx    context.Context
	cancel context.CancelFunc
}

func (s *session) Context() context.Context { return s.ctx }

// MarkOffset takes goka's word that a message is done, and commits nothing.
func (s *session) MarkOffset(_ string, partition int32, offset int64, _ string) {
	s.owner.acknowledged(partition, offset-1)
}

// MarkMessage does the same.
func (s *session) MarkMessage(m *sarama.ConsumerMessage, metadata string) {
	s.MarkOffset(m.Topic, m.Partition, m.Offset+1, metadata)
}

// Commit commits nothing: the owner does.
func (s *session) Commit() {}

// reading is the session that the reading of a claim sees: it ends with the real one.
type reading struct{ *session }

func (r reading) Context() context.Context { return r.ConsumerGroupSession.Context() }

// gateHandler stands between sarama and goka.
type gateHandler struct {
	inner   sarama.ConsumerGroupHandler
	owner   sessionOwner
	session *session
	set     bool // Set up completely.
}

// Setup implements sarama.ConsumerGroupHandler. While goka recovers its tables the end of the real session ends that.
func (h *gateHandler) Setup(real sarama.ConsumerGroupSession) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(real.Context()))
	h.session = &session{ConsumerGroupSession: real, owner: h.owner, ctx: ctx, cancel: cancel}
	stop := context.AfterFunc(real.Context(), cancel)
	ready, err := h.owner.begin(h.session)
	if err != nil {
		return err
	}
	if err := h.inner.Setup(h.session); err != nil {
		return err
	}
	if err := ready(); err != nil {
		return err
	}
	h.set = stop()
	return nil
}

// Cleanup implements sarama.ConsumerGroupHandler.
func (h *gateHandler) Cleanup(real sarama.ConsumerGroupSession) error {
	h.owner.end(h.session, h.set && orderly(context.Cause(real.Context())))
	h.session.cancel()
	err := h.inner.Cleanup(h.session)
	h.owner.ended(h.session)
	return err
}

// ConsumeClaim implements sarama.ConsumerGroupHandler.
func (h *gateHandler) ConsumeClaim(_ sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	h.owner.claimed(claim)
	return h.inner.ConsumeClaim(reading{h.session}, claim)
}

// orderly reports whether a session that ended for this cause still owned its partitions then.
func orderly(cause error) bool {
	return slices.ContainsFunc([]error{
		context.Canceled, sarama.ErrRebalanceInProgress, sarama.ErrSessionPartitionCountChanged, sarama.ErrSessionConsumeClaimExited,
	}, func(e error) bool { return errors.Is(cause, e) })
}
