package suggest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"anomalystream/streams"
)

// maxFeatures is the largest number of features proposed.
const maxFeatures = 60

// candidate is a field that may become a feature.
type candidate struct {
	field *field
	stats stats
}

// chooseFeatures takes the numbers that vary, tell more than an identity, and are there most of the time.
func (p *proposal) chooseFeatures() {
	var chosen []candidate
	for _, f := range p.order {
		if f == p.time || f == p.key {
			continue
		}
		c := candidate{field: f}
		if reason := p.refuse(&c); reason != "" {
			p.out.LeftOut = append(p.out.LeftOut, f.path+": "+reason)
			continue
		}
		if twin := p.twin(c, chosen); twin != "" {
			p.out.LeftOut = append(p.out.LeftOut, f.path+": it says the same as "+twin)
			continue
		}
		if len(chosen) == maxFeatures {
			p.out.LeftOut = append(p.out.LeftOut, fmt.Sprintf("%s: %d features are enough", f.path, maxFeatures))
			continue
		}
		chosen = append(chosen, c)
	}
	var memory []float64
	for _, c := range chosen {
		memory = append(memory, c.stats.memory)
	}
	if len(memory) > 0 {
		slices.Sort(memory)
		p.memory = memory[len(memory)/2]
	}
	if slices.ContainsFunc(chosen, func(c candidate) bool { return c.stats.memory < 0.5 && payment(c.field.path) }) {
		p.memory, p.payments = 0, true
	}
	for _, c := range chosen {
		p.addFeature(c, len(chosen))
	}
}

// payment reports whether a name says that the events are transactions: those have no level that lasts, whatever is
// counted beside them.
func payment(path string) bool {
	name := strings.ToLower(path)
	return strings.Contains(name, "amount") || strings.Contains(name, "price") || strings.Contains(name, "payment")
}

// refuse says why a field is no feature, "" if it is one; it fills in the statistics.
func (p *proposal) refuse(c *candidate) string {
	f := c.field
	switch {
	case f.numbers == 0:
		return "it is no number"
	case 100*f.odd() > f.present: // A stray value costs its event, not the field.
		return fmt.Sprintf("it is a number in %d of %d events only, and something else in others", f.numbers, p.events)
	case f.numbers < p.events/2:
		return fmt.Sprintf("it is missing in %d of %d events", p.events-f.numbers, p.events)
	case idName(f.path) && f.integers == f.numbers:
		return "it names something"
	case len(f.clock) == f.numbers && timeName(f.path) > 0:
		return "it is a time"
	}
	c.stats = f.describe(p.entity)
	if c.stats.min == c.stats.max {
		return fmt.Sprintf("it is always %g", c.stats.min)
	}
	if math.Max(math.Abs(c.stats.min), math.Abs(c.stats.max)) > streams.MaxMagnitude {
		return "it is too large to compute with"
	}
	return ""
}

// twin names a chosen field that is the same up to scale and offset.
func (p *proposal) twin(c candidate, chosen []candidate) string {
	for _, other := range chosen {
		if len(other.field.series) != len(c.field.series) {
			continue
		}
		var product float64
		for i, a := range c.field.series {
			b := other.field.series[i]
			if a.event != b.event {
				product = 0
				break
			}
			product += (a.value - c.stats.mean) * (b.value - other.stats.mean)
		}
		if r := product / float64(len(c.field.series)) / c.stats.sd / other.stats.sd; math.Abs(r) > 0.9999 {
			return other.field.path
		}
	}
	return ""
}

// addFeature proposes a feature and its transforms: what detection gains from depends on whether a value has to do with
// the one before.
func (p *proposal) addFeature(c candidate, of int) {
	f := streams.Feature{Name: c.field.path, Path: c.field.path, Missing: streams.MissingReject, Direction: streams.DirectionBoth}
	reasons := []string{fmt.Sprintf("%.4g to %.4g, median %.4g", c.stats.min, c.stats.max, c.stats.median)}
	name := strings.ToLower(f.Name)
	switch {
	case strings.Contains(name, "hour") && c.stats.min >= 0 && c.stats.max <= 24:
		f.Transforms = []string{"value"}
		reasons = append(reasons, "an hour of the day")
	case c.stats.rising > 0.995 && c.field.numbers >= minEvents && c.stats.memory > 0.5:
		f.Transforms = []string{"diff"}
		reasons = append(reasons, "it only grows, so its increase counts")
	case p.memory <= 0.3 && (p.payments || c.stats.memory <= 0.5):
		f.Transforms = []string{"value"}
		reasons = append(reasons, "events have little to do with those before, so values count as they are")
	case of == 1:
		f.Transforms = []string{"value", "diff", "median_residual"}
		reasons = append(reasons, "a single series: level, step and distance from its recent median")
	default:
		f.Transforms = []string{"value", "ewma_residual"}
		reasons = append(reasons, "it follows itself: level and distance from its recent average")
	}
	if missing := p.events - c.field.numbers - c.field.odd(); missing > 0 {
		f.Missing = streams.MissingHold
		reasons = append(reasons, fmt.Sprintf("missing in %d of %d events, the last value holds", missing, p.events))
	}
	if odd := c.field.odd(); odd > 0 {
		reasons = append(reasons, fmt.Sprintf("no number in %d of %d events, which will be refused", odd, p.events))
	}
	p.def.Features = append(p.def.Features, f)
	p.out.Features[f.Name] = strings.Join(reasons, "; ")
}
