package checkpoint

import (
	"testing"
	"time"
)

func TestParseStart(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Start{
		"": {}, "earliest": {}, "latest": {Latest: true}, "-24h": {Back: 24 * time.Hour}, "-1.5d": {Back: 36 * time.Hour},
		"2026-01-02T15:04:05Z": {At: time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)},
	} {
		if got, err := ParseStart(text); err != nil || got != want {
			t.Errorf("%q: got %+v (%v), want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"newest", "24h", "-0h", "--1h", "-d", "-NaNd", "2026-01-02"} {
		if got, err := ParseStart(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, got)
		}
	}
}
