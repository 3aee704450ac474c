package detectors

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// params reads the parameters of one detector: by PyOD's name or the short one, with a default and a range. The first
// error sticks, so that a constructor reads everything and asks once, with done.
type params struct {
	detector string
	given    map[string]any
	read     map[string]bool
	failure  *ParamError

	contamination float64
}

// newParams reads what all detectors share and leaves the rest to the constructor.
func newParams(spec Spec) *params {
	p := &params{detector: spec.Name, given: spec.Params, read: map[string]bool{}}
	p.contamination = p.float("contamination", 0.1, "a number in (0, 0.5]", func(v float64) bool { return v > 0 && v <= 0.5 })
	return p
}

// done returns the first error: a wrong value, or a parameter that nobody asked for.
func (p *params) done() error {
	for _, name := range sortedKeys(p.given) {
		if !p.read[name] {
			p.fail(name, p.given[name], "one of the parameters "+strings.Join(sortedKeys(p.read), ", "))
		}
	}
	if p.failure == nil {
		return nil // Not p.failure: a nil *ParamError in an error is not nil.
	}
	return p.failure
}

// fail notes what is wrong with a parameter, unless something was before.
func (p *params) fail(name string, value any, want string) {
	if p.failure == nil {
		p.failure = &ParamError{Detector: p.detector, Param: name, Value: value, Want: want}
	}
}

// lookup returns the value given under one of the names, which are separated by "|": PyOD's first, then short forms.
func (p *params) lookup(names string) (name string, value any, ok bool) {
	for alias := range strings.SplitSeq(names, "|") {
		p.read[alias] = true
		v, given := p.given[alias]
		switch {
		case given && ok:
			p.fail(alias, v, "only one of the names "+strings.ReplaceAll(names, "|", ", "))
		case given:
			name, value, ok = alias, v, true
		}
	}
	return name, value, ok
}

// int reads a whole number from low to high. A float without a fraction counts, as JSON has no other numbers.
func (p *params) int(names string, def, low, high int) int {
	name, value, ok := p.lookup(names)
	if !ok {
		return def
	}
	if n, whole := wholeNumber(value); whole && n >= low && n <= high {
		return n
	}
	want := fmt.Sprintf("a whole number of at least %d", low)
	if high < math.MaxInt {
		want = fmt.Sprintf("a whole number from %d to %d", low, high)
	}
	p.fail(name, value, want)
	return def
}

// float reads a finite number that valid accepts; want says what that is.
func (p *params) float(names string, def float64, want string, valid func(float64) bool) float64 {
	name, value, ok := p.lookup(names)
	if !ok {
		return def
	}
	if v, isNumber := number(value); isNumber && !math.IsNaN(v) && !math.IsInf(v, 0) && valid(v) {
		return v
	}
	p.fail(name, value, want)
	return def
}

// bool reads a truth value.
func (p *params) bool(names string, def bool) bool {
	name, value, ok := p.lookup(names)
	if !ok {
		return def
	}
	if v, isBool := value.(bool); isBool {
		return v
	}
	p.fail(name, value, "true or false")
	return def
}

// choice reads one of the options; the first is the default.
func (p *params) choice(names string, options ...string) string {
	name, value, ok := p.lookup(names)
	if !ok {
		return options[0]
	}
	if v, isString := value.(string); isString && slices.Contains(options, v) {
		return v
	}
	p.fail(name, value, "one of "+strings.Join(options, ", "))
	return options[0]
}

// strict reads mode: true for PyOD's numbers to the bit, artefacts included, false (the default) for the corrected form.
func (p *params) strict() bool { return p.choice("mode", "fixed", "strict") == "strict" }

// number returns any of the number types that YAML and JSON decoders produce as a float64.
func number(value any) (float64, bool) {
	switch v := value.(type) {
	case float64:
		return v, true
	case float32:
		return float64(v), true
	}
	n, ok := wholeNumber(value)
	return float64(n), ok
}

// wholeNumber returns a value that is a whole number, within the range of an int, as one.
func wholeNumber(value any) (int, bool) {
	switch v := value.(type) {
	case int:
		return v, true
	case int64:
		return int(v), true
	case int32:
		return int(v), true
	case uint64:
		return int(min(v, math.MaxInt)), v <= math.MaxInt
	case uint32:
		return int(v), true
	case uint:
		return int(min(v, math.MaxInt)), v <= math.MaxInt
	case float32:
		return wholeNumber(float64(v))
	case float64:
		return int(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
	}
	return 0, false
}

// sortedKeys returns the keys of a map in order: what is reported must not depend on the map's.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
