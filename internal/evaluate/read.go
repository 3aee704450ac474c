package evaluate

import (
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ReadScores reads a score file (CSV, also compressed) of a stream with that many rows: the columns row, score and flag,
// contrib_<feature> for attribution, and the column to rank by. Rows may be missing.
func ReadScores(path string, rows int, rankBy string) (Scores, error) {
	s := Scores{Score: empty(rows), Rank: empty(rows), Flag: make([]bool, rows)}
	if rankBy == "" {
		rankBy = "score"
	}
	var columns []column
	var row, flag int
	err := readTable(path, func(header []string) error {
		at := map[string]int{}
		for i, name := range header {
			at[name] = i
			if feature, ok := strings.CutPrefix(name, "contrib_"); ok {
				s.Features = append(s.Features, feature)
				s.Contrib = append(s.Contrib, empty(rows))
				columns = append(columns, column{i, s.Contrib[len(s.Contrib)-1]})
			}
		}
		for _, name := range []string{"row", "flag", "score", rankBy} {
			if _, ok := at[name]; !ok {
				return fmt.Errorf("there is no column %q", name)
			}
		}
		row, flag = at["row"], at["flag"]
		columns = append(columns, column{at["score"], s.Score}, column{at[rankBy], s.Rank})
		return nil
	}, func(cells []string) error {
		r, err := strconv.Atoi(cells[row])
		if err != nil || r < 0 || r >= rows {
			return fmt.Errorf("row %q is not within 0 to %d", cells[row], rows-1)
		}
		raised, err := cell(cells[flag])
		if err != nil {
			return err
		}
		s.Flag[r] = raised > 0
		for _, c := range columns {
			if c.values[r], err = cell(cells[c.at]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Scores{}, fmt.Errorf("reading scores %s: %w", path, err)
	}
	return s, nil
}

// ReadLabels reads a label file: start and end (rows, zero-based, both inclusive), and in a column metrics the guilty
// features, separated by semicolons.
func ReadLabels(path string) ([]Segment, error) {
	var out []Segment
	var start, end, metrics int
	err := readTable(path, func(header []string) error {
		start, end, metrics = slices.Index(header, "start"), slices.Index(header, "end"), slices.Index(header, "metrics")
		if start < 0 || end < 0 {
			return errors.New("expected the columns start and end")
		}
		return nil
	}, func(cells []string) error {
		a, err1 := strconv.Atoi(cells[start])
		b, err2 := strconv.Atoi(cells[end])
		if err1 != nil || err2 != nil || a < 0 || b < a {
			return fmt.Errorf("found start %q and end %q, expected rows", cells[start], cells[end])
		}
		seg := Segment{Start: a, End: b}
		if metrics >= 0 {
			seg.Metrics = splitMetrics(cells[metrics])
		}
		out = append(out, seg)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading labels %s: %w", path, err)
	}
	return out, nil
}

// Meta describes a set of labelled streams: the file meta.json beside it.
type Meta struct {
	Set      string                `json:"set"`
	Sampling float64               `json:"sampling_seconds"`
	IDs      []string              `json:"id_columns"`
	Streams  map[string]StreamMeta `json:"streams"`
}

// StreamMeta describes one stream of a set.
type StreamMeta struct {
	Rows      int     `json:"rows"`
	From      int     `json:"evaluate_from"`
	Sampling  float64 `json:"sampling_seconds"`
	Probation int     `json:"probation"`
	ShiftAt   int     `json:"shift_at"`
}

// ReadMeta reads a meta.json.
func ReadMeta(path string) (*Meta, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, errors.Unwrap(err))
	}
	m := &Meta{}
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return m, nil
}

// Stream joins the description of a stream with labels and scores.
func (m *Meta) Stream(name string, labels []Segment, s Scores) *Stream {
	d := m.Streams[name]
	sampling := d.Sampling
	if sampling == 0 {
		sampling = m.Sampling
	}
	return &Stream{Set: m.Set, Name: name, Segments: labels, From: d.From, Sampling: sampling, Probation: d.Probation, ShiftAt: d.ShiftAt, Scores: s}
}

// ReadTree joins the score files <set>/<stream>.csv[.gz] of a folder with a tree of labelled sets, each a folder with
// meta.json and labels/<stream>.csv. Streams without a score file are left out. Order: sets and streams by name.
func ReadTree(scores, tree, rankBy string) ([]*Stream, error) {
	sets, err := filepath.Glob(filepath.Join(tree, "*", "meta.json"))
	if err != nil {
		return nil, err
	}
	var out []*Stream
	for _, path := range sets {
		meta, err := ReadMeta(path)
		if err != nil {
			return nil, err
		}
		folder := filepath.Base(filepath.Dir(path))
		meta.Set = folder
		var names []string
		for name := range meta.Streams {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			file, ok := firstOf(filepath.Join(scores, folder, name+".csv"), filepath.Join(scores, folder, name+".csv.gz"))
			if !ok {
				continue
			}
			s, err := ReadScores(file, meta.Streams[name].Rows, rankBy)
			if err != nil {
				return nil, err
			}
			labels, err := ReadLabels(filepath.Join(filepath.Dir(path), "labels", name+".csv"))
			if err != nil {
				return nil, err
			}
			stream := meta.Stream(name, labels, s)
			if err := stream.Validate(); err != nil {
				return nil, err
			}
			out = append(out, stream)
		}
	}
	return out, nil
}

func firstOf(paths ...string) (string, bool) {
	for _, p := range paths {
		if _, err := os.Stat(p); !errors.Is(err, fs.ErrNotExist) {
			return p, true
		}
	}
	return "", false
}

func empty(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
	}
	return out
}

// column is where the values of a column go, by row.
type column struct {
	at     int
	values []float64
}

// cell reads a number, NaN for an empty cell.
func cell(s string) (float64, error) {
	if s == "" {
		return math.NaN(), nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("found %q, expected a number", s)
	}
	return v, nil
}

// readTable reads a CSV file with a header. Errors name the line.
func readTable(path string, header func([]string) error, row func([]string) error) error {
	file, err := os.Open(path)
	if err != nil {
		return errors.Unwrap(err)
	}
	defer file.Close()
	var r io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(file); err != nil {
			return err
		}
	}
	c := csv.NewReader(r)
	c.ReuseRecord = true
	for first := true; ; first = false {
		cells, err := c.Read()
		if err == io.EOF && !first {
			return nil
		}
		if err != nil {
			return err
		}
		do := row
		if first {
			do, cells = header, slices.Clone(cells)
		}
		if err := do(cells); err != nil {
			line, _ := c.FieldPos(0)
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}
