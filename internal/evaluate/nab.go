package evaluate

import (
	"fmt"
	"math"
	"slices"
)

// Profile weighs the outcomes of the Numenta Anomaly Benchmark.
type Profile struct {
	Name                           string
	Detected, FalseAlarm, Overseen float64
}

// Profiles are those of the benchmark.
func Profiles() []Profile {
	return []Profile{{"standard", 1, 0.11, 1}, {"reward_low_FP", 1, 0.22, 1}, {"reward_low_FN", 1, 0.11, 2}}
}

// NABScore is the score of one profile: 0 for no alarm at all, 100 for every window found at once without false alarms.
type NABScore struct {
	Score     Figure `json:"score"`
	Threshold Figure `json:"threshold"` // The cut on the score; NaN where no alarm at all is best.
	FalseRows int    `json:"false_rows"`
}

// NABReport holds the scores by profile, for alarms at every row above the cut and for episodes: rows above all of the
// last rows before.
type NABReport struct {
	Files         int                 `json:"files"`
	Windows       int                 `json:"windows"`
	EveryBest     map[string]NABScore `json:"every_row_best_cut"` // The cut that is best for these files.
	EveryFixed    map[string]NABScore `json:"every_row_fixed_cut"`
	EpisodesBest  map[string]NABScore `json:"episodes_best_cut"`
	EpisodesFixed map[string]NABScore `json:"episodes_fixed_cut"`
}

// String sums the report up in a line: the standard profile.
func (r NABReport) String() string {
	const profile = "standard"
	return fmt.Sprintf("%d files, %d windows; standard profile: on episodes %s at the best cut (%s), %s at the threshold; on every row %s and %s", r.Files, r.Windows,
		r.EpisodesBest[profile].Score.Format(1), r.EpisodesBest[profile].Threshold.Format(4), r.EpisodesFixed[profile].Score.Format(1),
		r.EveryBest[profile].Score.Format(1), r.EveryFixed[profile].Score.Format(1))
}

// MeasureNAB scores all streams together; span is the number of rows an episode must stand out from, 150 in the benchmark
// this reproduces.
func MeasureNAB(group []*Stream, span int, threshold float64) NABReport {
	out := NABReport{Files: len(group)}
	out.EveryBest, out.Windows = nabScores(group, 0, math.NaN())
	out.EveryFixed, _ = nabScores(group, 0, threshold)
	out.EpisodesBest, _ = nabScores(group, span, math.NaN())
	out.EpisodesFixed, _ = nabScores(group, span, threshold)
	return out
}

// gain is what lowering the cut past a row adds.
type gain struct {
	at      float64 // Score of the row.
	value   float64
	outside bool
}

// nabScores scores at a cut, or at the best one for NaN.
func nabScores(group []*Stream, span int, cut float64) (map[string]NABScore, int) {
	windows := 0
	out := map[string]NABScore{}
	for _, p := range Profiles() {
		var gains []gain
		windows = 0
		for _, s := range group {
			g, w := nabGains(s, span, p)
			gains = append(gains, g...)
			windows += w
		}
		out[p.Name] = nabScore(gains, windows, p, cut)
	}
	return out, windows
}

// nabScore finds the score of a cut among the gains, in which windows that are never found count as nothing.
func nabScore(gains []gain, windows int, p Profile, cut float64) NABScore {
	// Rows outside of windows come first in the benchmark's order of ties; all rows of a tie are taken together anyway.
	slices.SortStableFunc(gains, func(a, b gain) int {
		switch {
		case a.at > b.at:
			return -1
		case a.at < b.at:
			return 1
		}
		return 0
	})
	best := NABScore{Threshold: Figure(cut)}
	fixed := cut == cut
	var sum, bestSum float64
	falseRows, found := 0, false
	for i, g := range gains {
		if fixed && g.at < cut {
			break
		}
		sum += g.value
		if g.outside {
			falseRows++
		}
		if i+1 < len(gains) && gains[i+1].at == g.at {
			continue
		}
		if fixed || sum > bestSum { // Without a fixed cut, no alarm at all may be best.
			bestSum, found = sum, true
			best.FalseRows = falseRows
			if !fixed {
				best.Threshold = Figure(g.at)
			}
		}
	}
	if !found {
		bestSum = 0
	}
	best.Score = nan
	if windows > 0 {
		best.Score = Figure(100 * bestSum / (float64(windows) * (p.Detected + p.Overseen)))
	}
	return best
}

