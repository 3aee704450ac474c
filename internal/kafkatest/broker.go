// Package kafkatest is the test kit for everything that talks to Kafka: an in-process broker with fault injection, a client to
// write and read topics, and child processes that can be killed and paused.
package kafkatest

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Broker is an in-process broker, on a free loopback port.
type Broker struct {
	*Client
	Cluster *kfake.Cluster // For faults and controls beyond this kit.
}

// Start starts a broker of one node and stops it when the test ends.
func Start(t testing.TB, options ...kfake.Opt) *Broker {
	t.Helper()
	options = append([]kfake.Opt{kfake.NumBrokers(1), kfake.DefaultNumPartitions(4), kfake.GroupMinSessionTimeout(500 * time.Millisecond)}, options...)
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		t.Fatalf("starting a broker: %v", err)
	}
	t.Cleanup(cluster.Close)
	return &Broker{Client: Dial(t, cluster.ListenAddrs()...), Cluster: cluster}
}

// FailProduce answers the next n produce requests (-1 for all) to a topic with an error and returns how to stop that.
func (b *Broker) FailProduce(topic string, n int, err *kerr.Error) *kfake.FaultHandle {
	return b.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Count: n, Err: err})
}

// HoldProduce keeps produce requests that touch the topic unanswered, and not applied, until the returned function is called.
// Requests to other topics go on: the broker handles them while the held ones sleep.
func (b *Broker) HoldProduce(topic string) (release func()) {
	gate := make(chan struct{})
	b.Cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.Cluster.KeepControl()
		held := false
		for _, t := range req.(*kmsg.ProduceRequest).Topics {
			held = held || t.Topic == topic || t.Topic == "" && b.topicID(topic) == t.TopicID
		}
		if held {
			b.Cluster.SleepControl(func() { <-gate })
		}
		return nil, nil, false
	})
	return func() { close(gate) }
}

func (b *Broker) topicID(topic string) [16]byte {
	if info := b.Cluster.TopicInfo(topic); info != nil {
		return info.TopicID
	}
	return [16]byte{}
}
