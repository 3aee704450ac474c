package processors

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"anomalystream/detectors"
	"anomalystream/detectors/decision"
	"anomalystream/detectors/features"
	"anomalystream/streams"
	"anomalystream/streams/guards"
)

// Engine is the detection of one stream: what Step needs besides the state of a key. It holds no state of keys, and is safe
// for concurrent use on different states.
type Engine struct {
	def       streams.Definition
	rule      decision.Config
	fixed     *plan // Of a stream with named features; nil for a wildcard stream.
	specs     []detectors.Spec
	alertSpec detectors.Spec // Of the alert forest; no name where the alert score is the depth.
	shape     string         // What saved states must have been saved under.
	rate      atomic.Uint64  // Bits of the requested rate.
	guards    atomic.Pointer[guards.Guards]

	mu    sync.Mutex
	plans map[string]*plan // Of a wildcard stream, by feature names.

	works sync.Pool // Of *work.
}

// plan is how events with these features become rows.
type plan struct {
	names       []string
	pipeline    *features.Pipeline
	alert       *features.Pipeline // Columns of the alert forest; nil where the alert score is the depth.
	source      []int              // Feature of each column.
	columnNames []string           // Of each column; "" where it is its feature's value and nothing else is.
	raw         []int              // Where a stored row has the raw value of each feature.
	width       int                // Length of a stored row: columns, those of the alert forest, raw values that are no column.
	matters     []relevance
	selected    bool    // Some feature has a relevance that can fail.
	holds       []int64 // How many equal values in a row are an anomaly, by feature: 0 for never, byHistory for what the key tells.
}

// relevance says which deviations of a feature matter.
type relevance struct {
	up, down           bool
	absolute, relative float64
}

// everything reports whether any deviation matters.
func (r relevance) everything() bool { return r.up && r.down && r.absolute == 0 && r.relative == 0 }

// matters reports whether this value's deviation from the expected one does.
func (r relevance) matter(value, expected float64) bool {
	d := value - expected
	if d > 0 && !r.up || d < 0 && !r.down {
		return false
	}
	return math.Abs(d) >= r.absolute && math.Abs(d) >= r.relative*math.Abs(expected)
}

// NewEngine returns the engine of a stream. It refuses a definition whose detectors or transforms cannot be made.
func NewEngine(d *streams.Definition) (*Engine, error) {
	e := &Engine{def: *d, plans: map[string]*plan{}}
	e.rule = decision.Config{Mean: d.Combine == streams.CombineMean, Buffer: d.Buffer, Delay: d.Delay, Regime: d.Regime}
	switch d.Vote {
	case streams.VoteAny:
		e.rule.Vote = decision.Any
	case streams.VoteAll:
		e.rule.Vote = decision.All
	}
	for _, s := range d.Detectors {
		spec := detectors.Spec{Name: s.Name, Params: s.Params}
		if d.Profile == streams.ProfileCompact {
			spec = compact(spec)
		}
		if _, err := detectors.New(spec); err != nil {
			return nil, fmt.Errorf("stream %s: %w", d.Name, err)
		}
		e.specs = append(e.specs, spec)
		weight := s.Weight
		if weight == 0 {
			weight = 1
		}
		e.rule.Weights = append(e.rule.Weights, weight)
	}
	if d.Alert == streams.AlertForest {
		e.alertSpec = detectors.Spec{Name: "rcf"}
		if d.Profile == streams.ProfileCompact {
			e.alertSpec = compact(e.alertSpec)
		}
		if _, err := detectors.New(e.alertSpec); err != nil {
			return nil, fmt.Errorf("stream %s: alert score: %w", d.Name, err)
		}
	}
	if !(d.Threshold > 0 && d.Threshold < 1) {
		return nil, fmt.Errorf("stream %s: threshold %v is not between 0 and 1", d.Name, d.Threshold)
	}
	if err := e.rule.Validate(); err != nil {
		return nil, fmt.Errorf("stream %s: %w", d.Name, err)
	}
	e.SetRate(d.Rate)
	own, err := guards.New(d, d.Rules, d.Maintenance)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", d.Name, err)
	}
	e.SetGuards(own)
	e.shape = e.fingerprint()
	if d.Wildcard() {
		if _, err := e.newPlan([]string{"*", "*"}, d.Features); err != nil {
			return nil, fmt.Errorf("stream %s: %w", d.Name, err)
		}
		return e, nil
	}
	names := make([]string, len(d.Features))
	for i, f := range d.Features {
		names[i] = f.Name
	}
	e.fixed, err = e.newPlan(names, d.Features)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", d.Name, err)
	}
	return e, nil
}

