package emitters

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"anomalystream/streams"
)

// csvLines makes a JSON object of each line of a CSV file: the header names the members, the first column is the time.
// Cells are separated by commas, or by what the header has instead of them: semicolons or tabs. A cell that is a number becomes a number, an empty one (or NaN, NA, null) becomes null, any other a string.
type csvLines struct {
	r      *csv.Reader
	header []string
	names  [][]byte // Encoded names of the members, by column.
	first  int      // First column that becomes a member.
}

func newCSVLines(r *bufio.Reader, o FileOptions) (*csvLines, error) {
	if mark, err := r.Peek(3); err == nil && string(mark) == "\xef\xbb\xbf" {
		r.Discard(3)
	}
	c := csv.NewReader(r)
	c.Comma = separator(r)
	header, err := c.Read()
	if err == io.EOF {
		return nil, &LineError{Line: 1, Reason: "the file is empty, expected a header line"}
	}
	if err != nil {
		return nil, csvError(err)
	}
	if len(header) == 1 {
		return nil, &LineError{Line: 1, Reason: fmt.Sprintf("the header is one column, %.100q: expected the time and at least one field, separated by commas, semicolons or tabs", header[0])}
	}
	if isData(header) {
		return nil, &LineError{Line: 1, Reason: fmt.Sprintf("the first line is data (%q), expected the names of the columns", strings.Join(header[:2], ","))}
	}
	c.ReuseRecord = true
	l := &csvLines{r: c}
	if o.DropTime {
		l.first = 1
	}
	seen := map[string]bool{}
	for i, column := range header {
		column = strings.TrimSpace(column)
		l.header = append(l.header, column)
		name := column
		if to, ok := o.Rename[column]; ok {
			name = to
		}
		if i == 0 && o.Time != "" {
			name = o.Time
		}
		line, at := c.FieldPos(i)
		if name == "" || seen[name] {
			return nil, &LineError{Line: line, Column: at, Reason: fmt.Sprintf("column %d has the name %q, expected one of its own", i+1, name)}
		}
		seen[name] = true
		encoded, err := jsontext.AppendQuote(nil, name)
		if err != nil {
			return nil, &LineError{Line: line, Column: at, Reason: fmt.Sprintf("the name of column %d is not UTF-8", i+1)}
		}
		l.names = append(l.names, encoded)
	}
	return l, nil
}

// separator returns what separates the cells of the header, as far as that is buffered.
func separator(r *bufio.Reader) rune {
	r.Peek(1) // Fills the buffer.
	head, _ := r.Peek(r.Buffered())
	line, _, _ := bytes.Cut(head, []byte{'\n'})
	for _, c := range ",;\t" {
		if bytes.ContainsRune(line, c) {
			return c
		}
	}
	return ','
}

// isData reports whether cells are those of an event, a time and numbers, and no names. A file that begins with its first
// event would otherwise lose it and name its fields by its values.
func isData(cells []string) bool {
	if _, ok := streams.ParseTime([]byte(strings.TrimSpace(cells[0]))); !ok || len(cells) < 2 {
		return false
	}
	for _, cell := range cells[1:] {
		if _, err := strconv.ParseFloat(strings.TrimSpace(cell), 64); err != nil {
			return false
		}
	}
	return true
}

func (l *csvLines) columns() []string { return slices.Clone(l.header) }

func (l *csvLines) next() (Row, error) {
	cells, err := l.r.Read()
	if err != nil {
		return Row{}, csvError(err)
	}
	line, _ := l.r.FieldPos(0)
	row := Row{Line: line, Value: make([]byte, 0, 32*len(cells))}
	row.Time, _ = streams.ParseTime([]byte(cells[0]))
	row.Value = append(row.Value, '{')
	for i, cell := range cells {
		if i < l.first {
			continue
		}
		if i > l.first {
			row.Value = append(row.Value, ',')
		}
		row.Value = append(append(row.Value, l.names[i]...), ':')
		if row.Value, err = appendCell(row.Value, cell); err != nil {
			line, at := l.r.FieldPos(i)
			return Row{}, &LineError{Line: line, Column: at, Reason: fmt.Sprintf("column %q is not UTF-8", l.header[i])}
		}
	}
	row.Value = append(row.Value, '}')
	return row, nil
}

// appendCell appends a cell as a JSON value.
func appendCell(b []byte, cell string) ([]byte, error) {
	cell = strings.TrimSpace(cell)
	switch cell {
	case "", "NaN", "nan", "NA", "N/A", "null", "NULL":
		return append(b, "null"...), nil
	}
	if cell[0] <= '9' { // Signs, points and digits come before the letters.
		if jsonNumber(cell) {
			return append(b, cell...), nil
		}
		if v, err := strconv.ParseFloat(cell, 64); err == nil && !math.IsInf(v, 0) && !strings.ContainsAny(cell, "_xX") {
			return strconv.AppendFloat(b, v, 'g', -1, 64), nil // +1, .5, 007: numbers, though not of JSON.
		}
	}
	return jsontext.AppendQuote(b, cell)
}

// jsonNumber reports whether a text is a number of JSON.
func jsonNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole, s := digits(s)
	if whole == "" || len(whole) > 1 && whole[0] == '0' {
		return false
	}
	if rest, ok := strings.CutPrefix(s, "."); ok {
		if whole, s = digits(rest); whole == "" {
			return false
		}
	}
	if len(s) > 0 && (s[0] == 'e' || s[0] == 'E') {
		s = s[1:]
		if len(s) > 0 && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		if whole, s = digits(s); whole == "" {
			return false
		}
	}
	return s == ""
}

// digits splits a text behind its leading digits.
func digits(s string) (head, rest string) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return s[:i], s[i:]
}

// csvError makes a LineError of what concerns one line only.
func csvError(err error) error {
	var parse *csv.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	if errors.Is(err, csv.ErrFieldCount) {
		return &LineError{Line: parse.Line, Reason: "the line has not as many cells as the header"}
	}
	return &LineError{Line: parse.Line, Column: parse.Column, Reason: parse.Err.Error()}
}
