package notify

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/freeport"
	"anomalystream/internal/kafkatest"
	"anomalystream/streams"
)

// TestDelivery: messages arrive in their order, one that fails for a time before the next; what is delivered is not delivered
// again by the next process, nor where it is in the topic twice; what will never be taken is a dead letter.
func TestDelivery(t *testing.T) {
	t.Parallel()
	broker := start(t)
	var failures atomic.Int64
	refused := atomic.Pointer[string]{}
	r := newReceiver(t, func(w http.ResponseWriter, q *http.Request) {
		key := q.Header.Get("Idempotency-Key")
		switch {
		case refused.Load() != nil && *refused.Load() == key:
			http.Error(w, "no such channel", http.StatusNotFound)
		case failures.Add(-1) >= 0:
			http.Error(w, "later", http.StatusInternalServerError)
		}
	})
	registry := prometheus.NewRegistry()
	m := NewMetrics(registry)
	route := Route{Name: "team", Kind: KindWebhook, URL: r.URL}
	stop := deliver(t, broker, route, m)
	first, firstKey := planned(t, "team", "1")
	second, secondKey := planned(t, "team", "2")
	third, thirdKey := planned(t, "team", "3")
	other, _ := planned(t, "other", "1")
	refused.Store(&secondKey)
	failures.Store(1)
	broker.Produce(other, first, second)
	for i, want := range []string{firstKey, firstKey, secondKey} {
		if got := r.next(t); got != want {
			t.Errorf("request %d has the key %s, want %s", i, got, want)
		}
	}
	broker.AwaitCommitted(names.RouteGroup("team"), names.Notifications(), kafkatest.Deadline)
	stop()
	again, _ := planned(t, "team", "1")
	broker.Produce(again, third)
	deliver(t, broker, route, m)
	if got := r.next(t); got != thirdKey {
		t.Errorf("after a restart the key is %s, want %s of the third message", got, thirdKey)
	}
	broker.AwaitCommitted(names.RouteGroup("team"), names.Notifications(), kafkatest.Deadline)
	letters := broker.ReadAll(names.DeadLetters())
	if len(letters) != 1 {
		t.Fatalf("%d dead letters, want that of the refused message", len(letters))
	}
	letter, err := streams.UnmarshalDeadLetter(letters[0].Value)
	if err != nil || letter.Code != streams.CodeUndelivered || letter.Stage != "notify" || letter.Stream != "sample" ||
		letter.Reason != "route team: the receiver answered 404 Not Found: no such channel" || string(letter.Value) != string(second.Value) {
		t.Errorf("got the dead letter %+v, %v", letter, err)
	}
	for name, want := range map[prometheus.Collector]float64{m.delivered: 2, m.failed: 2, m.undelivered: 1, m.repeated: 1, m.oldest: 0} {
		if got := testutil.ToFloat64(name); got != want {
			t.Errorf("a metric is %v, want %v", got, want)
		}
	}
	if len(r.requests) > 0 {
		t.Errorf("%d more requests came", len(r.requests))
	}
}

// TestHangingRouteHoldsUpItselfAlone.
func TestHangingRouteHoldsUpItselfAlone(t *testing.T) {
	t.Parallel()
	broker := start(t)
	hung := newReceiver(t, func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() })
	well := newReceiver(t, fine)
	m := NewMetrics(nil)
	deliver(t, broker, Route{Name: "hung", Kind: KindWebhook, URL: hung.URL, Timeout: 100 * time.Millisecond}, m)
	deliver(t, broker, Route{Name: "well", Kind: KindWebhook, URL: well.URL}, m)
	for i := range 20 {
		a, _ := planned(t, "hung", fmt.Sprint(i))
		b, want := planned(t, "well", fmt.Sprint(i))
		broker.Produce(a, b)
		if got := well.next(t); got != want {
			t.Errorf("got the key %s, want %s", got, want)
		}
	}
	if got := hung.next(t); got != hung.next(t) {
		t.Error("a message of the hanging route was passed over")
	}
}

