package notify

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/kafkatest"
	"anomalystream/streams"
)

var names = streams.Topics{Prefix: "t-"}

func TestMain(m *testing.M) {
	kafkatest.Main(m, map[string]func(){"deliver": deliverProcess})
}

// deliverProcess delivers the messages of one route in a process of its own, until it is killed.
func deliverProcess() {
	target, err := Open(Route{Name: "team", Kind: KindWebhook, URL: os.Getenv("DELIVER_TO"), Timeout: time.Minute})
	if err == nil {
		short := clientConfig()
		short.Consumer.Group.Session.Timeout = 6 * time.Second // Somebody waits for it to be over.
		var c *Consumer
		if c, err = NewConsumer(Config{
			Target: target, Topics: names, Brokers: []string{os.Getenv("DELIVER_BROKERS")}, Sarama: short,
			Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		}); err == nil {
			err = c.Run(context.Background())
		}
	}
	slog.Error("ended", "error", err)
}

func clientConfig() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0
	c.Consumer.MaxWaitTime, c.Consumer.MaxProcessingTime = 50*time.Millisecond, time.Second
	c.Consumer.Group.Session.Timeout = 30 * time.Second
	c.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	c.Producer.RequiredAcks = sarama.WaitForAll
	return c
}

// start starts a broker with the topics.
func start(t *testing.T) *kafkatest.Client {
	t.Helper()
	broker := kafkatest.Start(t)
	broker.CreateTopic(names.Notifications(), 4)
	broker.CreateTopic(names.DeadLetters(), 4)
	return broker.Client
}

// deliver runs the consumer of a route until the returned function is called or the test ends.
func deliver(t *testing.T, broker *kafkatest.Client, r Route, m *Metrics) (stop func()) {
	t.Helper()
	target, err := Open(r)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	c, err := NewConsumer(Config{Target: target, Topics: names, Brokers: broker.Brokers(), Sarama: clientConfig(), Log: log, Metrics: m})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			if err := <-done; err != nil {
				t.Errorf("the consumer ended with %v", err)
			}
		}
	}
	t.Cleanup(stop)
	kafkatest.Eventually(t, kafkatest.Deadline, c.Ready)
	return stop
}

// planned is a record of the topic: an opening of a route, planned just now.
func planned(t *testing.T, route, id string) (*kgo.Record, string) {
	t.Helper()
	n := opening()
	n.Route, n.Key, n.At = route, streams.NotificationKey(route, id), time.Now().UTC()
	b, err := streams.MarshalNotification(n)
	if err != nil {
		t.Fatal(err)
	}
	return &kgo.Record{Topic: names.Notifications(), Key: []byte(route), Value: b, Partition: streams.Partition([]byte(route), 4)}, n.Key
}

// next returns the key of the next request.
func (r *receiver) next(t *testing.T) string {
	t.Helper()
	select {
	case got := <-r.requests:
		return got.key
	case <-time.After(kafkatest.Deadline):
		t.Fatal("nothing was delivered")
		return ""
	}
}

// newReceiverAt starts a receiver at an address.
func newReceiverAt(t *testing.T, address string, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{requests: make(chan received, 1000)}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { r.receive(w, q, answer) }))
	if address != "" {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		r.Listener.Close()
		r.Listener = listener
	}
	r.Start()
	t.Cleanup(func() { r.CloseClientConnections(); r.Close() })
	return r
}

// isPermanent reports whether an error says that trying again will not help.
func isPermanent(err error) bool {
	var f *Failure
	return errors.As(err, &f) && f.Permanent
}

// senderFunc is a sender that does not look at the context.
type senderFunc func(*message) error

func (f senderFunc) send(_ context.Context, m *message) error { return f(m) }
