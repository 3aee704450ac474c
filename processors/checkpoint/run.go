package checkpoint

import (
	"context"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/storage"
)

// run is the life of one processor: goka's can be run once.
type run[S any] struct {
	group     *Group[S]
	client    sarama.Client
	admin     sarama.ClusterAdmin
	producer  *producer
	processor *goka.Processor
	pulse     *pulse
	stop      context.CancelFunc
	hurry     atomic.Bool // The session ends: no pauses between snapshots.

	mu         sync.RWMutex
	partitions map[int32]*partition[S]
	claims     map[int32]sarama.ConsumerGroupClaim
	cause      error // The first reason why the run must end.

	gate      sync.RWMutex // Held for reading by interventions; guards what follows.
	admitting *session     // The session in which interventions are possible, nil for none.

	sweeping sync.Mutex // Held by the one checkpointer; guards what follows.
	session  *session
	begins   map[int32]beginning
}

func newRun[S any](g *Group[S]) (*run[S], error) {
	c := g.config
	config := *c.Sarama
	client, err := sarama.NewClient(c.Brokers, &config)
	if err != nil {
		return nil, fmt.Errorf("connecting to Kafka on %s: %w", strings.Join(c.Brokers, ","), err)
	}
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		_ = client.Close()
		return nil, fmt.Errorf("connecting to Kafka on %s: %w", strings.Join(c.Brokers, ","), err)
	}
	r := &run[S]{group: g, client: client, admin: admin, pulse: newPulse(config.Consumer.Group.Session.Timeout)}
	r.processor, err = goka.NewProcessor(c.Brokers, r.graph(), r.options(config)...)
	if err != nil {
		r.close()
		return nil, fmt.Errorf("building the processor: %w", err)
	}
	return r, nil
}

func (r *run[S]) graph() *goka.GroupGraph {
	c := r.group.config
	edges := []goka.Edge{goka.Input(goka.Stream(c.Input), raw{}, r.message)}
	for _, topic := range c.Outputs {
		edges = append(edges, goka.Output(goka.Stream(topic), raw{}))
	}
	if c.Stateful {
		edges = append(edges, goka.Persist(raw{}))
	}
	return goka.DefineGroup(goka.Group(c.Group), edges...)
}

func (r *run[S]) options(config sarama.Config) []goka.ProcessorOption {
	c := r.group.config
	return []goka.ProcessorOption{
		goka.WithClientID(config.ClientID),
		goka.WithLogger(logger{r.group.shared.log}),
		goka.WithHasher(c.Hasher),
		goka.WithNilHandling(goka.NilProcess),
		goka.WithPartitionChannelSize(64),
		goka.WithTopicManagerBuilder(func([]string) (goka.TopicManager, error) { return topicManager{r.client}, nil }),
		goka.WithConsumerSaramaBuilder(func([]string, string) (sarama.Consumer, error) { return sarama.NewConsumerFromClient(r.client) }),
		goka.WithProducerBuilder(func(brokers []string, _ string, _ func() hash.Hash32) (goka.Producer, error) {
			p, err := newProducer(brokers, config)
			r.producer = p
			return p, err
		}),
		goka.WithConsumerGroupBuilder(func(brokers []string, group, _ string) (sarama.ConsumerGroup, error) {
			with := config
			with.Consumer.Interceptors = append(slices.Clone(config.Consumer.Interceptors), carry{})
			inner, err := sarama.NewConsumerGroup(brokers, group, &with)
			if err != nil {
				return nil, err
			}
			return &gate{ConsumerGroup: inner, owner: r}, nil
		}),
		goka.WithStorageBuilder(func(_ string, partition int32) (storage.Storage, error) {
			return table[S]{r.partition(partition)}, nil
		}),
		goka.WithUpdateCallback(func(ctx goka.UpdateContext, _ storage.Storage, key string, value []byte) error {
			_, chunk := ctx.Headers()[headerChunk]
			r.partition(ctx.Partition()).load(key, value, chunk)
			return nil
		}),
	}
}

// work runs the processor and the checkpointer until the context ends or the processor does.
func (r *run[S]) work(ctx context.Context) error {
	inner, stop := context.WithCancel(ctx)
	r.mu.Lock()
	r.stop = stop
	r.mu.Unlock()
	alive, die := context.WithCancel(context.WithoutCancel(ctx)) // The last checkpoint still needs the pulse.
	var wg sync.WaitGroup
	wg.Go(func() { r.pulse.run(alive, func() { r.fail(errPaused) }) })
	wg.Go(func() { r.checkpoints(inner) })
	err := r.processor.Run(inner)
	stop()
	die()
	wg.Wait()
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.cause != nil {
		return r.cause
	}
	return err
}

func (r *run[S]) close() {
	for _, p := range r.all() {
		p.drop()
	}
	_ = r.admin.Close() // It closes the client too.
}

// fail ends the run for this reason.
func (r *run[S]) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cause == nil {
		r.cause = err
	}
	if r.stop != nil {
		r.stop()
	}
}

func (r *run[S]) partition(id int32) *partition[S] {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.partitions[id]
}

func (r *run[S]) all() []*partition[S] {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Collect(maps.Values(r.partitions))
}

// message is goka's callback for a message of the input.
func (r *run[S]) message(ctx goka.Context, value any) {
	p := r.partition(ctx.Partition())
	v, _ := value.([]byte)
	if !r.pulse.beats() { // Another may have intervened in the keys since.
		r.fail(errPaused)
		ctx.Fail(errPaused)
		return
	}
	p.message.read(ctx, v)
	p.water.begin(p.message.Offset)
	if err := p.handle(func(outputs []Output) { emit(ctx, outputs) }); err != nil {
		r.fail(err)
		ctx.Fail(err) // It panics unless the session is ending; then goka counts the message as done, and p.failed knows better.
	}
}

func emit(ctx goka.Context, outputs []Output) {
	for _, o := range outputs {
		headers := o.Headers
		if !o.Timestamp.IsZero() {
			headers = withTimestamp(headers, o.Timestamp)
		}
		if o.Value == nil {
			ctx.Emit(goka.Stream(o.Topic), o.Key, nil, goka.WithCtxEmitHeaders(headers))
			continue
		}
		ctx.Emit(goka.Stream(o.Topic), o.Key, o.Value, goka.WithCtxEmitHeaders(headers))
	}
}

// checkpoints makes a checkpoint every interval.
func (r *run[S]) checkpoints(ctx context.Context) {
	tick := time.NewTicker(r.group.config.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := r.checkpoint(); err != nil && ctx.Err() == nil {
				r.group.shared.log.Warn("a checkpoint was not made", "error", err)
			}
		}
	}
}

// raw is the codec that passes bytes through.
type raw struct{}

// Encode returns the bytes.
func (raw) Encode(v any) ([]byte, error) { return v.([]byte), nil }

// Decode returns the bytes.
func (raw) Decode(b []byte) (any, error) { return b, nil }
