package processors

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"time"

	"anomalystream/detectors/features"
	"anomalystream/streams"
)

// What is similar to a judged anomaly. It is documented in docs/incidents.md.
const (
	similarSpreads = 2   // How far one may be from it in a column, in training spreads,
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

// relate finds for each call of noise what was called expected and is like it. It belongs after every change of the list of
// verdicts; the rate that they ask for is wanted at each event.
func (s *State) relate() {
	for i := range s.verdicts {
		v := &s.verdicts[i]
		v.silencers = 0
		for j := range s.verdicts {
			if v.kind == streams.VerdictNoise && s.verdicts[j].kind == streams.VerdictExpected && s.verdicts[j].like(v) {
				v.silencers |= 1 << j
			}
		}
	}
}

// silenced reports whether what was called noise is like something that is in force as expected, so that it is not told again.
func (s *State) silenced(v *verdict) bool {
	for set := v.silencers; set != 0; set &= set - 1 {
		if s.verdicts[bits.TrailingZeros64(set)].inForce(streams.VerdictExpected, s.lastEvent) {
			return true
		}
	}
	return false
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

// distance is how far an anomaly is from the judged one, in [0, +Inf]: at most 1 where it is similar.
func (v *verdict) distance(contributions []streams.Contribution) float64 {
	if len(v.sights) == 0 || v.sight(contributions[0].Feature) == nil || !slices.Contains(streams.GuiltyFeatures(contributions), v.sights[0].feature) {
		return math.Inf(1)
	}
	var most float64
	for i := range contributions {
		if was := v.sight(contributions[i].Feature); was != nil {
			for n, now := range contributions[i].Seen() {
				most = max(most, apart(now.Deviation, was.deviations[n]))
			}
		}
	}
	return most
}

// like reports whether two verdicts are about similar anomalies, as far as both tell what was seen.
func (v *verdict) like(other *verdict) bool {
	if len(v.sights) == 0 || len(other.sights) == 0 || v.sight(other.sights[0].feature) == nil || other.sight(v.sights[0].feature) == nil {
		return false
	}
	for _, now := range other.sights {
		if was := v.sight(now.feature); was != nil {
			for n := range now.deviations {
				if apart(now.deviations[n], was.deviations[n]) > 1 {
					return false
				}
			}
		}
	}
	return true
}

// sight returns what was seen of a guilty feature, nil where it is none.
func (v *verdict) sight(feature string) *sight {
	if i := slices.IndexFunc(v.sights, func(f sight) bool { return f.feature == feature }); i >= 0 {
		return &v.sights[i]
	}
	return nil
}

// apart is how far a deviation is from a judged one: at most 1 where they are similar. Of similar anomalies each has its leading
// feature among the guilty ones of the other, and in each column of what was guilty about the same deviation. Deviations are
// compared as they were when each happened, so that what recurs is recognised after the models have changed.
func apart(now, was float64) float64 {
	return math.Abs(now-was) / (similarSpreads + similarShare*math.Abs(was))
}
