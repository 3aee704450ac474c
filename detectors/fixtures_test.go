package detectors

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The fixtures are reference outputs of PyOD as JSON files, listed with their kind in manifest.json. Every kind has one
// function here that recomputes what the file holds. An excerpt of them, in testdata, runs by default; all of them run
// with the build tag fixtures.

// fixtures is one folder of them, with a tally of what was compared.
type fixtures struct {
	root string

	mu    sync.Mutex
	tally map[string]*fixtureTally // By detector or group.
}

// fixtureTally counts the numbers of one group.
type fixtureTally struct {
	files, compared, aside int
	worst                  float64 // Largest |got-want| / max(1, |want|).
}

// fixtureAdapters says, per PyOD class, how a case is fitted here. A detector whose model is random in PyOD brings an
// adapter of its own that starts from the exported model.
func fixtureAdapters() map[string]fixtureAdapter {
	return map[string]fixtureAdapter{
		"HBOS":  fixtureHBOS,
		"LOF":   fixtureByName("lof"),
		"KNN":   fixtureByName("knn"),
		"ECOD":  fixtureByName("ecod"),
		"COPOD": fixtureByName("copod"),
		"MAD":   fixtureByName("mad"),
		"KDE":   fixtureByName("kde"),
		"PCA":   fixturePCA,
		"LODA":  fixtureLODA,
		"CBLOF": fixtureCBLOF,
	}
}

// fixtureWithout names the PyOD classes that this package leaves out on purpose.
var fixtureWithout = []string{"COF", "OCSVM"}

// TestFixturesExcerpt runs the excerpt.
func TestFixturesExcerpt(t *testing.T) {
	t.Parallel()
	runFixtures(t, filepath.Join("testdata", "pyod"))
}

// runFixtures checks every file of a folder and logs the parity table.
func runFixtures(t *testing.T, root string) {
	f := &fixtures{root: root, tally: map[string]*fixtureTally{}}
	var manifest struct {
		Versions map[string]string
		Files    []struct{ Path, Kind string }
	}
	f.load(t, "manifest.json", &manifest)
	if len(manifest.Files) == 0 {
		t.Fatal("the manifest lists no files")
	}
	kinds := map[string]func(t *testing.T, path string){
		"data":        f.checkData,
		"detector":    f.checkDetector,
		"forest":      f.checkForest,
		"envelope":    f.checkEnvelope,
		"ensemble":    f.checkEnsemble,
		"combination": f.checkCombination,
		"unit":        f.checkUnit,
		"refusals":    f.checkRefusals,
	}
	t.Run("files", func(t *testing.T) {
		for _, file := range manifest.Files {
			t.Run(strings.TrimSuffix(file.Path, ".json"), func(t *testing.T) {
				t.Parallel()
				check, ok := kinds[file.Kind]
				if !ok {
					t.Fatalf("unknown kind %q", file.Kind)
				}
				check(t, file.Path)
			})
		}
	})
	t.Logf("PyOD %s, scikit-learn %s\n%s", manifest.Versions["pyod"], manifest.Versions["scikit-learn"], f.table())
}

// table returns the parity table as Markdown.
func (f *fixtures) table() string {
	var b strings.Builder
	b.WriteString("| group | files | numbers compared | set aside | largest difference |\n|---|---|---|---|---|\n")
	for _, group := range sortedKeys(f.tally) {
		c := f.tally[group]
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %.1e |\n", group, c.files, c.compared, c.aside, c.worst)
	}
	return b.String()
}

// count changes the tally of a group.
func (f *fixtures) count(group string, change func(c *fixtureTally)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tally[group] == nil {
		f.tally[group] = new(fixtureTally)
	}
	change(f.tally[group])
}

// compare fails the test unless |got-want| <= atol + rtol·|want| or both are NaN or the same infinity.
func (f *fixtures) compare(t *testing.T, group, what string, got, want, rtol, atol float64) {
	t.Helper()
	difference := 0.0
	switch {
	case got == want || math.IsNaN(got) && math.IsNaN(want):
	case !(math.Abs(got-want) <= atol+rtol*math.Abs(want)):
		t.Errorf("%s: got %.17g, want %.17g", what, got, want)
		difference = math.Inf(1)
	default:
		difference = math.Abs(got-want) / max(1, math.Abs(want))
	}
	f.count(group, func(c *fixtureTally) {
		c.compared++
		c.worst = max(c.worst, difference)
	})
}

