package routes

import (
	"bytes"
	"flag"
	"os"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden file of the newest format")

const golden = "testdata/state-v1.bin"

// TestGolden: a state of version 1 is read and means what it meant, for ever. The file was written by this test with -update.
func TestGolden(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(r *Route) { r.Limit, r.Repeat = 1, time.Hour })
	b.tick(10 * time.Second)
	for _, s := range []string{"told 1 opened", "over 1 opened", "over 2 recovered", "held 1 opened", "waits 1 opened"} {
		b.incident(s)
		if s != "waits 1 opened" {
			b.tick(30 * time.Second)
		}
	}
	written := b.state.Append(nil)
	if *update {
		if err := os.WriteFile(golden, written, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(written, want) {
		t.Errorf("the format of the state has changed without a new version:\n%s", written)
	}
	if b.state, err = Restore(want); err != nil {
		t.Fatal(err)
	}
	b.sent = nil
	b.incident("over 2 recovered")
	b.incident("told 2 recovered")
	b.tick(10 * time.Minute)
	b.incident("waits 2 recovered")
	b.want("digest 3/0/2/0")
}

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string]string{
		"nothing": "", "newer": "\x02{}", "cut": "\x01{\"open\":[", "no incident": "\x01{\"open\":[null]}",
		"twice":             "\x01{\"open\":[{\"id\":\"a\"},{\"id\":\"a\"}]}",
		"waits for nothing": "\x01{\"open\":[{\"id\":\"a\"}]}", "unreadable record": "\x01{\"open\":[{\"id\":\"a\",\"body\":\"e30x\"}]}",
	} {
		if _, err := Restore([]byte(payload)); err == nil {
			t.Errorf("%s: a state is made of %q", name, payload)
		}
	}
}

func TestSentencesAreClippedAtACharacter(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte("é"), 200)
	if got := clip(string(long)); len(got) > maxSentence || got[len(got)-len("…"):] != "…" || !bytes.HasPrefix(long, []byte(got[:len(got)-len("…")])) {
		t.Errorf("clipped to %q", got)
	}
	if got := clip("short"); got != "short" {
		t.Errorf("clipped to %q", got)
	}
}
