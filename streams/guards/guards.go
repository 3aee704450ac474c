package guards

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"anomalystream/streams"
)

// Most rules and windows that a stream may have: each costs work per event.
const (
	maxRules   = 1000
	maxWindows = 1000
	maxName    = 100
	maxPattern = 1000
)

// Problem is one thing wrong with rules or windows.
type Problem struct {
	Path    string // Index and field, for example 2.max.
	Message string // What was found and what was expected.
}

// Error lists everything wrong at once.
type Error struct{ Problems []Problem }

// Error returns the problems, separated by semicolons.
func (e *Error) Error() string {
	parts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		parts[i] = p.Path + ": " + p.Message
	}
	return strings.Join(parts, "; ")
}

// Guards are the rules and windows of one stream. They never change and are safe for concurrent use.
type Guards struct {
	rules   []streams.Rule
	windows []*window
}

// New compiles the rules of a stream and those windows that are its own. The error is an *Error.
func New(d *streams.Definition, rules []streams.Rule, windows []streams.Window) (*Guards, error) {
	compiled, problems := compileWindows(windows)
	g := &Guards{rules: slices.Clone(rules), windows: compiled}
	if problems = append(CheckRules(d, rules), problems...); len(problems) > 0 {
		return nil, &Error{problems}
	}
	g.windows = slices.DeleteFunc(g.windows, func(w *window) bool {
		return len(w.streams) > 0 && !slices.Contains(w.streams, d.Name)
	})
	return g, nil
}

// CheckWindows returns what is wrong with windows.
func CheckWindows(windows []streams.Window) []Problem {
	_, problems := compileWindows(windows)
	return problems
}

// Key is what holds for one detector key. It never changes and is safe for concurrent use.
type Key struct {
	Ranges    []Range     // In the order of the rules.
	Limits    []Limit     // In the order of the rules.
	Relevance []Relevance // By feature; nil where no rule says anything.
	windows   []*window
}

// Range is a hard range of one feature: a value outside is an anomaly.
type Range struct {
	Rule     string
	Feature  int     // Index of the feature.
	Min, Max float64 // An infinity where there is no bound.
}

// Limit is how many anomalies of a key may notify in an hour.
type Limit struct {
	Rule string // Whose limit it is.
	Most int64  // Further ones are suppressed.
}

// Relevance replaces which deviations of a feature matter; what is nil or "" leaves what the feature says.
type Relevance struct {
	Direction          string
	Absolute, Relative *float64
}

// For returns what holds for an entity whose events have these features; nil where nothing does.
func (g *Guards) For(entity string, features []string) *Key {
	k := &Key{}
	for i := range g.rules {
		if r := &g.rules[i]; matches(r.Entity, entity) {
			extend(k, r, features)
		}
	}
	for _, w := range g.windows {
		if matches(w.entity, entity) {
			k.windows = append(k.windows, w)
		}
	}
	if len(k.Ranges)+len(k.Limits)+len(k.Relevance)+len(k.windows) == 0 {
		return nil
	}
	return k
}

// matches reports whether a pattern, "" for every entity, fits.
func matches(pattern, entity string) bool {
	return pattern == "" || streams.MatchPattern(pattern, entity)
}

// Window returns the name of the first window that the time lies in, "" for none, and whether every one of them lets the
// models learn.
func (k *Key) Window(at time.Time) (name string, learn bool) {
	learn = true
	for _, w := range k.windows {
		if !w.contains(at) {
			continue
		}
		if name == "" {
			name = w.name
		}
		learn = learn && w.learn
	}
	return name, learn
}

// Open returns the windows that the time lies in, in their order.
func (g *Guards) Open(at time.Time) (out []streams.OpenWindow) {
	for _, w := range g.windows {
		if w.contains(at) {
			out = append(out, streams.OpenWindow{Name: w.name, Entity: w.entity})
		}
	}
	return out
}

// checker gathers the problems of a list's elements.
type checker struct {
	problems []Problem
	names    map[string]bool
	at       int
}

func (c *checker) bad(field, message string) {
	path := strconv.Itoa(c.at)
	if field != "" {
		path += "." + field
	}
	c.problems = append(c.problems, Problem{path, message})
}

// pattern checks a pattern of entities: any text is one.
func (c *checker) pattern(text string) {
	if len(text) > maxPattern {
		c.bad("entity", "expected at most 1000 characters")
	}
}

// name checks that an element has a name that can stand in reasons, and a name of its own.
func (c *checker) name(name string) {
	switch {
	case name == "" || len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == '\uFFFD' }):
		c.bad("name", "expected a name of 1 to 100 characters; it appears in anomalies")
	case c.names[name]:
		c.bad("name", "found "+strconv.Quote(name)+" twice")
	}
	if c.names == nil {
		c.names = map[string]bool{}
	}
	c.names[name] = true
}