// TestReceiverComesBack: messages wait in Kafka while nobody listens, and arrive in their order when somebody does.
func TestReceiverComesBack(t *testing.T) {
	t.Parallel()
	broker := start(t)
	address := freeport.Address(t)
	deliver(t, broker, Route{Name: "team", Kind: KindWebhook, URL: "http://" + address}, nil)
	var want []string
	for i := range 3 {
		record, key := planned(t, "team", fmt.Sprint(i))
		broker.Produce(record)
		want = append(want, key)
	}
	back := newReceiverAt(t, address, fine)
	for i := range want {
		if got := back.next(t); got != want[i] {
			t.Errorf("message %d has the key %s, want %s", i, got, want[i])
		}
	}
}

// TestTenThousandMessages of one route: each is delivered once and in its order, over a restart.
func TestTenThousandMessages(t *testing.T) {
	t.Parallel()
	const all = 10_000
	broker := start(t)
	var got []string // Requests come one after the other.
	done := make(chan struct{}, all)
	r := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		got = append(got, q.Header.Get("Idempotency-Key"))
		done <- struct{}{}
	}))
	t.Cleanup(r.Close)
	var records []*kgo.Record
	var want []string
	for i := range all {
		record, key := planned(t, "team", fmt.Sprint(i))
		records, want = append(records, record), append(want, key)
	}
	broker.Produce(records...)
	route := Route{Name: "team", Kind: KindWebhook, URL: r.URL}
	stop := deliver(t, broker, route, nil)
	for range all / 3 {
		<-done
	}
	stop()
	stop = deliver(t, broker, route, nil)
	broker.AwaitCommitted(names.RouteGroup("team"), names.Notifications(), 4*kafkatest.Deadline)
	stop()
	if !slices.Equal(got, want) {
		t.Errorf("%d messages were delivered, want all %d in their order and once", len(got), all)
	}
}

// TestKillBetweenDeliveryAndCommit: the message comes again, with the same key.
func TestKillBetweenDeliveryAndCommit(t *testing.T) {
	t.Parallel()
	broker := start(t)
	release := make(chan struct{})
	r := newReceiver(t, func(http.ResponseWriter, *http.Request) { <-release })
	spawn := func() *kafkatest.Process {
		return kafkatest.Spawn(t, "deliver", "DELIVER_TO="+r.URL, "DELIVER_BROKERS="+broker.Brokers()[0])
	}
	first := spawn()
	record, key := planned(t, "team", "1")
	broker.Produce(record)
	if got := r.next(t); got != key {
		t.Fatalf("got the key %s, want %s", got, key)
	}
	first.Kill() // The receiver has the message, and nobody knows.
	close(release)
	second := spawn()
	if got := r.next(t); got != key {
		t.Errorf("after the crash the key is %s, want %s", got, key)
	}
	broker.AwaitCommitted(names.RouteGroup("team"), names.Notifications(), 2*kafkatest.Deadline)
	second.Kill()
}

// TestStopLetsTheAttemptEnd: a message that is on its way when the process is asked to stop is not sent again by the next.
func TestStopLetsTheAttemptEnd(t *testing.T) {
	t.Parallel()
	broker := start(t)
	release := make(chan struct{})
	r := newReceiver(t, func(http.ResponseWriter, *http.Request) { <-release })
	route := Route{Name: "team", Kind: KindWebhook, URL: r.URL}
	stop := deliver(t, broker, route, nil)
	first, firstKey := planned(t, "team", "1")
	second, secondKey := planned(t, "team", "2")
	broker.Produce(first)
	if got := r.next(t); got != firstKey {
		t.Fatalf("got the key %s, want %s", got, firstKey)
	}
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	kafkatest.Elapse(200 * time.Millisecond)
	close(release)
	<-stopped
	broker.Produce(second)
	deliver(t, broker, route, nil)
	if got := r.next(t); got != secondKey {
		t.Errorf("the next process sent the key %s, want %s of the second message", got, secondKey)
	}
}

