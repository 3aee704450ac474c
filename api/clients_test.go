//go:build clients

package api

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"anomalystream/streams"
)

// foreign are clients that others wrote. CLIENTS_PYTHON is a Python with the libraries, CLIENTS_NODE the node_modules of the others.
func foreign(t *testing.T) map[string][]string {
	t.Helper()
	python, modules := os.Getenv("CLIENTS_PYTHON"), os.Getenv("CLIENTS_NODE")
	if python == "" || modules == "" {
		t.Fatal("CLIENTS_PYTHON and CLIENTS_NODE say where the libraries are: bash .ci/clients")
	}
	py := func(library string) []string { return []string{python, "testdata/clients/feed.py", library} }
	js := func(library string) []string {
		return []string{"env", "NODE_MODULES=" + modules, "node", "testdata/clients/feed.mjs", library}
	}
	return map[string][]string{
		"ws websockets": py("websockets"), "ws websocket-client": py("websocket-client"), "http requests": py("requests"),
		"ws ws": js("ws"), "http eventsource": js("eventsource"),
	}
}

// followed are the live routes: their paths, and what makes the next item of a server and returns its name.
var followed = map[string]struct {
	paths map[string]string
	more  func(*testing.T, *rig) func() string
	feed  func(*rig) *feed
}{
	"anomalies": {map[string]string{"ws": "/ws/alerts", "http": "/api/alerts"}, func(t *testing.T, r *rig) func() string {
		k, n := &topic{history: r.history}, int64(0)
		return func() string {
			a := anomaly("server_metrics", "web-1", n, 0.9)
			k.produce(t, r.Server, a)
			n++
			return a.ID
		}
	}, func(r *rig) *feed { return r.feed }},
	"incidents": {map[string]string{"ws": "/ws/incidents", "http": "/api/incidents/live"}, func(t *testing.T, r *rig) func() string {
		b := newBurst(r)
		return func() string {
			i := b.revise(t, 1, time.Now(), r.Server)
			return fmt.Sprintf("%s@%d", i.ID, i.Revision)
		}
	}, func(r *rig) *feed { return r.bursts.feed }},
}

// TestForeignClients: clients log in by their means, get a pong for their ping, and all items once, also those that came while
// they were away. None of them gets compressed frames: all offer that, and the server may decline.
func TestForeignClients(t *testing.T) {
	t.Parallel()
	for client, command := range foreign(t) {
		for name, route := range followed {
			t.Run(client+" "+name, func(t *testing.T) {
				t.Parallel()
				token, guard := readerToken()
				r := serve(t, guard)
				more := route.more(t, r)
				scheme, _, _ := strings.Cut(client, " ")
				address := scheme + "://" + r.Addr() + route.paths[scheme]
				first := startExample(t, token, append(slices.Clone(command), address, "5")...)
				eventually(t, "the client to join", func() bool { return route.feed(r).joined(1) })
				var want []string
				for range 5 {
					want = append(want, more())
				}
				said := heard(t, first)
				sameIDs(t, "at first", said["item"], want)
				if scheme == "ws" {
					if len(said["pong"]) != 1 || said["compression"][0] != "none" || !strings.HasSuffix(client, "websocket-client") && said["subprotocol"][0] != subprotocol {
						t.Errorf("the handshake: %v", said)
					}
				} else if !strings.HasPrefix(said["type"][0], "text/event-stream") {
					t.Errorf("the answer: %v", said)
				}
				want = nil
				for range 7 {
					want = append(want, more())
				}
				said = heard(t, startExample(t, token, append(slices.Clone(command), address, "7", said["cursor"][0])...))
				sameIDs(t, "after it was away", said["item"], want)
				if !slices.Equal(said["resume"], []string{resumeMemory}) || len(said["lost"]) > 0 {
					t.Errorf("it went on so: %v", said)
				}
			})
		}
	}
}

// heard returns what a client prints until its end, by the first word.
func heard(t *testing.T, e *example) map[string][]string {
	t.Helper()
	said := map[string][]string{}
	for e.lines.Scan() {
		word, rest, _ := strings.Cut(e.lines.Text(), " ")
		said[word] = append(said[word], rest)
	}
	if err := e.Wait(); err != nil {
		t.Fatalf("the client ends with %v: %v\n%s", err, said, e.notes.String())
	}
	return said
}

// TestForeignClientsThatDoNotRead are cut off, and see by the code that they may come again.
func TestForeignClientsThatDoNotRead(t *testing.T) {
	t.Parallel()
	for client, command := range foreign(t) {
		if strings.HasPrefix(client, "http") {
			continue
		}
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			token, guard := readerToken()
			r := serve(t, func(c *Config, d *Deps) { guard(c, d); c.FlushEvery = time.Millisecond })
			r.unhurried()
			wake, hand, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer wake.Close()
			defer hand.Close()
			slow := prepareExample(t, token, append(slices.Clone(command), "ws://"+r.Addr()+"/ws/alerts", "0")...)
			slow.Stdin = wake
			slow.start(t)
			eventually(t, "the client to join", func() bool { return r.joined(1) })
			k := &topic{history: r.history}
			fat := anomaly("server_metrics", "web-1", 0, 0.9)
			fat.Why.Sentence = strings.Repeat("x", 64<<10)
			for i := 0; !metric(t, r, `anomalystream_api_live_clients_cut_total{reason="slow"} 1`); i++ {
				if i == 3000 {
					t.Fatal("the client was never cut")
				}
				fat.ID = streams.Position{Topic: "server_metrics", Offset: int64(i)}.AnomalyID("server_metrics")
				k.produce(t, r.Server, fat)
				time.Sleep(2 * time.Millisecond) // A frame each.
			}
			if _, err := hand.WriteString("read\n"); err != nil {
				t.Fatal(err)
			}
			if said := heard(t, slow); !slices.Equal(said["code"], []string{fmt.Sprint(closeSlow)}) {
				t.Errorf("it was told %v, want the code %d", said, closeSlow)
			}
		})
	}
}