// load decodes a file after turning each null back into the NaN or infinity it stands for.
func (f *fixtures) load(t *testing.T, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(f.root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	var marks struct {
		Nonfinite map[string]map[string][]int
	}
	if err := json.Unmarshal(raw, &marks); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if len(marks.Nonfinite) > 0 {
		var tree any
		if err := json.Unmarshal(raw, &tree); err != nil {
			t.Fatal(err)
		}
		for place, kinds := range marks.Nonfinite {
			for kind, positions := range kinds {
				for _, i := range positions {
					if !setFlat(tree, strings.Split(place, "/"), i, kind) {
						t.Fatalf("%s: %s position %d is no null", path, place, i)
					}
				}
			}
		}
		if raw, err = json.Marshal(tree); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// setFlat replaces the null at a flat position of the array, or instead of the number, at a place in a tree.
func setFlat(tree any, place []string, position int, kind string) bool {
	var holder any
	at := tree
	for _, key := range place {
		holder = at
		switch v := at.(type) {
		case map[string]any:
			at = v[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil {
				return false
			}
			at = v[i]
		}
	}
	if at == nil {
		holder.(map[string]any)[place[len(place)-1]] = kind
		return position == 0
	}
	return setInArray(at.([]any), &position, kind)
}

func setInArray(array []any, position *int, kind string) bool {
	for i, v := range array {
		if inner, ok := v.([]any); ok {
			if setInArray(inner, position, kind) {
				return true
			}
			continue
		}
		if *position == 0 {
			array[i] = kind
			return v == nil
		}
		*position--
	}
	return false
}

// number64 is a float64 whose JSON may also be "nan", "inf" or "-inf".
type number64 float64

// UnmarshalJSON implements json.Unmarshaler.
func (n *number64) UnmarshalJSON(raw []byte) error {
	v, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	*n = number64(v)
	return err
}

// numbers is a slice of them as float64.
type numbers []float64

// UnmarshalJSON implements json.Unmarshaler.
func (n *numbers) UnmarshalJSON(raw []byte) error {
	var v []number64
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	*n = make(numbers, len(v)) // Empty, not nil: present without rows.
	for i := range v {
		(*n)[i] = float64(v[i])
	}
	return nil
}

// fixtureData is a data set.
type fixtureData struct {
	Columns      []string
	Train, Query []numbers
	QueryLabels  []int `json:"query_labels"`
}

// data loads a data set.
func (f *fixtures) data(t *testing.T, path string) (train, query Matrix, labels []int) {
	t.Helper()
	var d fixtureData
	f.load(t, path, &d)
	return matrixOf(d.Train, len(d.Columns)), matrixOf(d.Query, len(d.Columns)), d.QueryLabels
}

func matrixOf(rows []numbers, cols int) Matrix {
	m := Matrix{Rows: len(rows), Cols: cols}
	for _, row := range rows {
		m.Data = append(m.Data, row...)
	}
	return m
}

func (f *fixtures) checkData(t *testing.T, path string) {
	train, query, _ := f.data(t, path)
	for _, m := range []Matrix{train, query} {
		if m.Rows == 0 || m.Cols == 0 || len(m.Data) != m.Rows*m.Cols {
			t.Errorf("shape %d×%d with %d values", m.Rows, m.Cols, len(m.Data))
		}
	}
}

// without reports, for a detector that this package leaves out, that only what follows from its scores is compared.
func (f *fixtures) without(t *testing.T, detector string) bool {
	if !slices.Contains(fixtureWithout, detector) {
		return false
	}
	t.Logf("%s is not part of this package: only what the base class makes of its scores is compared", detector)
	f.count(detector+" (left out)", func(c *fixtureTally) { c.files++ })
	return true
}
