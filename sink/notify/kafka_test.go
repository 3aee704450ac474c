//go:build kafka

package notify

import (
	"fmt"
	"testing"

	"anomalystream/internal/kafkatest"
	"anomalystream/internal/realkafka"
)

// TestMemoryOnKafka: a real Kafka keeps all that is remembered beside an offset, and the next process goes by it.
func TestMemoryOnKafka(t *testing.T) {
	client := kafkatest.Dial(t, realkafka.Start(t, 1).Brokers()...)
	client.CreateTopic(names.Notifications(), 4)
	client.CreateTopic(names.DeadLetters(), 4)
	r := newReceiver(t, fine)
	route := Route{Name: "team", Kind: KindWebhook, URL: r.URL}
	send := func(first, last int) {
		for i := first; i < last; i++ {
			record, _ := planned(t, "team", fmt.Sprint(i))
			client.Produce(record)
		}
	}
	stop := deliver(t, client, route, nil)
	send(0, maxMemory+50)
	for range maxMemory + 50 {
		r.next(t)
	}
	client.AwaitCommitted(names.RouteGroup("team"), names.Notifications(), kafkatest.Deadline)
	stop()
	send(50, maxMemory+51) // All but the last is remembered.
	_, want := planned(t, "team", fmt.Sprint(maxMemory+50))
	deliver(t, client, route, nil)
	if got := r.next(t); got != want {
		t.Errorf("after a restart the key is %s, want %s of the only new message", got, want)
	}
	client.AwaitCommitted(names.RouteGroup("team"), names.Notifications(), kafkatest.Deadline)
	if len(r.requests) > 0 {
		t.Errorf("%d messages came twice", len(r.requests))
	}
}