// compact makes a forest small where the configuration does not say how large: for very many keys.
func compact(s detectors.Spec) detectors.Spec {
	if s.Name != "iforest" && s.Name != "rcf" {
		return s
	}
	params := map[string]any{"n_estimators": 50, "max_samples": 64}
	for k, v := range s.Params {
		params[k] = v
	}
	for alias, name := range map[string]string{"estimators": "n_estimators", "trees": "n_estimators", "sample_size": "max_samples"} {
		if _, ok := s.Params[alias]; ok {
			delete(params, name)
		}
	}
	return detectors.Spec{Name: s.Name, Params: params}
}

// newPlan plans the rows of events with these features; settings has one entry per name, or one for all.
func (e *Engine) newPlan(names []string, settings []streams.Feature) (*plan, error) {
	p := &plan{names: names}
	var list []features.Feature
	for i, name := range names {
		f := settings[0]
		if len(settings) == len(names) {
			f = settings[i]
		}
		transforms, err := transformsOf(f, len(names))
		if err != nil {
			return nil, err
		}
		list = append(list, features.Feature{Name: name, Transforms: transforms})
		r := relevance{up: f.Direction != streams.DirectionDown, down: f.Direction != streams.DirectionUp, absolute: f.MinDeviation, relative: f.MinRelative}
		p.matters = append(p.matters, r)
		p.selected = p.selected || !r.everything()
		hold, err := holdOf(f)
		if err != nil {
			return nil, err
		}
		p.holds = append(p.holds, hold)
	}
	p.pipeline = features.NewPipeline(list)
	if e.alertSpec.Name != "" {
		var fast []features.Feature
		for _, f := range list {
			fast = append(fast, features.Feature{Name: f.Name, Transforms: speeds()})
		}
		p.alert = features.NewPipeline(fast)
	}
	for _, c := range p.pipeline.Columns() {
		name := c.String()
		if c.Transform.Kind == features.Value && len(list[c.Feature].Transforms) == 1 {
			name = ""
		}
		p.source, p.columnNames = append(p.source, c.Feature), append(p.columnNames, name)
	}
	p.layRaw()
	return p, nil
}

// layRaw places the raw values: where the column "value" has them, else behind the columns.
func (p *plan) layRaw() {
	p.width = p.columns()
	if p.alert != nil {
		p.width += len(p.alert.Columns())
	}
	for j := range p.names {
		at := slices.IndexFunc(p.pipeline.Columns(), func(c features.Column) bool { return c.Feature == j && c.Transform.Kind == features.Value })
		if at < 0 {
			at = p.width
			p.width++
		}
		p.raw = append(p.raw, at)
	}
}

func transformsOf(f streams.Feature, count int) ([]features.Transform, error) {
	if len(f.Transforms) == 0 {
		return features.Defaults(count), nil
	}
	var out []features.Transform
	for _, text := range f.Transforms {
		t, err := features.ParseTransform(text)
		if err != nil {
			return nil, fmt.Errorf("feature %s: %w", f.Name, err)
		}
		out = append(out, t)
	}
	return out, nil
}

// planFor returns the plan of events with these feature names.
func (e *Engine) planFor(names []string) *plan {
	if e.fixed != nil {
		return e.fixed
	}
	id := strings.Join(names, "\x00")
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.plans[id]
	if p == nil {
		p, _ = e.newPlan(slices.Clone(names), e.def.Features) // NewEngine has read the transforms.
		e.plans[id] = p
	}
	return p
}

// columns is the number of columns the detectors see.
func (p *plan) columns() int { return len(p.source) }

// SetRate changes the requested false-alarm rate; the next event is judged by it, without a refit. After a crash, events
// around the change may be judged by the other rate than before.
func (e *Engine) SetRate(rate float64) { e.rate.Store(math.Float64bits(rate)) }

// Rate returns the requested false-alarm rate.
func (e *Engine) Rate() float64 { return math.Float64frombits(e.rate.Load()) }

// Definition returns the stream's definition.
func (e *Engine) Definition() *streams.Definition { return &e.def }

// keep is how many rows a state keeps: the window of the last fit and everything since, so that a restored state can fit its
// models again.
func (e *Engine) keep() int { return e.def.Window + e.def.Refit }

// seed is the seed of one fit of one key: a number per (stream seed, entity, generation, part).
func (e *Engine) seed(entity string, generation int64, part uint64) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(streams.DetectorKey(e.def.Name, entity)))
	x := h.Sum64() ^ e.def.Seed*0x9e3779b97f4a7c15
	for _, v := range [2]uint64{uint64(generation), part} {
		x += v + 0x9e3779b97f4a7c15
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		x ^= x >> 31
	}
	return x
}
