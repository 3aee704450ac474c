package incidents

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"anomalystream/streams"
)

var update = flag.Bool("update", false, "write the golden file of the newest format")

// busy is a state with everything in it.
func busy(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, nil)
	for range 20 {
		w.minute("a", "b", "c", "d", "e")
	}
	w.pass(4 * time.Minute)
	w.minute("a", "b", "c", "d", "e")
	w.see("d")
	for _, e := range []string{"a", "b", "c"} {
		w.see(e, severe)
	}
	id := w.state.Keys[0].Burst.Incident.ID
	w.step(Signal{Feedback: &streams.Feedback{ID: "f", Action: streams.ActionVerdict, Verdict: streams.VerdictReal, Stream: "web", Entity: "a", Incident: id, Who: "ann", At: w.now}})
	for range 3 {
		w.minute("a", "b", "c", "d")
	}
	w.step(Signal{Feedback: &streams.Feedback{ID: "g", Action: streams.ActionResolve, Stream: "web", Entity: "a", Incident: id, Who: "ann", At: w.now}})
	return w
}

// TestGolden reads what every version of the format wrote, and writes the newest one as it was.
func TestGolden(t *testing.T) {
	t.Parallel()
	name := filepath.Join("testdata", fmt.Sprintf("state-v%d.bin", formatVersion))
	got := busy(t).state.Append(nil)
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join("testdata", "state-v*.bin"))
	if err != nil || len(files) != formatVersion {
		t.Fatalf("%d golden files, want one of each version: %v", len(files), err)
	}
	for i, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Restore(b)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if len(s.Keys) != 5 || len(s.Groups) != 1 || len(s.Closed) != i+1 || len(s.Pauses) != i || s.byEntity["e"].Silent == nil || len(s.byEntity["d"].Pending) != 1 {
			t.Errorf("%s holds something else: %s", file, b)
		}
		if len(s.Kept) != i+1 || s.Kept[i].ID != s.Closed[i].Incident.ID || file == name && len(s.Said) != 2 {
			t.Errorf("%s keeps %+v and %+v", file, s.Kept, s.Said)
		}
		if file == name && !bytes.Equal(b, got) {
			t.Errorf("the format or what leads to it has changed:\n%s\n%s", b, got)
		}
	}
}