// nabGains returns what each row of a stream adds when the cut falls past it: false alarms their penalty, rows of a
// window what they add to the window's best value so far, and the first one makes up for the window being overseen.
func nabGains(s *Stream, span int, p Profile) ([]gain, int) {
	score := standingOut(s.Rank, span)
	windows := slices.Clone(s.Segments)
	slices.SortFunc(windows, func(a, b Segment) int { return a.Start - b.Start })
	value, member := nabValues(len(score), windows)
	var out []gain
	inside := make([][]int, len(windows))
	for row := s.Probation; row < len(score); row++ {
		switch w := member[row]; {
		case score[row] != score[row]:
		case w < 0:
			out = append(out, gain{score[row], value[row] * p.FalseAlarm, true})
		default:
			inside[w] = append(inside[w], row)
		}
	}
	n := 0
	for w, rows := range inside {
		if windows[w].End < s.Probation {
			continue
		}
		n++
		slices.SortStableFunc(rows, func(a, b int) int {
			switch {
			case score[a] > score[b]:
				return -1
			case score[a] < score[b]:
				return 1
			}
			return 0
		})
		last, best := -p.Overseen, math.Inf(-1)
		for _, row := range rows {
			best = math.Max(best, value[row])
			out = append(out, gain{score[row], best*p.Detected - last, false})
			last = best * p.Detected
		}
	}
	return out, n
}

// nabValues returns the value of an alarm at each row before it is weighted, and the window the row belongs to, -1 for
// none. Inside of a window early is better, at most 1. Behind one the value falls from 0 to -1 with the distance; before
// the first it is -1.
func nabValues(n int, windows []Segment) (value []float64, member []int) {
	value, member = make([]float64, n), make([]int, n)
	for i := range value {
		value[i], member[i] = -1, -1
	}
	for w, seg := range windows {
		length := float64(seg.End - seg.Start + 1)
		for row := seg.Start; row <= seg.End; row++ {
			value[row] = sigmoid(-float64(seg.End-row+1)/length) / sigmoid(-1)
			member[row] = w
		}
		until := n
		if w+1 < len(windows) {
			until = windows[w+1].Start
		}
		for row := seg.End + 1; row < until; row++ {
			value[row] = sigmoid(float64(row-seg.End) / float64(max(seg.End-seg.Start, 1)))
		}
	}
	return value, member
}

func sigmoid(x float64) float64 {
	if x > 3 {
		return -1
	}
	return 2/(1+math.Exp(5*x)) - 1
}

// standingOut keeps a score only where it exceeds every score of the span rows before it; 0 keeps all.
func standingOut(score []float64, span int) []float64 {
	if span == 0 {
		return score
	}
	out := make([]float64, len(score))
	var window []int // Rows whose scores fall: the first is the maximum of the last span rows.
	for i, v := range score {
		for len(window) > 0 && window[0] < i-span {
			window = window[1:]
		}
		out[i] = math.NaN()
		if v == v && (len(window) == 0 || v > score[window[0]]) {
			out[i] = v
		}
		for v == v && len(window) > 0 && score[window[len(window)-1]] <= v {
			window = window[:len(window)-1]
		}
		if v == v {
			window = append(window, i)
		}
	}
	return out
}

// Shift is what happens after a permanent shift that is a new normal, with labelled outliers injected later.
type Shift struct {
	AlarmsInFirst500 int    `json:"alarms_in_first_500"`
	LaterFAR         Figure `json:"later_far"`
	LaterRecall      Figure `json:"later_recall"`
}

// settling is how many rows after a shift a detector has to settle.
const settling = 500

// MeasureShift judges the rows around a stream's shift.
func MeasureShift(s *Stream) Shift {
	label := s.labels()
	var out Shift
	var alarms, normal, hits, outliers int
	for row := s.ShiftAt; row < s.Rows(); row++ {
		early := row < s.ShiftAt+settling
		switch {
		case early && s.Flag[row] && !label[row]:
			out.AlarmsInFirst500++
		case early:
		case label[row]:
			outliers++
			if s.Flag[row] {
				hits++
			}
		default:
			normal++
			if s.Flag[row] {
				alarms++
			}
		}
	}
	out.LaterFAR, out.LaterRecall = ratio(alarms, normal), ratio(hits, outliers)
	return out
}