// TestRecordsThatAreNoNotifications become dead letters, and what follows them is delivered.
func TestRecordsThatAreNoNotifications(t *testing.T) {
	t.Parallel()
	broker := start(t)
	r := newReceiver(t, fine)
	deliver(t, broker, Route{Name: "team", Kind: KindWebhook, URL: r.URL}, nil)
	good, key := planned(t, "team", "1")
	values := []string{"", "null", "{", `{"key":"x"}`, `{"key":"x","digest":null,"incident":null,"at":"2026-03-01T00:00:00Z"}`, "\xff"}
	for _, v := range values {
		bad := *good
		bad.Value = []byte(v)
		broker.Produce(&bad)
	}
	broker.Produce(good)
	if got := r.next(t); got != key {
		t.Errorf("got the key %s, want %s", got, key)
	}
	if n := len(broker.ReadAll(names.DeadLetters())); n != len(values) {
		t.Errorf("%d dead letters, want %d", n, len(values))
	}
}

// failing is a sender that fails until a time.
type failing struct {
	until    time.Time
	err      error
	attempts []time.Duration // Since the first.
	first    time.Time
}

func (f *failing) send(*message) error {
	now := time.Now()
	if f.attempts == nil {
		f.first = now
	}
	f.attempts = append(f.attempts, now.Sub(f.first))
	if now.Before(f.until) {
		return f.err
	}
	return nil
}

// TestPauses runs attempts on a clock of their own.
func TestPauses(t *testing.T) {
	t.Parallel()
	seconds := func(list ...float64) (out []time.Duration) {
		for _, s := range list {
			out = append(out, time.Duration(s*float64(time.Second)))
		}
		return out
	}
	for name, c := range map[string]struct {
		fails    time.Duration
		err      error
		giveUp   time.Duration
		age      time.Duration
		want     []time.Duration
		delivers bool
	}{
		"at once":            {0, nil, time.Hour, 0, seconds(0), true},
		"doubling":           {20 * time.Second, errors.New("no"), time.Hour, 0, seconds(0, 1, 3, 7, 15, 31), true},
		"as asked":           {90 * time.Second, &Failure{After: time.Minute, Err: errors.New("no")}, time.Hour, 0, seconds(0, 60, 120), true},
		"for good":           {time.Hour, &Failure{Permanent: true, Err: errors.New("no")}, time.Hour, 0, seconds(0), false},
		"until it is over":   {time.Hour, errors.New("no"), 10 * time.Second, 0, seconds(0, 1, 3, 7, 10), false},
		"too late, but once": {0, nil, time.Minute, time.Hour, seconds(0), true},
		"too late":           {time.Hour, errors.New("no"), time.Minute, time.Hour, seconds(0), false},
		"capped":             {20 * time.Minute, errors.New("no"), time.Hour, 0, seconds(0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111, 1411), true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &failing{until: time.Now().Add(c.fails), err: c.err}
				renderer, err := newRenderer(Route{})
				if err != nil {
					t.Fatal(err)
				}
				route := Route{Name: "team", GiveUp: c.giveUp, Timeout: time.Minute}
				consumer := &Consumer{cfg: Config{Target: &Target{route: route, sender: senderFunc(f.send), renderer: renderer}}.WithDefaults()}
				consumer.metrics = consumer.cfg.Metrics.route("team")
				n := opening()
				n.At = time.Now().Add(-c.age)
				err = consumer.deliver(t.Context(), n)
				if (err == nil) != c.delivers || fmt.Sprint(f.attempts) != fmt.Sprint(c.want) {
					t.Errorf("attempts after %v, then %v; want %v", f.attempts, err, c.want)
				}
			})
		})
	}
}

func TestMemory(t *testing.T) {
	t.Parallel()
	m := remembered("")
	for i := range 1000 {
		m.add(streams.NotificationKey(fmt.Sprint(i)))
	}
	again := remembered(m.String())
	if len(m.String()) > 4096 || again.String() != m.String() {
		t.Errorf("%d bytes are committed", len(m.String()))
	}
	for i := range 1000 {
		if got, want := again.has(streams.NotificationKey(fmt.Sprint(i))), i >= 1000-maxMemory; got != want {
			t.Fatalf("key %d is remembered: %v", i, got)
		}
	}
	if m := remembered("goka"); len(m.keys) > 0 || m.has("") {
		t.Error("the text of somebody else is a memory")
	}
	m.add("x")
	if !remembered(m.String()).has("x") || remembered(m.String()).has("y") {
		t.Error("a short key is not remembered")
	}
}
