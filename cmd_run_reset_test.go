package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestResetState resets one entity, then a whole stream, and leaves the other stream alone. While the stream is at work it refuses.
func TestResetState(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  one: {features: [a], warmup: 20, window: 50}\n  two: {features: [a], warmup: 20, window: 50}\n")
	w.must("topics", "create")
	write := func(n int) { // So many events of each of four entities, in both streams.
		for _, stream := range []string{"one", "two"} {
			var records []*kgo.Record
			for i := range 4 * n {
				records = append(records, keyed(fmt.Sprint("k", i%4), fmt.Sprintf(`{"a":%d}`, i%11)))
			}
			w.produce(stream, records...)
		}
	}
	run := w.start("run", "--roles", "detect")
	write(30)
	w.awaitSeen(map[string]int64{"one": 120, "two": 120})

	got := command(t, "run", "--roles", "detect", "--reset-state", "one", "--config", w.config)
	if got.code != exitFailed || !strings.Contains(got.stderr, "the group is at work") {
		t.Errorf("resetting a stream at work: exit code %d, %s", got.code, got.stderr)
	}
	run.end()

	run = w.start("run", "--roles", "detect", "--reset-state", "one/k1", "--reset-state", "one/k2")
	write(10)
	w.awaitLatest(map[string]int64{"one": 40 + 10 + 10 + 40, "two": 160})
	run.end()

	w.start("run", "--roles", "detect", "--reset-state", "one")
	write(10)
	w.awaitLatest(map[string]int64{"one": 40, "two": 200})
}

// TestParseResets names what cannot be reset, and lets a whole stream win over its entities.
func TestParseResets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  one: {features: [a]}\n")
	for _, c := range []struct{ item, want string }{
		{"three/k", `there is no stream "three"; the configuration has: `}, {"one/", "no entity follows the slash"},
	} {
		got := command(t, "run", "--reset-state", c.item, "--config", w.config)
		if got.code != exitUsage || !strings.Contains(got.stderr, c.want) {
			t.Errorf("--reset-state %s: exit code %d, %s", c.item, got.code, got.stderr)
		}
	}
	cfg, err := LoadConfig(w.config, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		items []string
		want  int // Entities; 0 is the whole stream.
	}{
		{[]string{"one/a", "one/a,b/c", "one/a"}, 2}, {[]string{"one/a", "one", "one/b"}, 0},
	} {
		got, err := parseResets(cfg, c.items)
		if entities, ok := got["one"]; err != nil || !ok || len(entities) != c.want {
			t.Errorf("parseResets(%q): got %v, %v; want %d entities", c.items, got, err, c.want)
		}
	}
}
