package processors

import (
	"fmt"
	"math"
	"testing"

	"anomalystream/streams"
)

// TestPhrase checks how a feature is put into words: by its value, and by what is stranger than it.
func TestPhrase(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]streams.Contribution{
		"x is 5, a little above the usual 4 (50 % of the reason)":                           {Value: 5, Expected: 4, Deviation: 1},
		"x is 1, far below the usual 4 (50 % of the reason)":                                {Value: 1, Expected: 4, Deviation: -6, Columns: columns("diff", -8.9)},
		"x is 5, a little above the usual 4, after a sudden rise (50 % of the reason)":      {Value: 5, Expected: 4, Deviation: 1, Columns: columns("value", 1, "diff", 3.1, "median_residual(10)", 3)},
		"x is 5, above the usual 4, far below what it was just before (50 % of the reason)": {Value: 5, Expected: 4, Deviation: 2, Columns: columns("diff", -3.5, "ewma_residual(0.1)", -4)},
		"x is 4, far above other days at this time (50 % of the reason)":                    {Value: 4, Expected: 4, Columns: columns("season_residual(5m0s)", 9)},
		"x is 4, and varies less than usual (50 % of the reason)":                           {Value: 4, Expected: 4, Columns: columns("rolling_sd(20)", -3.2)},
		"x is 4, unusual at this moment or beside the others (50 % of the reason)":          {Value: 4, Expected: 4, Columns: columns("hour_sin_cos sin", 9, "lag(3)", 9, "diff", 2.9)},
		"x is 9, far above the usual 4, and varies more than usual (50 % of the reason)":    {Value: 9, Expected: 4, Deviation: 4, Columns: columns("rolling_sd(20)", 6.1)},
	} {
		c.Feature, c.Share = "x", 0.5
		if got := phrase(c); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// columns makes columns of names and deviations.
func columns(list ...any) (out []streams.ColumnDeviation) {
	for i := 0; i < len(list); i += 2 {
		c := streams.ColumnDeviation{Column: list[i].(string)}
		switch v := list[i+1].(type) {
		case int:
			c.Deviation = float64(v)
		case float64:
			c.Deviation = v
		}
		out = append(out, c)
	}
	return out
}

// TestColumnsOfAnomaly checks that an anomaly tells of every column of a feature, and of none where that is the value alone.
func TestColumnsOfAnomaly(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, testDefinition(func(d *streams.Definition) {
		d.Features[0].Transforms = []string{"value"}
		d.Features[1].Transforms = []string{"diff", "hour_sin_cos"}
	}))
	s := e.NewState("e")
	g := newTraffic(9)
	for range 1000 {
		r := step(t, e, s, g.next())
		if r.Anomaly == nil {
			continue
		}
		for _, c := range r.Anomaly.Why.Contributions {
			var got []string
			for _, column := range c.Seen() {
				got = append(got, column.Column)
			}
			want := map[string]string{"a": "[value]", "b": "[diff hour_sin_cos sin hour_sin_cos cos]", "c": "[value ewma_residual(0.1)]"}[c.Feature]
			if text := fmt.Sprint(got); text != want || c.Feature == "a" && len(c.Columns) > 0 {
				t.Errorf("%s was seen as %s, want %s", c.Feature, text, want)
			}
			if seen := c.Seen(); c.Feature != "b" && math.Abs(seen[0].Deviation-c.Deviation) > 1e-9 {
				t.Errorf("the value of %s deviates by %v and as a column by %v", c.Feature, c.Deviation, seen[0].Deviation)
			}
		}
		return
	}
	t.Fatal("no anomaly")
}
