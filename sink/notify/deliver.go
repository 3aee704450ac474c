package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"anomalystream/internal/retry"
	"anomalystream/streams"
)

// stageNotify is the stage of dead letters written here.
const stageNotify = "notify"

// message delivers a record of the topic, unless it was delivered before, or writes its dead letter. It returns an error only
// when the context ends: the record is then not done.
func (h *handler) message(ctx context.Context, m *sarama.ConsumerMessage, told *memory) error {
	n, err := streams.UnmarshalNotification(m.Value)
	if err != nil || n.Key == "" {
		reject := &streams.Reject{Code: streams.CodeNotJSON, Reason: "no notification: it has no key"}
		if err != nil {
			reject.Reason = err.Error()
		}
		return h.refuse(ctx, m, "", reject)
	}
	if told.has(n.Key) {
		h.metrics.repeated.Inc()
		return nil
	}
	h.metrics.waiting.Store(n.At.UnixNano())
	defer h.metrics.waiting.Store(0)
	err = h.deliver(ctx, n)
	switch {
	case ctx.Err() != nil && err != nil:
		return ctx.Err()
	case err == nil:
		h.metrics.delivered.Inc()
		told.add(n.Key)
		return nil
	}
	stream := ""
	if n.Incident != nil {
		stream = n.Incident.Stream
	}
	h.metrics.undelivered.Inc()
	return h.refuse(ctx, m, stream, &streams.Reject{Code: streams.CodeUndelivered, Reason: fmt.Sprintf("route %s: %s", n.Route, err)})
}

// deliver tries until the receiver takes the message, or will never take it, or the time for it is over. A message whose time
// was over when it came is tried once all the same.
func (c *Consumer) deliver(ctx context.Context, n *streams.Notification) error {
	for attempt := 1; ; attempt++ {
		err := c.attempt(ctx, n)
		if err == nil {
			if attempt > 1 {
				c.cfg.Log.Info("the receiver takes messages again", "key", n.Key, "attempts", attempt)
			}
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.metrics.failed.Inc()
		var failure *Failure
		asked := time.Duration(0)
		if errors.As(err, &failure) {
			if asked = failure.After; failure.Permanent {
				return err
			}
		}
		left := c.cfg.Target.route.GiveUp - time.Since(n.At)
		if left <= 0 {
			return fmt.Errorf("given up after %d attempts, %s after it was planned: %w", attempt, time.Since(n.At).Round(time.Second), err)
		}
		again := min(pause(attempt, asked), left)
		c.cfg.Log.Warn("a message could not be delivered, trying again", "key", n.Key, "attempt", attempt, "pause", again.String(), "error", err)
		if err := retry.Sleep(ctx, again); err != nil {
			return err
		}
	}
}

// grace is how long an attempt goes on after the session has ended: whoever is next would make it again.
const grace = 5 * time.Second

func (c *Consumer) attempt(ctx context.Context, n *streams.Notification) error {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })()
	return c.cfg.Target.Send(lasting, n)
}

func (h *handler) refuse(ctx context.Context, m *sarama.ConsumerMessage, stream string, reject *streams.Reject) error {
	h.cfg.Log.Error("a message is not delivered", "source", fmt.Sprintf("%s/%d/%d", m.Topic, m.Partition, m.Offset), "code", reject.Code, "reason", reject.Reason)
	return h.letters.Write(ctx, m, stream, stageNotify, reject)
}
