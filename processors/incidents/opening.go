package incidents

import (
	"math"
	"slices"
	"time"

	"anomalystream/streams"
)

// What anomalies open is decided by how severe they are together. Why these constants: docs/incidents.md.
const (
	// ordinary is the severity of an ordinary anomaly, the unit in which OpenAfter counts: half of the false ones have less.
	ordinary = 1.75

	// The policy holds for a source of which three false alarms a day are asked for: 1 % at an event every five minutes. For each
	// tenfold, the anomalies beyond the first must weigh so much more of what the policy says.
	askedADay = 3.0
	dearer    = 0.7

	// So many events the span holds over which an anomaly loses its weight. In many more the false alarms that are asked for
	// would be enough.
	leastEvents, mostEvents = 10, 40
)

// opens reports whether an anomaly opens an incident with those that are pending, itself among them.
func (t *turn) opens(k *key, a *streams.Anomaly) bool {
	more := t.more(k)
	return a.Kind != streams.KindModel || a.AlertScore >= t.policy.OpenAlert+max(more, 0) || t.weight(k) >= t.needed(more)
}

// pend adds an anomaly to those that may open an incident, and drops the others without weight.
func (t *turn) pend(k *key, a *streams.Anomaly) {
	k.Pending = append(k.Pending, a)
	slices.SortStableFunc(k.Pending, func(a, b *streams.Anomaly) int { return a.Timestamp.Compare(b.Timestamp) })
	span, newest := t.span(k), k.Pending[len(k.Pending)-1].Timestamp
	k.Pending = slices.DeleteFunc(k.Pending, func(p *streams.Anomaly) bool { return p != a && newest.Sub(p.Timestamp) >= span })
}

// weight is what the pending anomalies count for together, in ordinary ones. Each counts for one at least, and less the older it is.
func (t *turn) weight(k *key) (sum float64) {
	span, newest := t.span(k), k.Pending[len(k.Pending)-1].Timestamp
	for _, p := range k.Pending {
		fresh := max(1-float64(newest.Sub(p.Timestamp))/float64(span), 0)
		sum += float64(fresh * max(1, p.Severity/ordinary))
	}
	return sum
}

// needed is the weight that opens an incident. One anomaly is always enough where the policy says so.
func (t *turn) needed(more float64) float64 {
	return 1 + float64(float64(t.policy.OpenAfter-1)*max(1+float64(dearer*more), 0))
}

// more is how many tenfolds more false alarms a day are asked for of a source than the policy is made for; negative for fewer.
func (t *turn) more(k *key) float64 {
	typical := k.typical()
	if typical <= 0 {
		return 0
	}
	asked := t.rate * float64(24*time.Hour) / float64(typical)
	return math.Round(100*math.Log10(asked/askedADay)) / 100 // The last bits of a logarithm differ between processors.
}

// span is how long an anomaly takes to lose its weight.
func (t *turn) span(k *key) time.Duration {
	span, typical := t.policy.OpenSpan, k.typical()
	if typical > 0 {
		span = min(max(span, leastEvents*typical), mostEvents*typical)
	}
	return span
}
