package evaluate

import (
	"math"
	"slices"
	"strings"
)

// episodeGap is the longest pause, in rows, inside one alarm episode.
const episodeGap = 10

// Options are the settings of a measurement.
type Options struct {
	Epsilon   float64 // False-alarm rate that was asked for; 0.01 by default.
	Threshold float64 // Score from which on a row must be flagged; 0.6 by default.
	Buffer    int     // Largest buffer of VUS-PR; 0 takes the mean length of the events, 1 to 100.
}

// WithDefaults returns the options with their defaults filled in.
func (o Options) WithDefaults() Options {
	if o.Epsilon == 0 {
		o.Epsilon = 0.01
	}
	if o.Threshold == 0 {
		o.Threshold = 0.6
	}
	return o
}

// Counts are what one stream adds to the figures of a group.
type Counts struct {
	Rows, Normal, Anomalous int // Judged rows.
	FalseRows, HitRows      int // Flagged rows outside and inside of events.
	FalseEpisodes           int // Episodes of flagged normal rows.
	Episodes, TrueEpisodes  int // Episodes of all flagged rows, and those that touch an event.
	Events, Detected        int
	Delays                  []int // Rows from the start of a detected event to its first flagged row.
	Days                    float64
	Bad                     int       // Rows outside [0, 1], or with a flag that does not fit the score.
	Top, Hits               []float64 // Per event with known guilt: largest contribution guilty; hit rate at 150 %.
	ROC, AP, VUS            float64   // NaN unless there are judged rows of both kinds.
	timed                   bool
}

// Measure judges one stream, which must be valid.
func Measure(s *Stream, o Options) Counts {
	o = o.WithDefaults()
	all := s.labels()
	label, flag, score := all[s.From:], s.Flag[s.From:], ranked(s.Rank[s.From:])
	c := Counts{Rows: len(label), Anomalous: count(label), ROC: math.NaN(), AP: math.NaN(), VUS: math.NaN()}
	c.Normal = c.Rows - c.Anomalous
	wrong := make([]bool, len(label))
	for i, on := range flag {
		switch {
		case on && label[i]:
			c.HitRows++
		case on:
			c.FalseRows++
			wrong[i] = true
		}
	}
	c.FalseEpisodes = len(episodes(wrong, episodeGap))
	for _, e := range episodes(flag, episodeGap) {
		c.Episodes++
		for i := e.first; i <= e.last; i++ {
			if flag[i] && label[i] {
				c.TrueEpisodes++
				break
			}
		}
	}
	var length float64
	for _, seg := range s.Segments {
		if seg.End < s.From {
			continue
		}
		first, last := max(seg.Start-s.From, 0), seg.End-s.From
		c.Events++
		length += float64(last - first + 1)
		if i := slices.Index(flag[first:last+1], true); i >= 0 {
			c.Detected++
			c.Delays = append(c.Delays, i)
		}
	}
	if s.Sampling > 0 {
		c.Days, c.timed = float64(c.Rows)*s.Sampling/86400, true
	}
	for i, v := range s.Score {
		if v == v && (v < 0 || v > 1 || (v >= o.Threshold) != s.Flag[i]) {
			c.Bad++
		}
	}
	if c.Anomalous > 0 && c.Normal > 0 {
		buffer := o.Buffer
		if buffer == 0 {
			buffer = int(min(100, max(1, math.RoundToEven(length/float64(c.Events)))))
		}
		c.ROC, c.AP = rocAP(label, score)
		c.VUS = vusPR(label, score, buffer)
	}
	c.attribute(s)
	return c
}

// attribute judges the contributions at each event's row of the highest score.
func (c *Counts) attribute(s *Stream) {
	for _, seg := range s.Segments {
		row := -1
		for i := max(seg.Start, s.From); i <= seg.End && len(seg.Metrics) > 0 && len(s.Features) > 0; i++ {
			if v := s.Rank[i]; v == v && s.explained(i) && (row < 0 || v > s.Rank[row]) {
				row = i
			}
		}
		if row < 0 {
			continue
		}
		shares := make([]float64, len(s.Features))
		for k := range shares {
			shares[k] = s.Contrib[k][row]
		}
		best := descending(shares)
		top, hits := 0.0, 0.0
		for k, feature := range best[:min(len(best), len(seg.Metrics)*3/2)] {
			if slices.Contains(seg.Metrics, s.Features[feature]) {
				hits++
				if k == 0 {
					top = 1
				}
			}
		}
		c.Top = append(c.Top, top)
		c.Hits = append(c.Hits, hits/float64(len(seg.Metrics)))
	}
}