// TestDamage refuses what is not as it was saved.
func TestDamage(t *testing.T) {
	t.Parallel()
	good := busy(t).state.Append([]byte("before"))[len("before"):]
	if _, err := Restore(good); err != nil {
		t.Fatal(err)
	}
	for n := range good {
		bad := slices.Clone(good)
		bad[n] ^= 1
		if _, err := Restore(bad); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormatVersion) {
			t.Fatalf("byte %d: %v", n, err)
		}
		if _, err := Restore(good[:n]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	for _, body := range []string{`{"keys":[null]}`, `{"keys":[{"entity":"a"},{"entity":"a"}]}`, `[]`} {
		b := binary.LittleEndian.AppendUint32(append([]byte(nil), good[:headerBytes-4]...), crc32.Checksum([]byte(body), castagnoli))
		if _, err := Restore(append(b, body...)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// chaos makes signals in no order at all.
type chaos struct {
	random *rand.Rand
	now    time.Time
	ids    []string
	offset int64
	sent   []*streams.Anomaly
	last   map[string]streams.Incident
}

func (c *chaos) next() Signal {
	c.now = c.now.Add(time.Duration(c.random.ExpFloat64() * float64(20*time.Second)))
	entity := fmt.Sprintf("e%d", c.random.IntN(12))
	at := c.now.Add(time.Duration(c.random.NormFloat64() * float64(3*time.Minute)))
	if c.random.IntN(200) == 0 {
		at = at.Add(time.Duration(c.random.NormFloat64() * float64(1000*time.Hour)))
	}
	switch c.random.IntN(10) {
	case 0, 1, 2, 3:
		if n := len(c.sent); n > 0 && c.random.IntN(10) == 0 {
			return Signal{Anomaly: c.sent[max(n-1-c.random.IntN(50), 0)]}
		}
		c.offset++
		p := streams.Position{Topic: "web", Partition: int32(c.random.IntN(2)), Offset: c.offset}
		a := &streams.Anomaly{ID: p.AnomalyID("web"), Stream: "web", Entity: entity, Timestamp: at, Kind: streams.KindModel, Score: 0.6 + 0.4*c.random.Float64(),
			Severity: 30 * c.random.Float64(), AlertScore: 6 * c.random.Float64(), Source: p, Replay: c.random.IntN(20) == 0}
		if c.random.IntN(20) == 0 {
			a.Suppressed = "rule"
		}
		for _, f := range []string{"x", "y", "z"}[:c.random.IntN(4)] {
			a.Why.Contributions = append(a.Why.Contributions, streams.Contribution{Feature: f, Share: c.random.Float64()})
		}
		c.sent = append(c.sent, a)
		return Signal{Anomaly: a}
	case 4, 5, 6:
		return Signal{Rollup: &streams.Rollup{Stream: "web", Entity: entity, Minute: at.Truncate(time.Minute), Events: int64(c.random.IntN(100)), Anomalies: int64(c.random.IntN(4)), Closed: c.random.IntN(2) == 0}}
	case 7:
		actions := []string{streams.ActionAcknowledge, streams.ActionComment, streams.ActionResolve, streams.ActionVerdict, streams.ActionWithdraw, "else"}
		f := &streams.Feedback{ID: fmt.Sprint(c.random.IntN(500)), Action: actions[c.random.IntN(len(actions))], Verdict: streams.VerdictNoise, Stream: "web", Entity: entity, At: c.now, Withdraw: fmt.Sprint(c.random.IntN(500))}
		if len(c.ids) > 0 {
			f.Incident = c.ids[c.random.IntN(len(c.ids))]
		}
		if i, ok := c.last[f.Incident]; ok && i.End != nil && c.random.IntN(4) > 0 {
			f.About = &i
		}
		return Signal{Feedback: f}
	}
	return Signal{Tick: c.now.Add(time.Duration(c.random.IntN(20)) * time.Second)}
}

// TestChaos holds what must hold of any signals in any order: each incident opens once and ends once at most, its revisions
// count up, each expires once and is silent from then on, and a restored state goes on as the one that was saved.
func TestChaos(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		c := &chaos{random: rand.New(rand.NewPCG(seed, 0)), now: start, last: map[string]streams.Incident{}}
		d := streams.DefaultDefinition("web")
		d.Incidents.Retention = 2 * time.Hour
		d.Incidents.MaxLength, d.Incidents.Silence = 30*time.Minute, []string{"3m", "learned"}[seed%2]
		engine, err := New(&d)
		if err != nil {
			t.Fatal(err)
		}
		state, restored := NewState(), NewState()
		last, expired, revived := c.last, map[string]bool{}, 0
		kinds := map[string]int{}
		for n := range 3000 {
			signal := c.next()
			got := engine.Step(state, signal)
			if n%40 == 0 {
				if restored, err = Restore(restored.Append(nil)); err != nil {
					t.Fatal(err)
				}
			}
			if a, b := encode(t, got), encode(t, engine.Step(restored, signal)); !bytes.Equal(a, b) {
				t.Fatalf("seed %d, signal %d: a restored state tells\n%s\nwant\n%s", seed, n, b, a)
			}
			gone := engine.Expire(state)
			if other := engine.Expire(restored); !cmp.Equal(gone, other) {
				t.Fatalf("seed %d, signal %d: a restored state gives up %+v, want %+v", seed, n, other, gone)
			}
			for _, id := range gone.Incidents {
				if i, ok := last[id]; !ok || i.Open() || expired[id] {
					t.Fatalf("seed %d, signal %d: %s expires, known %v, before %v", seed, n, id, ok, expired[id])
				}
				expired[id] = true
			}
			for _, i := range got {
				if expired[i.ID] {
					t.Fatalf("seed %d, signal %d: %+v has expired", seed, n, i)
				}
				if signal.Feedback != nil && signal.Feedback.About != nil {
					revived++
				}
				before, known := last[i.ID]
				if known == (i.Change == streams.ChangeOpened) || i.Revision != before.Revision+1 {
					t.Fatalf("seed %d, signal %d: %+v after %+v", seed, n, i, before)
				}
				if known && (before.End != nil && i.Open() || i.Open() != (i.End == nil)) {
					t.Fatalf("seed %d, signal %d: %+v after %+v", seed, n, i, before)
				}
				if i.End != nil && i.End.Before(i.Start) || i.Latest.Before(i.Start) {
					t.Fatalf("seed %d, signal %d: ends before it starts: %+v", seed, n, i)
				}
				if !known {
					c.ids = append(c.ids, i.ID)
					kinds[i.Kind]++
				}
				last[i.ID] = i
			}
		}
		if kinds[streams.KindModel] < 50 || kinds[streams.KindGroup] < 5 || seed%2 == 0 && kinds[streams.KindSilent] < 5 {
			t.Errorf("seed %d: only %v", seed, kinds)
		}
		if len(expired) < 10 || revived < 20 {
			t.Errorf("seed %d: %d have expired, %d were told of after their end", seed, len(expired), revived)
		}
		t.Log(kinds, len(expired), revived)
	}
}

// TestAbsurd changes nothing by times that cannot be, nor by a source whose clock is far ahead, and saves what is left.
func TestAbsurd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.step(Signal{Tick: w.now})
	before := w.state.Append(nil)
	for _, at := range []time.Time{{}, w.now.Add(25 * time.Hour), time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -3600)), time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)} {
		a := w.anomaly("a", severe)
		a.Timestamp = at
		w.step(Signal{Anomaly: a})
		w.step(Signal{Rollup: &streams.Rollup{Stream: "web", Entity: "a", Minute: at, Events: 1, Anomalies: 1 << 62}})
	}
	w.step(Signal{Tick: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)})
	w.step(Signal{})
	if got := w.state.Append(nil); !bytes.Equal(got, before) {
		t.Errorf("got %s\nwant %s", got, before)
	}
	a := w.anomaly("a", severe)
	a.Why.Contributions = []streams.Contribution{{Feature: "x", Share: 1e308}, {Feature: "x", Share: 1e308}, {Feature: "y", Share: -1e308}}
	w.step(Signal{Anomaly: a})
	w.step(Signal{Rollup: &streams.Rollup{Stream: "web", Entity: "a", Minute: w.now, Events: -1 << 63, Anomalies: -1 << 63}})
	w.step(Signal{Rollup: &streams.Rollup{Stream: "web", Entity: "a", Minute: w.now.Add(time.Minute), Events: 1<<63 - 1, Anomalies: 1<<63 - 1, Closed: true}})
	w.state.Append(nil)
}

func encode(t *testing.T, list []streams.Incident) []byte {
	t.Helper()
	b, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
