package api

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"
)

// BenchmarkList asks for a page of 50 anomalies over HTTP on loopback, store in memory: the API's own cost, with the
// client's.
func BenchmarkList(b *testing.B) {
	r := serve(b, func(c *Config, _ *Deps) { c.Log = slog.New(slog.DiscardHandler) })
	for i := range int64(200) {
		r.history.add(anomaly("server_metrics", fmt.Sprintf("web-%d", i%3), i, 0.9), t0)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			res, err := r.client.Get(r.base() + "/api/anomalies?limit=50&min_score=0.7&stream=server_metrics")
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
				b.Errorf("got %d, %v", res.StatusCode, err)
			}
			_ = res.Body.Close()
		}
	})
}

// nullReceiver is a client that takes everything at once.
type nullReceiver struct{ messages int }

func (n *nullReceiver) send(m [][]byte)            { n.messages += len(m) }
func (n *nullReceiver) drain(context.Context) bool { return true }
func (n *nullReceiver) cut(string)                 {}

// BenchmarkFeed takes one anomaly and, every hundred, flushes to 1,000 clients with ten different filters.
func BenchmarkFeed(b *testing.B) {
	r := serve(b, func(c *Config, _ *Deps) { c.Log = slog.New(slog.DiscardHandler) })
	for i := range 1000 {
		key := groupKey{anyEntity: true, minScore: 0.6 + float64(i%10)/100, items: carryAnomalies, format: formatFrames}
		stop := r.feed.subscribe(b.Context(), key, nil, &nullReceiver{})
		defer stop()
	}
	a := anomaly("server_metrics", "web-1", 0, 0.9)
	b.ReportAllocs()
	i := int64(0)
	for b.Loop() {
		i++
		a.ID = fmt.Sprintf("server_metrics-0-%d", i)
		if err := r.DeliverAnomaly(a, 0, i, time.Now()); err != nil {
			b.Fatal(err)
		}
		if i%100 == 0 {
			r.feed.flush()
		}
	}
}
