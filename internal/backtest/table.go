package backtest

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"anomalystream/internal/evaluate"
	"anomalystream/streams"
)

// table is everything said about the rows of one source.
type table struct {
	times    []time.Time // By row; zero for a row that was refused.
	score    []float64   // NaN during the warm-up and for refused rows.
	severity []float64
	alert    []float64
	flag     []bool
	voters   []string    // Names of the detectors.
	raw      [][]float64 // By detector, then by row.
	features []string
	values   [][]float64 // By feature, then by row.
	shares   [][]float64 // By feature, then by row; NaN where there are none.
	last     []string    // Names of the latest event,
	at       []int       // and where its features are.
	notes    map[int]*streams.Anomaly
	rejects  []Rejected
	refused  int
	regimes  int64 // Changes of regime.

	incidents incidentLog
}

// Rejected is a row that is no event of the stream.
type Rejected struct {
	Row    int    `json:"row"`
	Code   string `json:"code"`
	Reason string `json:"reason"`
}

// keptRejects is how many of them are told.
const keptRejects = 20

func (t *table) rows() int { return len(t.score) }

// grow appends an empty row.
func (t *table) grow() int {
	nan := math.NaN()
	t.times = append(t.times, time.Time{})
	t.score, t.severity, t.alert = append(t.score, nan), append(t.severity, nan), append(t.alert, nan)
	t.flag = append(t.flag, false)
	for _, columns := range [][][]float64{t.raw, t.values, t.shares} {
		for i := range columns {
			columns[i] = append(columns[i], nan)
		}
	}
	return t.rows() - 1
}

// columns returns where the features of an event are, and makes room for new ones.
func (t *table) columns(names []string) []int {
	if len(names) > 0 && len(t.last) == len(names) && &t.last[0] == &names[0] { // Names are shared between events.
		return t.at
	}
	t.last, t.at = names, nil
	for _, name := range names {
		i := slices.Index(t.features, name)
		if i < 0 {
			i = len(t.features)
			t.features = append(t.features, name)
			t.values, t.shares = append(t.values, missing(t.rows())), append(t.shares, missing(t.rows()))
		}
		t.at = append(t.at, i)
	}
	return t.at
}

func missing(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
	}
	return out
}

func (t *table) refuse(row int, r *streams.Reject) {
	t.refused++
	if len(t.rejects) < keptRejects {
		t.rejects = append(t.rejects, Rejected{row, r.Code, r.Error()})
	}
}

// record notes an event and its outcome.
func (t *table) record(row int, e *streams.Event, o outcome) {
	t.times[row] = e.Time
	at := t.columns(e.Names)
	for i, v := range e.Values {
		t.values[at[i]][row] = v
	}
	if !o.scored {
		return
	}
	if o.drift {
		t.regimes++
	}
	t.score[row], t.severity[row], t.alert[row] = o.score, o.severity, o.alertScore
	for i, v := range o.raw {
		t.raw[i][row] = v
	}
	if o.why != nil {
		for _, c := range o.why.Contributions {
			t.shares[slices.Index(t.features, c.Feature)][row] = c.Share
		}
	}
	if o.anomaly != nil {
		t.flag[row] = true
		t.notes[row] = o.anomaly
	}
}

// write writes the score file: row, score, flag, severity, a contribution per feature, a raw score per detector and the
// alert score. Numbers have all their digits; cells without a value are empty.
func (t *table) write(path string) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return fmt.Errorf("writing scores: %w", err)
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("writing scores: %w", err)
	}
	defer func() {
		if cause := errors.Join(err, f.Close()); cause != nil {
			err = fmt.Errorf("writing scores: %w", cause)
		}
	}()
	w := bufio.NewWriter(f)
	w.WriteString("row,score,flag,severity")
	for _, name := range t.features {
		w.WriteString("," + quote("contrib_"+name))
	}
	for _, name := range t.voters {
		w.WriteString("," + quote(name))
	}
	w.WriteString(",alert_score\n")
	var line []byte
	for row := range t.rows() {
		line = strconv.AppendInt(line[:0], int64(row), 10)
		line = appendCell(line, t.score[row])
		line = append(line, ",0"...)
		if t.flag[row] {
			line[len(line)-1] = '1'
		}
		line = appendCell(line, t.severity[row])
		for _, columns := range [][][]float64{t.shares, t.raw} {
			for _, c := range columns {
				line = appendCell(line, c[row])
			}
		}
		line = append(appendCell(line, t.alert[row]), '\n')
		w.Write(line)
	}
	return w.Flush()
}

func appendCell(b []byte, v float64) []byte {
	b = append(b, ',')
	if v != v {
		return b
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

// quote writes a cell of a CSV header.
func quote(s string) string {
	if !strings.ContainsAny(s, ",\"\r\n") {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// scores are the table's columns for a measurement.
func (t *table) scores(rankBy string) evaluate.Scores {
	rank := t.score
	switch i := slices.Index(t.voters, rankBy); {
	case rankBy == RankBySeverity:
		rank = t.severity
	case rankBy == RankByAlert:
		rank = t.alert
	case i >= 0:
		rank = t.raw[i]
	}
	return evaluate.Scores{Score: t.score, Rank: rank, Flag: t.flag, Features: t.features, Contrib: t.shares}
}

// firstScored is the first row with a score, the number of rows without one.
func (t *table) firstScored() int {
	for row, v := range t.score {
		if v == v {
			return row
		}
	}
	return t.rows()
}
