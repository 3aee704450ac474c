package processors

import (
	"cmp"
	"math"
	"slices"
	"time"

	"anomalystream/detectors/features"
	"anomalystream/streams"
)

// What is similar to a judged anomaly. It is documented in docs/incidents.md.
const (
	similarSpreads = 3   // How far one may be from it in a column, in training spreads,
	similarShare   = 0.3 // and beside them this share of its deviation.
	similarAlert   = 0.6 // How much higher than that of an expected one its alert score may be: ten to this power times rarer.
)

// suppressing returns the verdict that silences an anomaly, nil where none does. Of the verdicts on similar anomalies the
// nearest counts, and it must call them expected. An anomaly much stronger than what was called expected is not like it.
func (s *State) suppressing(why *streams.Explanation, alert float64, at time.Time) *verdict {
	var expected *verdict
	nearest, real := math.Inf(1), math.Inf(1)
	for i := range s.verdicts {
		v := &s.verdicts[i]
		switch {
		case v.inForce(streams.VerdictReal, at):
			real = min(real, v.distance(why.Contributions))
		case v.inForce(streams.VerdictExpected, at) && !(v.alert > 0 && alert > v.alert+similarAlert):
			if d := v.distance(why.Contributions); d < nearest {
				expected, nearest = v, d
			}
		}
	}
	if nearest > 1 || nearest >= real {
		return nil
	}
	return expected
}

// sight is what the detectors saw of one guilty feature: the deviation of each of its columns, in the order of the plan.
type sight struct {
	feature    string
	deviations []float64
}

// sights takes over what an anomaly looked like; nothing where it was seen under other features or transforms.
func (p *plan) sights(list []streams.SeenFeature) []sight {
	var out []sight
	for _, f := range list {
		names := p.columnsOf(f.Feature)
		if len(names) == 0 || len(names) != len(f.Columns) || slices.ContainsFunc(out, func(v sight) bool { return v.feature == f.Feature }) {
			return nil
		}
		v := sight{feature: f.Feature}
		for i, c := range f.Columns {
			if c.Column != names[i] {
				return nil
			}
			v.deviations = append(v.deviations, c.Deviation)
		}
		out = append(out, v)
	}
	return out
}

// columnsOf names the columns of a feature, as Contribution.Seen does; none for a feature that is not there.
func (p *plan) columnsOf(feature string) []string {
	var out []string
	for i, name := range p.columnNames {
		if p.names[p.source[i]] == feature {
			out = append(out, cmp.Or(name, string(features.Value)))
		}
	}
	return out
}

// distance is how far an anomaly is from the judged one, in [0, +Inf]: at most 1 where it is similar. Of similar anomalies each
// has its leading feature among the guilty ones of the other, and in each column of what was guilty about the same deviation. Deviations
// are compared as they were when each happened, so that what recurs is recognised after the models have changed.
func (v *verdict) distance(contributions []streams.Contribution) float64 {
	at := func(feature string) int {
		return slices.IndexFunc(v.sights, func(f sight) bool { return f.feature == feature })
	}
	if len(v.sights) == 0 || at(contributions[0].Feature) < 0 || !slices.Contains(streams.GuiltyFeatures(contributions), v.sights[0].feature) {
		return math.Inf(1)
	}
	var most float64
	for i := range contributions {
		k := at(contributions[i].Feature)
		if k < 0 {
			continue
		}
		for n, now := range contributions[i].Seen() {
			was := v.sights[k].deviations[n]
			most = max(most, math.Abs(now.Deviation-was)/(similarSpreads+similarShare*math.Abs(was)))
		}
	}
	return most
}
