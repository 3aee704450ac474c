package sink

import (
	"context"
	"encoding/json"
	"math"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"anomalystream/streams"
)

// testEncoding compares what lists pass on, member by member, with the encoding of the decoded anomaly.
func testEncoding(t *testing.T, s *Store) {
	var b Batch
	for i, name := range []string{"plain", "", `quote " and \ slash`, "ünïcode 雪 \u2028", "<b>&</b>", "tab\tand line\n", "\x7f~"} {
		a := sample(i)
		a.Entity, a.Why.Sentence, a.Suppressed = name, name, name
		a.Replay = i%2 == 0
		a.Score, a.Severity = 0.6+float64(i)*1e-17, math.SmallestNonzeroFloat64*float64(i)
		a.AlertScore = []float64{0, 1e-7, 1e21, 123456789.125, -1.5, math.MaxFloat64, 1e20}[i]
		a.Timestamp = epoch.Add(time.Duration(i) * 1234567 * time.Microsecond)
		a.Features = map[string]float64{name + "f": 1e-9, "z": -0.25}
		if i == 3 {
			a.Detectors, a.Why.Contributions, a.Features = nil, nil, nil
		}
		b.Anomalies = append(b.Anomalies, a)
	}
	write(t, s, b)
	p, err := s.Anomalies(context.Background(), streams.AnomalyQuery{Limit: 100})
	if err != nil || len(p.Items) != len(b.Anomalies) {
		t.Fatalf("%d items, %v", len(p.Items), err)
	}
	for _, item := range p.Items {
		var got, want map[string]any
		if err := json.Unmarshal(item, &got); err != nil {
			t.Fatalf("%v in %s", err, item)
		}
		id, _ := got["id"].(string)
		a, err := s.Anomaly(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-decoded +passed on):\n%s", id, diff)
		}
	}
}
