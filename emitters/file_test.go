package emitters

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"anomalystream/streams"
)

func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	data := []byte(content)
	if strings.HasSuffix(name, ".gz") {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write(data)
		z.Close()
		data = b.Bytes()
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// read returns the values of a file and what was wrong with its lines.
func read(t testing.TB, path string, o FileOptions) (values, problems []string) {
	t.Helper()
	f, err := OpenFile(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for {
		row, err := f.Next()
		var bad *LineError
		switch {
		case err == io.EOF:
			if got := f.Progress(); got != 1 {
				t.Errorf("progress at the end: got %v, want 1", got)
			}
			return values, problems
		case errors.As(err, &bad):
			problems = append(problems, strings.TrimPrefix(bad.Error(), filepath.Dir(path)+"/"))
		case err != nil:
			t.Fatal(err)
		default:
			values = append(values, string(row.Value))
		}
	}
}

func TestReadFiles(t *testing.T) {
	t.Parallel()
	def := streams.DefaultDefinition("s")
	def.Time = "meta.at"
	def.Features = []streams.Feature{{Name: "cpu", Path: "load.cpu"}}
	tests := map[string]struct {
		name, content    string
		options          FileOptions
		values, problems []string
	}{
		"csv": {"a.csv", "timestamp,cpu,note\n2026-01-02T15:04:05Z,1.5e1,\"a \"\"b\"\"\"\n1767366245,-0.5,\n", FileOptions{},
			[]string{`{"timestamp":"2026-01-02T15:04:05Z","cpu":1.5e1,"note":"a \"b\""}`, `{"timestamp":1767366245,"cpu":-0.5,"note":null}`}, nil},
		"numbers that JSON does not have": {"a.csv.gz", "t,a,b,c,d,e,f,g\n1,+1,.5,007,NaN,inf,1_000,0x10\n", FileOptions{},
			[]string{`{"t":1,"a":1,"b":0.5,"c":7,"d":null,"e":"inf","f":"1_000","g":"0x10"}`}, nil},
		"mark, spaces and line ends": {"a.csv", "\ufefft, a\r\n1, 2 \r\n\r\n3,4", FileOptions{},
			[]string{`{"t":1,"a":2}`, `{"t":3,"a":4}`}, nil},
		"semicolons": {"a.csv", "t;a;\"b\"\n1;2;x, y\n", FileOptions{}, []string{`{"t":1,"a":2,"b":"x, y"}`}, nil},
		"tabs":       {"a.csv", "t\ta\n1\t2\n", FileOptions{}, []string{`{"t":1,"a":2}`}, nil},
		"a stream's names": {"a.csv", "when,cpu,other\n1,2,3\n", FileOptionsFor(&def),
			[]string{`{"meta.at":1,"load.cpu":2,"other":3}`}, nil},
		"time apart": {"a.csv", "when,cpu\n1,2\n", FileOptions{DropTime: true}, []string{`{"cpu":2}`}, nil},
		"bad lines": {"a.csv", "t,a\n1\n2,3\n4,\"x\"y\n5,6,7\n8,\xff\n9,10\n", FileOptions{},
			[]string{`{"t":2,"a":3}`, `{"t":9,"a":10}`},
			[]string{"a.csv:2: the line has not as many cells as the header", "a.csv:4:5: extraneous or missing \" in quoted-field",
				"a.csv:5: the line has not as many cells as the header", "a.csv:6:3: column \"a\" is not UTF-8"}},
		"json lines":     {"a.jsonl", "\ufeff{\"a\":1}\r\n\n  {\"a\":2} \n{", FileOptions{}, []string{`{"a":1}`, `{"a":2}`, `{`}, nil},
		"compressed":     {"a.ndjson.gz", "{\"a\":1}\n{\"a\":2}\n", FileOptions{}, []string{`{"a":1}`, `{"a":2}`}, nil},
		"empty":          {"a.jsonl", "", FileOptions{}, nil, nil},
		"header alone":   {"a.csv", "t,a\n", FileOptions{}, nil, nil},
		"too long":       {"a.jsonl", "{}\n" + strings.Repeat("x", maxLine+10) + "\n{}\n", FileOptions{}, []string{"{}", "{}"}, []string{"a.jsonl:2: the line is longer than 16777216 bytes"}},
		"quote no end":   {"a.csv", "t,a\n1,2\n3,\"4\n", FileOptions{}, []string{`{"t":1,"a":2}`}, []string{"a.csv:3:6: extraneous or missing \" in quoted-field"}},
		"escaped header": {"a.csv", "t,\"say \"\"hi\"\"\"\n1,2\n", FileOptions{}, []string{`{"t":1,"say \"hi\"":2}`}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values, problems := read(t, write(t, tt.name, tt.content), tt.options)
			if diff := cmp.Diff(tt.values, values); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.problems, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCSVTimesAndPlaces(t *testing.T) {
	t.Parallel()
	f, err := OpenFile(write(t, "web-1.csv.gz", "t,a\n2026-01-02 15:04:05,1\nsoon,2\n"), FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := f.Stem(); got != "web-1" {
		t.Errorf("stem: got %q", got)
	}
	if diff := cmp.Diff([]string{"t", "a"}, f.Columns()); diff != "" {
		t.Error(diff)
	}
	first, err := f.Next()
	if want := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC); err != nil || !first.Time.Equal(want) || first.Line != 2 {
		t.Errorf("got line %d, time %v, %v", first.Line, first.Time, err)
	}
	second, err := f.Next()
	if err != nil || !second.Time.IsZero() || second.Line != 3 {
		t.Errorf("got line %d, time %v, %v", second.Line, second.Time, err)
	}
}

func TestOpenFileFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, tt := range map[string]struct{ path, want string }{
		"suffix":             {write(t, "a.txt", "x"), "must end in .csv"},
		"absent":             {filepath.Join(dir, "no.csv"), "no such file"},
		"not compressed":     {strings.TrimSuffix(write(t, "b.csv", "t,a\n"), "b.csv") + "b.csv", ""},
		"empty csv":          {write(t, "c.csv", ""), "c.csv:1: the file is empty"},
		"one column":         {write(t, "one.csv", "time|a\n1|2\n"), "one.csv:1: the header is one column, \"time|a\""},
		"name given twice":   {write(t, "d.csv", "t,a,a\n"), `d.csv:1:5: column 3 has the name "a"`},
		"name missing":       {write(t, "e.csv", "t,\n"), `e.csv:1:3: column 2 has the name ""`},
		"header not UTF-8":   {write(t, "f.csv", "t,\xff\n"), "f.csv:1:3: the name of column 2 is not UTF-8"},
		"no header":          {write(t, "h.csv", "2026-01-02T15:04:05Z,1.5\n2026-01-02T15:04:06Z,2\n"), `h.csv:1: the first line is data ("2026-01-02T15:04:05Z,1.5")`},
		"header with quotes": {write(t, "g.csv", "t,\"a\n"), "g.csv:1:"},
	} {
		f, err := OpenFile(tt.path, FileOptions{})
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			f.Close()
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
	plain := filepath.Join(dir, "plain.csv.gz")
	if err := os.WriteFile(plain, []byte("t,a\n1,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFile(plain, FileOptions{}); err == nil || !strings.Contains(err.Error(), "decompressing") {
		t.Errorf("a file that is not compressed: got %v", err)
	}
	cut := write(t, "cut.csv.gz", "t,a\n"+strings.Repeat("1,2\n", 10000))
	data, err := os.ReadFile(cut)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cut, data[:len(data)-20], 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFile(cut, FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var line *LineError
	for err == nil {
		_, err = f.Next()
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &line) {
		t.Errorf("a file that is cut off: got %v", err)
	}
}

// FuzzCSVCell holds cells to JSON: whatever a cell holds, the row is an object that can be read.
func FuzzCSVCell(f *testing.F) {
	for _, s := range []string{"", "1", "-0", "1e5", "+1", "01", ".", "1.", "abc", "\"", "\\", "\u2028", "0x1p-2", "1_0", "Infinity", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, cell string) {
		b, err := appendCell([]byte(`{"a":1,"v":`), cell)
		if err != nil {
			return
		}
		def := streams.DefaultDefinition("s")
		def.Key = streams.KeyStream
		def.Features = []streams.Feature{{Name: "a", Path: "a", Missing: streams.MissingReject}}
		if _, reject := streams.NewDecoder(&def, 0).Decode(streams.Record{Value: append(b, '}'), Timestamp: start}); reject != nil {
			t.Errorf("cell %q became %s: %v", cell, b, reject)
		}
	})
}
