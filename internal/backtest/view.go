package backtest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"anomalystream/internal/evaluate"
)

// Sizes of the plots, in the units of their drawing.
const (
	plotLeft   = 64.0  // Room for the labels of the vertical axis.
	plotWidth  = 920.0 // Of the data.
	plotHeight = 76.0
	buckets    = 920 // Rows are drawn as minimum and maximum per bucket.

	plottedFeatures = 6   // Per source: those that anomalies are about.
	markedAnomalies = 400 // Per plot: the ones with the highest scores.
	rateRows        = 1000
)

// view is what the report draws of one source.
type view struct {
	Features  []plot
	Score     plot
	Rate      plot
	Requested float64 // Height of the line of the requested rate.
	Threshold float64 // Height of the line of the threshold.
	Marks     []mark
	Bands     []band
	Ticks     []tick
	More      int // Features that are not drawn.
}

// plot is one curve or one range over the rows.
type plot struct {
	Name      string
	Path      string // Of an SVG path.
	Low, High string // Labels of the vertical axis.
}

// mark is an anomaly.
type mark struct {
	X, Y  float64 // Y is the height of its score.
	Title string
}

// band is a labelled stretch.
type band struct{ X, Width float64 }

// tick is a label of the horizontal axis.
type tick struct {
	X      float64
	Text   string
	Anchor string // The end of the text that stands at X.
}

func newView(t *table, requested, threshold float64, segments []evaluate.Segment) *view {
	if t.rows() == 0 {
		return nil
	}
	v := &view{Threshold: plotHeight * (1 - threshold)}
	order := t.interesting()
	for _, i := range order[:min(len(order), plottedFeatures)] {
		v.Features = append(v.Features, ranges(t.features[i], t.values[i], math.NaN(), math.NaN()))
	}
	v.More = len(order) - len(v.Features)
	v.Score = ranges("score", t.score, 0, 1)
	v.Rate, v.Requested = rates(t, requested)
	v.Marks = t.marks()
	for _, seg := range segments {
		if seg.Start < t.rows() {
			left := t.x(seg.Start)
			v.Bands = append(v.Bands, band{left, max(t.x(min(seg.End, t.rows()-1))-left, 1.5)})
		}
	}
	v.Ticks = t.ticks()
	return v
}

// x is where a row is drawn.
func (t *table) x(row int) float64 {
	return round(plotLeft + plotWidth*(float64(row)+0.5)/float64(t.rows()))
}

// interesting orders the features by their share in the anomalies.
func (t *table) interesting() []int {
	share := make([]float64, len(t.features))
	order := make([]int, len(t.features))
	for i := range order {
		order[i] = i
		for row, on := range t.flag {
			if v := t.shares[i][row]; on && v == v {
				share[i] += v
			}
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(share[b], share[a]) })
	return order
}

// ranges draws the minimum and maximum of each bucket between low and high, NaN for those of the values.
func ranges(name string, values []float64, low, high float64) plot {
	if low != low {
		low, high = math.Inf(1), math.Inf(-1)
		for _, v := range values {
			if v == v {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	p := plot{Name: name}
	if low > high { // Not a single value.
		return p
	}
	p.Low, p.High = label(low), label(high)
	height := func(v float64) float64 {
		if high == low {
			return plotHeight / 2
		}
		return round(plotHeight * (1 - (v-low)/(high-low)))
	}
	var b strings.Builder
	n := len(values)
	pen := byte('M')
	for k := range min(n, buckets) {
		from, to := k*n/min(n, buckets), (k+1)*n/min(n, buckets)
		least, most := math.Inf(1), math.Inf(-1)
		for _, v := range values[from:to] {
			if v == v {
				least, most = min(least, v), max(most, v)
			}
		}
		if least > most {
			pen = 'M' // A gap.
			continue
		}
		x := round(plotLeft + plotWidth*(float64(from+to)/2)/float64(n))
		fmt.Fprintf(&b, "%c%g %g", pen, x, height(least))
		if most > least {
			fmt.Fprintf(&b, "V%g", height(most))
		}
		pen = 'L'
	}
	p.Path = b.String()
	return p
}

// rates draws the share of anomalies among the last scored rows, and returns the height of the requested rate.
func rates(t *table, requested float64) (plot, float64) {
	values := make([]float64, t.rows())
	var recent []bool
	flagged, top := 0, 2*requested
	for row, v := range t.score {
		values[row] = math.NaN()
		if v != v {
			continue
		}
		recent = append(recent, t.flag[row])
		if t.flag[row] {
			flagged++
		}
		if len(recent) > rateRows {
			if recent[0] {
				flagged--
			}
			recent = recent[1:]
		}
		if len(recent) >= rateRows/5 {
			values[row] = float64(flagged) / float64(len(recent))
			top = max(top, values[row])
		}
	}
	p := ranges("alarm rate", values, 0, top)
	p.High = strconv.FormatFloat(100*top, 'g', 2, 64) + " %"
	return p, round(plotHeight * (1 - requested/top))
}

// marks are the anomalies with the highest scores, in row order.
func (t *table) marks() []mark {
	var rows []int
	for row, on := range t.flag {
		if on {
			rows = append(rows, row)
		}
	}
	slices.SortStableFunc(rows, func(a, b int) int { return cmp.Compare(t.score[b], t.score[a]) })
	rows = rows[:min(len(rows), markedAnomalies)]
	slices.Sort(rows)
	var out []mark
	for _, row := range rows {
		title := fmt.Sprintf("row %d, %s, score %.3f", row, t.times[row].Format("2006-01-02 15:04:05"), t.score[row])
		if a := t.notes[row]; a != nil && a.Why.Sentence != "" {
			title += "\n" + a.Why.Sentence
		}
		out = append(out, mark{t.x(row), round(plotHeight * (1 - t.score[row])), title})
	}
	return out
}

// ticks label five rows with their times.
func (t *table) ticks() []tick {
	var out []tick
	first, last := t.times[0], t.times[t.rows()-1]
	format := "2006-01-02"
	switch span := last.Sub(first); {
	case first.IsZero() || last.IsZero() || span <= 0:
		format = ""
	case span < 10*time.Minute:
		format = "15:04:05"
	case span < 2*24*time.Hour:
		format = "01-02 15:04"
	}
	for k := range 5 {
		row := k * (t.rows() - 1) / 4
		text := fmt.Sprintf("row %d", row)
		if format != "" && !t.times[row].IsZero() {
			text = t.times[row].Format(format)
		}
		out = append(out, tick{t.x(row), text, [5]string{"start", "middle", "middle", "middle", "end"}[k]})
	}
	return out
}

// label writes a number with four significant digits, the whole part of a large one as it is.
func label(v float64) string {
	if size := math.Abs(v); size >= 1000 && size < 1e7 {
		return whole(int64(math.Round(v)))
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// round keeps one decimal: the drawing needs no more.
func round(v float64) float64 { return math.Round(10*v) / 10 }
