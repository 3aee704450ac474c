package emitters

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// jsonLines reads one JSON object per line; empty lines are skipped. It does not look into the objects: whoever decodes
// them does.
type jsonLines struct {
	r    *bufio.Reader
	line int
}

func (l *jsonLines) columns() []string { return nil }

func (l *jsonLines) next() (Row, error) {
	for {
		text, err := readLine(l.r)
		if err != nil && len(text) == 0 {
			return Row{}, err
		}
		l.line++
		if l.line == 1 {
			text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
		}
		switch {
		case len(text) > maxLine:
			return Row{}, &LineError{Line: l.line, Reason: fmt.Sprintf("the line is longer than %d bytes", maxLine)}
		case len(bytes.TrimSpace(text)) > 0:
			return Row{Line: l.line, Value: bytes.TrimSpace(text)}, nil
		case err != nil:
			return Row{}, err
		}
	}
}

// readLine returns the next line. Of a line beyond maxLine it keeps just enough to tell. At the end of the file the rest
// comes with io.EOF.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line) <= maxLine {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			if err != nil && err != io.EOF {
				return nil, err
			}
			return line, err
		}
	}
}
