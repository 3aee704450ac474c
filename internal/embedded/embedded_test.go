package embedded_test

import (
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/embedded"
	"anomalystream/internal/kafkatest"
)

// TestBrokerKeepsItsDataAcrossARestart writes to a broker with a data directory, starts it again and reads.
func TestBrokerKeepsItsDataAcrossARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	broker, err := embedded.Start(embedded.Config{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	client := kafkatest.Dial(t, broker.Brokers()...)
	client.CreateTopic("events", 1)
	client.Produce(&kgo.Record{Topic: "events", Value: []byte("kept")})
	broker.Close()

	broker, err = embedded.Start(embedded.Config{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	got := kafkatest.Dial(t, broker.Brokers()...).ReadAll("events")
	if len(got) != 1 || string(got[0].Value) != "kept" {
		t.Fatalf("got %d records, want the one that was written", len(got))
	}
}

// TestBrokerListensOnLoopbackOnly checks where the broker listens and that it refuses to listen elsewhere.
func TestBrokerListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	broker, err := embedded.Start(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	for _, addr := range broker.Brokers() {
		host, _, err := net.SplitHostPort(addr)
		if err != nil || !net.ParseIP(host).IsLoopback() {
			t.Errorf("the broker listens on %s (%v), want loopback", addr, err)
		}
	}
	for _, addr := range []string{"0.0.0.0:0", "example.org:9092", "127.0.0.1", "127.0.0.1:99999"} {
		if b, err := embedded.Start(embedded.Config{Addr: addr}); err == nil {
			b.Close()
			t.Errorf("address %q was accepted", addr)
		}
	}
}

// TestBrokerForgets checks the limits that keep a broker in memory from growing without end: what is set stays as it is set.
func TestBrokerForgets(t *testing.T) {
	t.Parallel()
	broker, err := embedded.Start(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	client := kafkatest.Dial(t, broker.Brokers()...)
	client.CreateTopic("plain", 1)
	client.CreateTopic("kept", 1, "retention.ms", "-1")
	client.CreateTopic("table", 1, "cleanup.policy", "compact")
	configs, err := client.Admin.DescribeTopicConfigs(t.Context(), "plain", "kept", "table")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, topic := range configs {
		for _, c := range topic.Configs {
			if c.Key == "retention.ms" {
				got[topic.Name] = c.MaybeValue()
			}
		}
	}
	if got["plain"] != "3600000" || got["kept"] != "-1" || got["table"] == "3600000" {
		t.Errorf("retention: %v", got)
	}
}
