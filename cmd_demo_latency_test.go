//go:build load

package main

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestLatency writes odd events among those of a running demo and measures the time until a WebSocket client has each as an
// anomaly. DEMO_KAFKA and DEMO_URL are the addresses that the demo printed.
func TestLatency(t *testing.T) {
	kafka, at := os.Getenv("DEMO_KAFKA"), os.Getenv("DEMO_URL")
	if kafka == "" || at == "" {
		t.Fatal("start the demo and set DEMO_KAFKA and DEMO_URL to the addresses that it prints")
	}
	producer, err := kgo.NewClient(kgo.SeedBrokers(kafka), kgo.ProducerLinger(0))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	l := client{t, at}.listen("")
	hosts := []string{"web-1", "web-2", "api-1", "db-1"}
	var latencies []time.Duration
	const events = 60
	for n := range events {
		time.Sleep(200*time.Millisecond + time.Duration(n*37%100)*time.Millisecond)
		sent := time.Now()
		r, err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: "server_metrics", Key: []byte(hosts[n%len(hosts)]), Value: fmt.Appendf(nil,
			`{"timestamp":%q,"host":%q,"cpu_percent":99,"memory_percent":99,"latency_ms":%d,"error_rate":0.9}`,
			sent.UTC().Format(time.RFC3339Nano), hosts[n%len(hosts)], 2000+n*100)}).First()
		if err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprintf("server_metrics-%d-%d", r.Partition, r.Offset)
		for time.Since(sent) < time.Second && !slices.Contains(l.ids, id) {
			l.frame(20 * time.Second) // Heartbeats come in any case.
		}
		if slices.Contains(l.ids, id) {
			latencies = append(latencies, time.Since(sent))
		}
	}
	if len(latencies) < events/2 {
		t.Fatalf("%d of %d events were found", len(latencies), events)
	}
	slices.Sort(latencies)
	t.Logf("%d of %d events found; p50 %s p99 %s max %s", len(latencies), events,
		latencies[len(latencies)/2], latencies[len(latencies)*99/100], latencies[len(latencies)-1])
}
