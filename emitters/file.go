package emitters

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"anomalystream/streams"
)

// maxLine is the longest line of a file that is read.
const maxLine = 16 << 20

// FileOptions says how the columns of a CSV file become members of events. JSON Lines are taken as they are.
type FileOptions struct {
	Time     string            // Member that the first column, the time, becomes; "" for the column's own name.
	DropTime bool              // The first column becomes no member, only Row.Time.
	Rename   map[string]string // Member that a column becomes, where that is not the column's own name.
}

// FileOptionsFor lets the columns of a CSV file meet the definition of a stream: the first column becomes the time
// field (the record's timestamp where the stream goes by that), and a column with a feature's name becomes the field that
// the feature is read from.
func FileOptionsFor(d *streams.Definition) FileOptions {
	o := FileOptions{Time: d.Time, DropTime: d.Time == "", Rename: map[string]string{}}
	if d.Wildcard() {
		return o
	}
	for _, f := range d.Features {
		if f.Path != f.Name {
			o.Rename[f.Name] = f.Path
		}
	}
	return o
}

// Row is one event of a file.
type Row struct {
	Line  int       // In the file, from 1.
	Value []byte    // JSON object; the row's own.
	Time  time.Time // From the first column of a CSV file; zero where it cannot be read, and for JSON Lines.
}

// LineError is what is wrong with one line of a file. The lines after it can still be read.
type LineError struct {
	File   string
	Line   int // From 1.
	Column int // From 1; 0 for the whole line.
	Reason string
}

// Error returns file:line:column: reason.
func (e *LineError) Error() string {
	if e.Column == 0 {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Reason)
}

// File reads the events of a CSV or JSON Lines file, one at a time. It is not safe for concurrent use.
type File struct {
	path    string
	file    *os.File
	counted *countingReader
	size    int64
	lines   lineReader
}

// lineReader reads one format.
type lineReader interface {
	// next returns the next row, io.EOF at the end, or a *LineError without a file name, after which it can go on.
	next() (Row, error)
	columns() []string
}

// ErrFormat is wrapped by the error about a file whose name does not say a format that can be read.
var ErrFormat = errors.New("the name must end in .csv, .jsonl, .ndjson or .json, and .gz if it is compressed")

// OpenFile opens a file by its suffix: .csv, .jsonl, .ndjson or .json (one object per line), and .gz after any of them.
func OpenFile(path string, o FileOptions) (*File, error) {
	name, zipped := strings.CutSuffix(path, ".gz")
	suffix := filepath.Ext(name)
	switch suffix {
	case ".csv", ".jsonl", ".ndjson", ".json":
	default:
		return nil, fmt.Errorf("reading %s: %w", path, ErrFormat)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, errors.Unwrap(err))
	}
	f := &File{path: path, file: file, counted: &countingReader{r: file}}
	if err := f.start(zipped, suffix == ".csv", o); err != nil {
		file.Close()
		return nil, err
	}
	return f, nil
}

func (f *File) start(zipped, csv bool, o FileOptions) error {
	info, err := f.file.Stat()
	if err != nil {
		return fmt.Errorf("reading %s: %w", f.path, err)
	}
	if info.IsDir() {
		return fmt.Errorf("reading %s: it is a directory", f.path)
	}
	f.size = info.Size()
	var r io.Reader = f.counted
	if zipped {
		if r, err = gzip.NewReader(r); err != nil {
			return fmt.Errorf("reading %s: decompressing: %w", f.path, err)
		}
	}
	buffered := bufio.NewReaderSize(r, 1<<16)
	if !csv {
		f.lines = &jsonLines{r: buffered}
		return nil
	}
	if f.lines, err = newCSVLines(buffered, o); err != nil {
		return f.located(err)
	}
	return nil
}

// Next returns the next event, io.EOF after the last one, a *LineError for a line that is none (the next call goes on
// behind it), or another error when the file cannot be read any further.
func (f *File) Next() (Row, error) {
	row, err := f.lines.next()
	if err != nil && err != io.EOF {
		err = f.located(err)
	}
	return row, err
}

func (f *File) located(err error) error {
	var line *LineError
	if errors.As(err, &line) {
		line.File = f.path
		return line
	}
	return fmt.Errorf("reading %s: %w", f.path, err)
}

// Columns names the columns of a CSV file, the time first; nil for JSON Lines.
func (f *File) Columns() []string { return f.lines.columns() }

// Progress is the share of the file that has been read, in [0, 1].
func (f *File) Progress() float64 {
	if f.size == 0 {
		return 1
	}
	return min(1, float64(f.counted.n)/float64(f.size))
}

// Path is where the file is.
func (f *File) Path() string { return f.path }

// Stem is the file's name without folder and suffixes.
func (f *File) Stem() string { return Stem(f.path) }

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// Stem is the name of a file without folder and suffixes.
func Stem(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), ".gz")
	return strings.TrimSuffix(name, filepath.Ext(name))
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
