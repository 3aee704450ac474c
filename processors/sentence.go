package processors

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"anomalystream/detectors/features"
	"anomalystream/streams"
)

// shown is how many features a sentence names at most; a feature with less than this share of the largest is left out.
const (
	shown      = 3
	worthyPart = 0.3
)

// sentence puts the reason in words.
func sentence(list []streams.Contribution, r *Result) string {
	var parts []string
	for i, c := range list {
		if i == shown || c.Share < worthyPart*list[0].Share {
			break
		}
		parts = append(parts, phrase(c))
	}
	text := strings.Join(parts, "; ")
	if r.Needed > 0 {
		return fmt.Sprintf("%s. %d of %d detectors agree.", text, r.Votes, r.Voters)
	}
	return text + ". The detectors' mean score decides."
}

// phrase describes one feature: what it is, what it usually is, and how far that is.
func phrase(c streams.Contribution) string {
	value, expected := figure(c.Value), figure(c.Expected)
	if value == expected {
		how := cmp.Or(beside(&c), ", unusual at this moment or beside the others")
		return fmt.Sprintf("%s is %s%s (%s of the reason)", c.Feature, value, how, percent(c.Share))
	}
	side := "above"
	if c.Value < c.Expected {
		side = "below"
	}
	switch d := math.Abs(c.Deviation); {
	case d >= 4:
		side = "far " + side
	case d < 1.5:
		side = "a little " + side
	}
	return fmt.Sprintf("%s is %s, %s the usual %s%s (%s of the reason)", c.Feature, value, side, expected, beside(&c), percent(c.Share))
}

// A column is worth a word beside the value where it deviates by this much, and this many times as much as the value.
const (
	worthyDeviation = 3
	worthyTimes     = 1.5
)

// beside says what is stranger about a feature than its value, "" where nothing is.
func beside(c *streams.Contribution) string {
	words, most := "", max(worthyDeviation, worthyTimes*math.Abs(c.Deviation))
	for _, column := range c.Columns {
		if d := math.Abs(column.Deviation); d > most {
			if text := stranger(column); text != "" {
				words, most = text, d
			}
		}
	}
	return words
}

// stranger puts a deviating column in words, "" where it tells no more than the value.
func stranger(c streams.ColumnDeviation) string {
	kind, _, _ := strings.Cut(c.Column, "(")
	up := c.Deviation > 0
	pick := func(above, below string) string {
		if up {
			return above
		}
		return below
	}
	switch features.Kind(kind) {
	case features.Diff:
		return pick(", after a sudden rise", ", after a sudden fall")
	case features.EWMAResidual, features.MedianResidual:
		return pick(", far above what it was just before", ", far below what it was just before")
	case features.SeasonResidual:
		return pick(", far above other days at this time", ", far below other days at this time")
	case features.RollingSD:
		return pick(", and varies more than usual", ", and varies less than usual")
	}
	return ""
}

// figure writes a number with four significant digits.
func figure(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

func percent(share float64) string { return strconv.FormatFloat(100*share, 'f', 0, 64) + " %" }
