package checkpoint

import (
	"testing"

	"pgregory.net/rapid"
)

// TestWatermarkNeverPassesAGap delivers offsets with gaps and acknowledges them in any order, as several brokers do.
func TestWatermarkNeverPassesAGap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var w watermark
		if _, ok := w.mark(); ok {
			t.Fatal("a mark before the first delivery")
		}
		open := []int64{}
		next := rapid.Int64Range(0, 1000).Draw(t, "first")
		for range rapid.IntRange(1, 3000).Draw(t, "steps") {
			if len(open) == 0 || rapid.Bool().Draw(t, "deliver") {
				w.begin(next)
				open = append(open, next)
				next += rapid.Int64Range(1, 3).Draw(t, "gap")
			} else {
				i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
				w.ack(open[i])
				w.ack(open[i]) // A second time changes nothing.
				open = append(open[:i], open[i+1:]...)
			}
			want := w.next
			if len(open) > 0 {
				want = open[0]
			}
			if got, ok := w.mark(); !ok || got != want {
				t.Fatalf("got mark %d (%v), want %d", got, ok, want)
			}
		}
		w.ack(-5) // Of an earlier session.
	})
}

func BenchmarkWatermark(b *testing.B) {
	var w watermark
	for i := range int64(b.N) {
		w.begin(i)
		if i >= 100 {
			w.ack(i - 100)
		}
	}
}
