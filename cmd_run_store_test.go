package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/kafkatest"
)

// TestDetectsWithoutDatabase starts every role while the database is away: events are scored all the same, and the log names the
// database that is missing.
func TestDetectsWithoutDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  plain: {features: [a, b], warmup: 20, window: 50}\n")
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	from := bytes.Index(text, []byte(`"sqlite:`))
	to := from + bytes.IndexByte(text[from+1:], '"') + 2
	w.config = writeFile(t, string(text[:from])+`"postgres://nobody@127.0.0.1:1/nowhere?sslmode=disable"`+string(text[to:]))
	run := w.start("run")
	var records []*kgo.Record
	kafkatest.Eventually(t, kafkatest.Deadline, func() error {
		if !strings.Contains(run.stderr.String(), "127.0.0.1:1") {
			return fmt.Errorf("the log does not name the database:\n%s", run.stderr.String())
		}
		return nil
	})
	for i := range 100 {
		records = append(records, value(fmt.Sprintf(`{"a":%d,"b":%d}`, i%7, i%5)))
	}
	w.produce("plain", records...)
	w.awaitSeen(map[string]int64{"plain": 100})
	if strings.Contains(run.stderr.String(), "serving on") {
		t.Error("the API serves without a database")
	}
}
