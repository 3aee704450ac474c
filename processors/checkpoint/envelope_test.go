package checkpoint

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files of the current version")

func drawBody(t *rapid.T) body {
	position := rapid.Custom(func(t *rapid.T) Position {
		return Position{rapid.String().Draw(t, "topic"), rapid.Int32Min(0).Draw(t, "partition"), rapid.Int64Min(0).Draw(t, "offset")}
	})
	value := rapid.OneOf(rapid.Just[[]byte](nil), rapid.SliceOf(rapid.Byte()))
	return body{
		last: rapid.SliceOfN(position, 0, 5).Draw(t, "last"),
		outbox: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) pending {
			p := pending{source: position.Draw(t, "source"), input: rapid.Int64Min(0).Draw(t, "input")}
			p.output = Output{Topic: rapid.String().Draw(t, "to"), Key: rapid.String().Draw(t, "key"), Value: value.Draw(t, "value")}
			if rapid.Bool().Draw(t, "timed") {
				p.output.Timestamp = time.UnixMilli(rapid.Int64Range(1, 4e12).Draw(t, "ms")).UTC()
			}
			if rapid.Bool().Draw(t, "with headers") {
				p.output.Headers = rapid.MapOfN(rapid.String(), value, 1, 4).Draw(t, "headers")
			}
			return p
		}), 0, 4).Draw(t, "outbox"),
		payload: rapid.SliceOf(rapid.Byte()).Draw(t, "payload"),
	}
}

func encode(a age, b body) []byte {
	out := appendBody(appendHead(nil, kindWhole, a), b.last, b.outbox)
	return appendChecksum(append(out, b.payload...))
}

// sameBody compares bodies; an empty list is as good as none.
func sameBody(a, b body) string {
	return cmp.Diff(a, b, cmp.AllowUnexported(body{}, pending{}), cmp.Transformer("payload", func(b body) []any {
		return []any{append([]Position{}, b.last...), append([]pending{}, b.outbox...), string(b.payload)}
	}), cmp.Transformer("value", func(o Output) []any {
		headers := map[string]string{}
		for k, v := range o.Headers {
			headers[k] = show(v)
		}
		return []any{o.Topic, o.Key, show(o.Value), headers, o.Timestamp}
	}))
}

func show(v []byte) string {
	if v == nil {
		return "none"
	}
	return "=" + string(v)
}

func TestEnvelopeReadsWhatItWrote(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawBody(t)
		wantAge := age{rapid.Int64Min(-1).Draw(t, "at"), rapid.Int64Min(0).Draw(t, "turn")}
		gotAge, content, chunks, err := readHead(encode(wantAge, want))
		if err != nil || chunks != nil || gotAge != wantAge {
			t.Fatalf("got age %v, chunks %v, error %v, want age %v", gotAge, chunks, err, wantAge)
		}
		got, err := readBody(content)
		if err != nil {
			t.Fatal(err)
		}
		if diff := sameBody(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestEnvelopeFindsDamage changes one byte, or cuts the record, and wants an error each time.
func TestEnvelopeFindsDamage(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		record := encode(age{at: 7}, drawBody(t))
		damaged := bytes.Clone(record)
		if rapid.Bool().Draw(t, "cut") {
			damaged = damaged[:rapid.IntRange(0, len(record)-1).Draw(t, "length")]
		} else {
			damaged[rapid.IntRange(0, len(record)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		}
		if _, _, _, err := readHead(damaged); err == nil {
			t.Fatal("damage was not found")
		}
		// Even with a right checksum nothing that is not a body is read as one, and nothing panics.
		_, _ = readBody(damaged)
	})
}

func TestEnvelopeNamesAnUnknownVersion(t *testing.T) {
	t.Parallel()
	record := encode(age{at: 7}, body{})
	record[0] = 9
	_, _, _, err := readHead(record)
	if err == nil || !strings.Contains(err.Error(), "version 9") || errors.Is(err, errCorrupt) {
		t.Fatalf("got %v, want an error that names version 9", err)
	}
}

// TestEnvelopeReadsEveryVersion reads the golden file of each version ever written.
func TestEnvelopeReadsEveryVersion(t *testing.T) {
	t.Parallel()
	want := body{
		last: []Position{{"events", 3, 41}, {"events", 4, 7}},
		outbox: []pending{{source: Position{"events", 3, 41}, input: 99, output: Output{
			Topic: "anomalies", Key: "s/host-1", Value: []byte(`{"id":"s-3-41"}`), Headers: map[string][]byte{"a": []byte("1"), "b": nil},
			Timestamp: time.UnixMilli(1_700_000_000_123).UTC(),
		}}},
		payload: []byte("state of the application"),
	}
	present := filepath.Join("testdata", fmt.Sprintf("snapshot-v%d.bin", envelopeVersion))
	if *update {
		if err := os.WriteFile(present, encode(age{99, 3}, want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for version, wantAge := range map[int]age{1: {99, 0}, 2: {99, 3}} {
		record, err := os.ReadFile(filepath.Join("testdata", fmt.Sprintf("snapshot-v%d.bin", version)))
		if err != nil {
			t.Fatal(err)
		}
		a, content, _, err := readHead(record)
		if err != nil || a != wantAge {
			t.Fatalf("version %d: got age %v and %v, want %v", version, a, err, wantAge)
		}
		got, err := readBody(content)
		if err != nil {
			t.Fatal(err)
		}
		if diff := sameBody(want, got); diff != "" {
			t.Errorf("version %d: %s", version, diff)
		}
		if version == envelopeVersion && !bytes.Equal(encode(wantAge, want), record) {
			t.Error("the same snapshot is written in other bytes than before: give the format a new version")
		}
	}
}

func FuzzReadSnapshot(f *testing.F) {
	f.Add(encode(age{at: 1}, body{payload: []byte("x")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, content, chunks, err := readHead(b); err == nil && chunks == nil {
			_, _ = readBody(content)
		}
		_, _ = readBody(b)
	})
}
