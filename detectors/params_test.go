package detectors

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// TestNewRefusesParameters: every refusal names the detector and the parameter.
func TestNewRefusesParameters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		detector, param string
		values          []any
	}{
		{"iforest", "n_estimators", []any{0, -1, 2.5, "many", true, 10001}},
		{"iforest", "max_samples", []any{0, -1, 1.5, "all", nil}},
		{"iforest", "max_features", []any{-1, 1.5, "all"}},
		{"iforest", "bootstrap", []any{1, "yes"}},
		{"iforest", "mode", []any{"loose", 1}},
		{"iforest", "random_state", []any{1}},
		{"lof", "n_neighbors", []any{0, -1, 2.5, "k"}},
		{"lof", "metric", []any{"nonsense", 2}},
		{"lof", "p", []any{0, -1, math.NaN(), math.Inf(1), "2"}},
		{"knn", "n_neighbors", []any{0}},
		{"knn", "method", []any{"nonsense"}},
		{"hbos", "n_bins", []any{2, 0, -1, 2.5, "sturges"}},
		{"hbos", "alpha", []any{0, 1, -0.1, math.NaN()}},
		{"hbos", "tol", []any{0, 1, 1.5}},
		{"hbos", "contamination", []any{0, -0.1, 0.51, 1, "auto"}},
	} {
		for _, value := range c.values {
			d, err := New(Spec{c.detector, map[string]any{c.param: value}})
			var param *ParamError
			if !errors.As(err, &param) || param.Param != c.param || param.Detector != c.detector {
				t.Errorf("%s with %s %v: got %v and error %v, want a *ParamError", c.detector, c.param, value, d, err)
			} else if !strings.Contains(err.Error(), c.param) || !strings.Contains(err.Error(), "want") {
				t.Errorf("%s: the message %q does not say what was expected", c.param, err)
			}
		}
	}
	if _, err := New(Spec{"nonsense", nil}); err == nil || !strings.Contains(err.Error(), "iforest, lof, hbos") {
		t.Errorf("an unknown detector: got %v, want an error with the known ones", err)
	}
	if _, err := New(Spec{"lof", map[string]any{"k": 3, "n_neighbors": 4}}); err == nil {
		t.Error("two names of one parameter were accepted")
	}
}

// TestNewAcceptsParameters in every number type of YAML and JSON, by either name, at the ends of the ranges.
func TestNewAcceptsParameters(t *testing.T) {
	t.Parallel()
	for _, c := range []Spec{
		{"iforest", map[string]any{"trees": uint64(50), "sample_size": int64(64), "features": 0.5}},
		{"iforest", map[string]any{"estimators": float32(10), "max_samples": "auto", "max_features": 0, "bootstrap": true}},
		{"lof", map[string]any{"neighbors": uint32(1), "metric": "l1", "p": 3, "mode": "fixed"}},
		{"lof", map[string]any{"k": int32(7), "p": 0.5}},
		{"knn", map[string]any{"n_neighbors": uint(9), "method": "median"}},
		{"hbos", map[string]any{"bins": 3.0, "alpha": 0.99, "tol": 0.01, "contamination": 0.5}},
		{"hbos", map[string]any{"n_bins": "auto"}},
	} {
		d, err := New(c)
		if err != nil {
			t.Errorf("%v: %v", c, err)
			continue
		}
		if err := d.Fit(gaussian(80, 3, 1), 1); err != nil {
			t.Errorf("%v: fit: %v", c, err)
		}
	}
	if got := len(Names()); got < 4 {
		t.Errorf("got %d names", got)
	}
}
