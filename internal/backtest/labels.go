package backtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"anomalystream/internal/evaluate"
)

// labels are the labelled rows of the sources; nil without any.
type labels struct {
	meta *evaluate.Meta // Nil where there is no meta.json.
	by   map[string][]evaluate.Segment
}

// readLabels reads <dir>/<source>.csv for every source that has one. A folder without a single one of them is an error:
// it is not the right folder.
func readLabels(dir string, sources []Source) (*labels, error) {
	if dir == "" {
		return nil, nil
	}
	l := &labels{by: map[string][]evaluate.Segment{}}
	for _, s := range sources {
		path := filepath.Join(dir, s.Name+".csv")
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		segments, err := evaluate.ReadLabels(path)
		if err != nil {
			return nil, err
		}
		l.by[s.Name] = segments
	}
	if len(l.by) == 0 {
		return nil, fmt.Errorf("reading labels: there is no %s", filepath.Join(dir, sources[0].Name+".csv"))
	}
	for _, path := range []string{filepath.Join(dir, "meta.json"), filepath.Join(dir, "..", "meta.json")} {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		meta, err := evaluate.ReadMeta(path)
		if err != nil {
			return nil, err
		}
		l.meta = meta
		break
	}
	return l, nil
}

func (l *labels) segments(name string) []evaluate.Segment {
	if l == nil {
		return nil
	}
	return l.by[name]
}

// stream joins a source's table with its labels; nil where it has none. Without a description in meta.json the rows from
// the first score on are judged.
func (l *labels) stream(name string, t *table, rankBy string) *evaluate.Stream {
	if l == nil {
		return nil
	}
	segments, ok := l.by[name]
	if !ok {
		return nil
	}
	s := &evaluate.Stream{Name: name, From: t.firstScored(), Scores: t.scores(rankBy)}
	if l.meta != nil {
		if _, ok := l.meta.Streams[name]; ok {
			s = l.meta.Stream(name, nil, t.scores(rankBy))
		}
	}
	s.From = min(s.From, t.rows())
	for _, seg := range segments { // The source may have been cut short.
		if seg.Start < t.rows() {
			seg.End = min(seg.End, t.rows()-1)
			s.Segments = append(s.Segments, seg)
		}
	}
	return s
}
