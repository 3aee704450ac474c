package detectors

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
)

// fixtureLODA starts from the exported projections, and compares histograms: edges within rounding of the projection.
func fixtureLODA(t *testing.T, f *fixtures, c *fixtureCase, x Matrix) (fixtureModel, error) {
	var model struct{ Projections, Edges, Mass []numbers }
	d, err := New(fixtureSpec("loda", c.Params))
	if err != nil {
		return fixtureModel{}, err
	}
	if len(c.Model) == 0 {
		return fixtureByName("loda")(t, f, c, x)
	}
	if err := json.Unmarshal(c.Model, &model); err != nil {
		t.Fatal(err)
	}
	l := d.(*LODA)
	if len(model.Projections) != l.cuts {
		t.Fatalf("%s: got %d projections, want %d", c.Case, len(model.Projections), l.cuts)
	}
	l.weights = matrixOf(model.Projections, x.Cols).Data
	if err := l.fit(x); err != nil {
		return fixtureModel{}, err
	}
	for cut := range l.cuts {
		edges, zeros := l.edges[l.first[cut]:l.first[cut+1]], 0
		if len(edges) != len(model.Edges[cut]) {
			t.Fatalf("%s: projection %d: got %d edges, want %d", c.Case, cut, len(edges), len(model.Edges[cut]))
		}
		for i, want := range model.Edges[cut] {
			f.compare(t, "LODA", fmt.Sprintf("%s: edge %d of projection %d", c.Case, i, cut), edges[i], want, 1e-9, 1e-12)
		}
		for b, mass := range model.Mass[cut] {
			f.compare(t, "LODA", fmt.Sprintf("%s: bin %d of projection %d", c.Case, b, cut), l.terms[int(l.first[cut])-cut+b], -math.Log(mass), 1e-9, 1e-9)
		}
		for _, w := range model.Projections[cut] {
			if w == 0 {
				zeros++
			}
		}
		if want := x.Cols - int(math.Sqrt(float64(x.Cols))); zeros != want {
			t.Errorf("%s: got %d zeros in projection %d, want %d", c.Case, zeros, cut, want)
		}
	}
	return fixtureModel{train: l.scores, score: l.Score}, nil
}
