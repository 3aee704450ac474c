//go:build load && unix

package api

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

var (
	loadClients  = flag.Int("clients", 1000, "WebSocket clients")
	loadRate     = flag.Int("rate", 1000, "anomalies per second")
	loadDuration = flag.Duration("for", 10*time.Second, "how long")
	loadDeaf     = flag.Int("deaf", 0, "clients beside these that never read")
)

// TestLoad pushes anomalies to many WebSocket clients in this process and expects every one at every client. It tells the
// latency from delivery to the client, which includes up to 100 ms of coalescing, and the CPU time of server and clients.
//
//	go test ./api -tags load -run TestLoad -v [-clients N] [-rate N] [-for 10s] [-deaf N]
func TestLoad(t *testing.T) {
	r := serve(t, func(c *Config, _ *Deps) {
		c.FlushEvery, c.MaxClients, c.Log = 0, 2**loadClients+*loadDeaf, slog.New(slog.DiscardHandler)
	})
	total := int(loadDuration.Seconds() * float64(*loadRate))
	var clients sync.WaitGroup
	var mu sync.Mutex
	var latencies []time.Duration
	missing := 0
	for range *loadDeaf {
		r.dial("")
	}
	for i := range *loadClients {
		c, res, err := websocket.DefaultDialer.Dial("ws://"+r.Addr()+"/ws/alerts", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		clients.Go(func() {
			defer c.Close()
			got := 0
			var own []time.Duration
			for got < total {
				_ = c.SetReadDeadline(time.Now().Add(patience))
				_, b, err := c.ReadMessage()
				if err != nil {
					t.Errorf("client %d after %d: %v", i, got, err)
					break
				}
				got += bytes.Count(b, []byte(`"alert_score":`))
				// One client in ten reads the time in the last anomaly: parsing everything would measure the clients.
				if at := bytes.LastIndex(b, []byte("sent at ")); at >= 0 && i%10 == 0 {
					if sent, err := time.Parse(time.RFC3339Nano, string(b[at+8:at+8+bytes.IndexByte(b[at+8:], '"')])); err == nil {
						own = append(own, time.Since(sent))
					}
				}
			}
			mu.Lock()
			latencies = append(latencies, own...)
			missing += total - got
			mu.Unlock()
		})
	}
	eventually(t, "all clients", func() bool { return r.joined(*loadClients + *loadDeaf) })
	before, started := cpu(t), time.Now()
	late := time.Duration(0)
	for i := range int64(total) {
		if wait := time.Until(started.Add(time.Duration(i) * time.Second / time.Duration(*loadRate))); wait > 0 {
			time.Sleep(wait)
		} else {
			late = max(late, -wait)
		}
		a := anomaly("server_metrics", fmt.Sprintf("web-%d", i%50), i, 0.9)
		a.Why.Sentence = "sent at " + time.Now().Format(time.RFC3339Nano)
		if err := r.DeliverAnomaly(a, 0, i, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	clients.Wait()
	took, used := time.Since(started), cpu(t)-before
	slices.Sort(latencies)
	at := func(q float64) time.Duration {
		return latencies[int(q*float64(len(latencies)-1))].Round(time.Millisecond)
	}
	t.Logf("%d clients, %d/s for %s: %d of %d received, publisher at most %s behind; latency p50 %s p99 %s max %s; CPU %.0f %% of a core",
		*loadClients, *loadRate, took.Round(time.Millisecond), *loadClients*total-missing, *loadClients*total, late.Round(time.Millisecond),
		at(.5), at(.99), at(1), 100*used.Seconds()/took.Seconds())
	if missing > 0 {
		t.Errorf("%d anomalies are missing", missing)
	}
}

// TestHalfOpen holds thousands of connections that never finish a handshake, while a client is served as ever.
func TestHalfOpen(t *testing.T) {
	r := serve(t, func(c *Config, _ *Deps) { c.Log = slog.New(slog.DiscardHandler) })
	for range 5000 {
		c, err := net.Dial("tcp", r.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = c.Write([]byte("GET /ws/alerts HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"))
	}
	good := r.dial("")
	last := readHello(t, good)
	k := &topic{history: r.history}
	for i := range int64(1000) {
		k.produce(t, r.Server, anomaly("server_metrics", "web-1", i, 0.9))
	}
	sameIDs(t, "the good client", collect(t, good, &last, 1000), k.ids())
	r.call(200, "GET", "/api/anomalies", "")
}

func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