// explained reports whether a row has all contributions.
func (s *Stream) explained(row int) bool {
	for _, c := range s.Contrib {
		if c[row] != c[row] {
			return false
		}
	}
	return true
}

// Measurements are the figures of one stream, or of a group: ranking measures are the mean over its streams, the rest is
// pooled. NaN stands for a figure that does not apply.
type Measurements struct {
	ROC        Figure `json:"roc"`     // Area under the ROC curve.
	AP         Figure `json:"ap"`      // Average precision: area under the precision-recall curve.
	VUS        Figure `json:"vus_pr"`  // Volume under the precision-recall surface.
	FAR        Figure `json:"far"`     // Share of the normal rows that were flagged.
	FAREpsilon Figure `json:"far_eps"` // The same over the requested rate.
	PerK       Figure `json:"ep_1k"`   // False episodes per 1000 judged rows.
	PerDay     Figure `json:"ep_day"`  // False episodes per day, where the sampling period is known.
	Recall     Figure `json:"recall"`  // Share of the events with at least one flagged row.
	Delay      Figure `json:"delay"`   // Median rows from event start to first flag.
	Precision  Figure `json:"prec"`    // Share of alarm episodes that touch an event.
	F1         Figure `json:"f1"`      // Event F1: 2 detected / (detected + false episodes + events).
	RowF1      Figure `json:"row_f1"`  // Plain F1 over single rows.
	Top1       Figure `json:"top1"`    // Share of events whose largest contribution is guilty.
	HR150      Figure `json:"hr150"`   // Share of the g guilty features among the floor(1.5 g) largest contributions.
	Events     int    `json:"events"`
	Bad        int    `json:"bad"`
}

// Figure is a number that is null in JSON where it does not apply (NaN).
type Figure float64

// Summarize makes the figures of a group of streams.
func Summarize(group []Counts, epsilon float64) Measurements {
	var t Counts
	var roc, ap, vus, delays, perDay []float64
	for _, c := range group {
		t.Rows += c.Rows
		t.Normal += c.Normal
		t.Anomalous += c.Anomalous
		t.FalseRows += c.FalseRows
		t.HitRows += c.HitRows
		t.FalseEpisodes += c.FalseEpisodes
		t.Episodes += c.Episodes
		t.TrueEpisodes += c.TrueEpisodes
		t.Events += c.Events
		t.Detected += c.Detected
		t.Bad += c.Bad
		t.Top, t.Hits = append(t.Top, c.Top...), append(t.Hits, c.Hits...)
		for _, d := range c.Delays {
			delays = append(delays, float64(d))
		}
		if c.timed {
			t.Days += c.Days
			perDay = append(perDay, float64(c.FalseEpisodes))
		}
		if c.ROC == c.ROC {
			roc, ap, vus = append(roc, c.ROC), append(ap, c.AP), append(vus, c.VUS)
		}
	}
	m := Measurements{
		ROC: mean(roc), AP: mean(ap), VUS: mean(vus),
		FAR: ratio(t.FalseRows, t.Normal), PerK: 1000 * ratio(t.FalseEpisodes, t.Rows), PerDay: nan,
		Recall: ratio(t.Detected, t.Events), Delay: median(delays), Precision: ratio(t.TrueEpisodes, t.Episodes), F1: nan, RowF1: nan,
		Top1: mean(t.Top), HR150: mean(t.Hits), Events: t.Events, Bad: t.Bad,
	}
	m.FAREpsilon = m.FAR / Figure(epsilon)
	if t.Days > 0 {
		var sum float64
		for _, v := range perDay {
			sum += v
		}
		m.PerDay = Figure(sum / t.Days)
	}
	if t.Events > 0 {
		m.F1 = ratio(2*t.Detected, t.Detected+t.FalseEpisodes+t.Events)
		m.RowF1 = ratio(2*t.HitRows, t.HitRows+t.FalseRows+t.Anomalous)
	}
	return m
}

var nan = Figure(math.NaN())

func ratio(a, b int) Figure {
	if b == 0 {
		return nan
	}
	return Figure(float64(a) / float64(b))
}

func mean(x []float64) Figure {
	if len(x) == 0 {
		return nan
	}
	var sum float64
	for _, v := range x {
		sum += v
	}
	return Figure(sum / float64(len(x)))
}

func median(x []float64) Figure {
	if len(x) == 0 {
		return nan
	}
	slices.Sort(x)
	k := len(x) / 2
	if len(x)%2 == 1 {
		return Figure(x[k])
	}
	return Figure((x[k-1] + x[k]) / 2)
}

// splitMetrics reads a list of guilty features: names separated by semicolons, each counted once.
func splitMetrics(s string) []string {
	var out []string
	for _, m := range strings.Split(s, ";") {
		if m != "" && !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}
