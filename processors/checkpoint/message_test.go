package checkpoint

import (
	"testing"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
	"github.com/lovoo/goka"
	"pgregory.net/rapid"
)

// TestMessageKeepsWhatGokaDrops takes records through the interceptor and goka's map of headers.
func TestMessageKeepsWhatGokaDrops(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var want []Header
		record := &sarama.ConsumerMessage{}
		repeated := false
		seen := map[string]bool{}
		for range rapid.IntRange(0, 5).Draw(t, "headers") {
			h := Header{Key: rapid.SampledFrom([]string{"", "a", "b", "\x00null-key", "\x00headers"}).Draw(t, "name")}
			h.Value = rapid.OneOf(rapid.Just[[]byte](nil), rapid.SliceOf(rapid.Byte())).Draw(t, "value")
			repeated = repeated || seen[h.Key] || h.Key != "" && h.Key[0] == 0
			seen[h.Key] = true
			want = append(want, h)
			record.Headers = append(record.Headers, &sarama.RecordHeader{Key: []byte(h.Key), Value: h.Value})
		}
		if rapid.Bool().Draw(t, "with key") {
			record.Key = []byte{}
		}
		carry{}.OnConsume(record)
		m := Message{headers: goka.HeadersFromSarama(record.Headers)}
		got := m.Headers()
		if !repeated { // By name then.
			byName := map[string][]byte{}
			for _, h := range want {
				byName[h.Key] = h.Value
			}
			for _, h := range got {
				if diff := cmp.Diff(show(byName[h.Key]), show(h.Value)); diff != "" {
					t.Fatalf("header %q: %s", h.Key, diff)
				}
			}
			if len(got) != len(want) {
				t.Fatalf("got %d headers, want %d", len(got), len(want))
			}
			return
		}
		if len(got) != len(want) {
			t.Fatalf("got %d headers, want %d", len(got), len(want))
		}
		for i := range want {
			if got[i].Key != want[i].Key || show(got[i].Value) != show(want[i].Value) {
				t.Fatalf("header %d: got %q=%s, want %q=%s", i, got[i].Key, show(got[i].Value), want[i].Key, show(want[i].Value))
			}
		}
	})
}
