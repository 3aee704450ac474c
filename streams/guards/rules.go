package guards

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"anomalystream/streams"
)

// CheckRules returns what is wrong with the rules of a stream.
func CheckRules(d *streams.Definition, rules []streams.Rule) []Problem {
	if len(rules) > maxRules {
		return []Problem{{"", "expected at most 1000 rules"}}
	}
	c := &checker{}
	for i := range rules {
		c.at = i
		c.name(rules[i].Name)
		c.rule(d, &rules[i])
		c.pattern(rules[i].Entity)
	}
	return c.problems
}

func (c *checker) rule(d *streams.Definition, r *streams.Rule) {
	known := d.Wildcard() || slices.ContainsFunc(d.Features, func(f streams.Feature) bool { return f.Name == r.Field })
	if r.Field != "" && !known {
		c.bad("field", "found "+strconv.Quote(r.Field)+", expected a feature of the stream")
	}
	c.finite("min", r.Min)
	c.finite("max", r.Max)
	if r.Min != nil && r.Max != nil && *r.Min > *r.Max {
		c.bad("max", "found "+figure(*r.Max)+", expected at least min")
	}
	c.positive("min_deviation", r.MinDeviation)
	c.positive("min_relative_deviation", r.MinRelative)
	if r.Direction != "" && r.Direction != streams.DirectionBoth && r.Direction != streams.DirectionUp && r.Direction != streams.DirectionDown {
		c.bad("direction", "found "+strconv.Quote(r.Direction)+", expected one of: both, up, down")
	}
	if r.MaxAnomalies < 0 || r.MaxAnomalies > 1_000_000 {
		c.bad("max_anomalies", "found "+strconv.Itoa(r.MaxAnomalies)+", expected 0 to 1000000")
	}
	if r.MaxAnomalies != 0 && r.Field != "" {
		c.bad("max_anomalies", "counts the anomalies of a key whatever their features: expected no field beside it")
	}
	if !r.Ranged() && !r.Relevant() && r.MaxAnomalies == 0 {
		c.bad("", "says nothing, expected min, max, direction, min_deviation, min_relative_deviation or max_anomalies")
	}
}

func (c *checker) finite(field string, v *float64) {
	if v != nil && !(math.Abs(*v) <= streams.MaxMagnitude) {
		c.bad(field, "found "+figure(*v)+", expected a finite number")
	}
}

func (c *checker) positive(field string, v *float64) {
	if v != nil && !(*v >= 0 && *v <= streams.MaxMagnitude) {
		c.bad(field, "found "+figure(*v)+", expected 0 or more")
	}
}

// extend adds to a key what a rule says about it.
func extend(k *Key, r *streams.Rule, features []string) {
	for j, name := range features {
		if r.Field != "" && r.Field != name {
			continue
		}
		if r.Ranged() {
			bounds := Range{Rule: r.Name, Feature: j, Min: math.Inf(-1), Max: math.Inf(1)}
			if r.Min != nil {
				bounds.Min = *r.Min
			}
			if r.Max != nil {
				bounds.Max = *r.Max
			}
			k.Ranges = append(k.Ranges, bounds)
		}
		if !r.Relevant() {
			continue
		}
		if k.Relevance == nil {
			k.Relevance = make([]Relevance, len(features))
		}
		v := &k.Relevance[j]
		v.Direction = cmp.Or(r.Direction, v.Direction)
		v.Absolute, v.Relative = cmp.Or(r.MinDeviation, v.Absolute), cmp.Or(r.MinRelative, v.Relative)
	}
	if r.MaxAnomalies > 0 {
		k.Limits = append(k.Limits, Limit{r.Name, int64(r.MaxAnomalies)})
	}
}

func figure(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
