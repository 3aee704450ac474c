package suggest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"anomalystream/emitters"
	"anomalystream/streams"
)

// Suggestion is a proposed configuration and the reasons for it.
type Suggestion struct {
	Definition streams.Definition
	Summary    []string          // What the sample holds.
	Reasons    map[string]string // By configuration key: key, time, rate, profile, detectors, vote, alert.
	Features   map[string]string // Reason by feature.
	LeftOut    []string          // Fields that are no features, each with the reason.
}

// FromFiles proposes a configuration for the stream of that name from the beginnings of files: CSV or JSON
// Lines. Where there are several, a file's name stands for a record key.
func FromFiles(ctx context.Context, name string, paths []string) (*Suggestion, error) {
	s := NewSample()
	for _, path := range paths {
		if err := s.addFile(ctx, path, maxEvents/len(paths), len(paths) > 1); err != nil {
			return nil, fmt.Errorf("sampling: %w", err)
		}
	}
	return s.Suggest(name)
}

// FromRecords proposes a configuration for the stream of that name from records, until next returns io.EOF or the sample
// is full. Another error of next ends it.
func FromRecords(ctx context.Context, name string, next func() (streams.Record, error)) (*Suggestion, error) {
	s := NewSample()
	for !s.Full() {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("sampling: %w", err)
		}
		r, err := next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("sampling: %w", err)
		}
		s.Add(r.Key, r.Value, r.Timestamp)
	}
	return s.Suggest(name)
}

func (s *Sample) addFile(ctx context.Context, path string, limit int, keyed bool) error {
	f, err := emitters.OpenFile(path, emitters.FileOptions{})
	if err != nil {
		return err
	}
	defer f.Close()
	var key []byte
	if keyed {
		key = []byte(f.Stem())
	}
	for range limit {
		row, err := f.Next()
		var bad *emitters.LineError
		switch {
		case err == io.EOF:
			return nil
		case errors.As(err, &bad):
			s.refuse(bad.Error())
			continue
		case err != nil:
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		s.Add(key, row.Value, time.Time{})
	}
	return nil
}

// minEvents is the smallest sample that says anything.
const minEvents = 20

// Suggest proposes a configuration for the stream of that name. The error says what a sample would have to hold.
func (s *Sample) Suggest(name string) (*Suggestion, error) {
	if s.events < minEvents {
		err := fmt.Errorf("suggesting a configuration: the sample has %d events, expected at least %d", s.events, minEvents)
		if s.bad > 0 {
			err = fmt.Errorf("%w; %d others could not be read, the first because %s", err, s.bad, s.reason)
		}
		return nil, err
	}
	out := &Suggestion{Definition: streams.DefaultDefinition(name), Reasons: map[string]string{}, Features: map[string]string{}}
	p := &proposal{Sample: s, out: out, def: &out.Definition}
	p.chooseTime()
	p.chooseKey()
	p.pace()
	p.chooseFeatures()
	if len(p.def.Features) == 0 {
		return nil, fmt.Errorf("suggesting a configuration: none of the %d fields is a number that varies: %s", len(s.fields), strings.Join(out.LeftOut, "; "))
	}
	p.chooseRate()
	p.chooseDetectors()
	p.summarize()
	return out, nil
}

// proposal is a suggestion in the making.
type proposal struct {
	*Sample
	out      *Suggestion
	def      *streams.Definition
	time     *field
	key      *field
	entities int           // In the sample.
	entity   []int         // By event.
	interval time.Duration // Between events of an entity, the median; 0 if unknown.
	memory   float64       // Median over the features of the correlation with the value before.
	payments bool          // Events are transactions.
}

// chooseTime takes the field that reads as a time in all events, the best-named one if there are several.
func (p *proposal) chooseTime() {
	var best *field
	for _, f := range p.order {
		if len(f.clock) < p.events {
			continue
		}
		// A bare number may be anything: it needs a name, or to advance like a clock.
		if first, last, backward := f.clockSpan(); f.textual == 0 && timeName(f.path) == 0 && (backward > p.events/20 || last.Sub(first) < time.Minute) {
			continue
		}
		if best == nil || timeName(f.path) > timeName(best.path) {
			best = f
		}
	}
	if best == nil {
		p.out.Reasons["time"] = "no field reads as a time in every event, so the record's timestamp counts"
		return
	}
	p.time, p.def.Time = best, best.path
	format := "RFC 3339"
	if best.textual == 0 {
		format = "Unix time"
	}
	first, last, backward := best.clockSpan()
	p.out.Reasons["time"] = fmt.Sprintf("%s in every event, from %s to %s", format, first.Format(time.RFC3339), last.Format(time.RFC3339))
	if backward > 0 {
		p.out.Reasons["time"] += fmt.Sprintf("; it steps back %d times", backward)
	}
}

// timeName rates how much a name looks like that of the event time.
func timeName(path string) int {
	name := strings.ToLower(path[strings.LastIndexByte(path, '.')+1:])
	names := []string{"date", "at", "ts", "datetime", "time", "event_time", "eventtime", "@timestamp", "timestamp"}
	return slices.Index(names, name) + 1
}

// chooseKey takes the record key if it tells entities apart, else the field that does, else one detector for all. Each
// detector needs its own warm-up, so a key with too few events per value is no use.
func (p *proposal) chooseKey() {
	p.entity, p.entities = make([]int, p.events), 1
	if n := len(p.keys.byEvent); n == p.events && !p.keys.overflow && p.worthwhile(p.keys) {
		p.use(p.keys)
		p.def.Key = streams.KeyRecord
		p.out.Reasons["key"] = "the record key: " + p.describeKey(p.keys)
		return
	}
	var best *field
	var rare []string
	for _, f := range p.order {
		if !p.mayBeKey(f) {
			continue
		}
		if f.values.overflow || !p.worthwhile(f.values) {
			if keyName(f.path) > 0 {
				rare = append(rare, fmt.Sprintf("%s has %d values in %d events, too few for a warm-up of each", f.path, len(f.values.texts), p.events))
			}
			continue
		}
		if best == nil || keyName(f.path) > keyName(best.path) {
			best = f
		}
	}
	if best == nil {
		p.def.Key = streams.KeyStream
		rare = append(rare, "one detector for the whole stream")
		p.out.Reasons["key"] = strings.Join(rare, "; ")
		return
	}
	p.use(best.values)
	p.key, p.def.Key = best, best.path
	p.out.Reasons["key"] = p.describeKey(best.values)
}

// mayBeKey reports whether a field can name entities: a text or an integer in every event, not a time, and not something
// that counts or measures.
func (p *proposal) mayBeKey(f *field) bool {
	switch {
	case f == p.time, len(f.clock) == p.events, f.strings+f.numbers < p.events, f.strings > 0 && f.numbers > 0:
		return false
	case f.numbers > 0:
		return f.integers == f.numbers && idName(f.path)
	}
	return true
}

// use makes the entities of the sample those of a field.
func (p *proposal) use(v *values) {
	for event := range p.entity {
		p.entity[event] = v.byEvent[event]
	}
	p.entities = len(v.texts)
}

func (p *proposal) describeKey(v *values) string {
	shown := strings.Join(v.usual(4), ", ")
	if len(v.texts) > 4 {
		shown += " ..."
	}
	return fmt.Sprintf("%d values (%s), %d events each on average", len(v.texts), shown, p.events/len(v.texts))
}

// worthwhile reports whether there is more than one entity and enough events for the detector of each, judged by the
// sample.
func (p *proposal) worthwhile(v *values) bool { return len(v.texts) > 1 && p.events/len(v.texts) >= 60 }

// pace measures how far apart the events of an entity are.
func (p *proposal) pace() {
	last := make([]time.Time, p.entities)
	var gaps []time.Duration
	for event := range p.events {
		at := p.times[event]
		if p.time != nil {
			at = p.time.clock[event].at // The field is in every event.
		}
		before := &last[p.entity[event]]
		if !at.IsZero() && !before.IsZero() && !at.Before(*before) {
			gaps = append(gaps, at.Sub(*before))
		}
		*before = at
	}
	if len(gaps) > 0 {
		slices.Sort(gaps)
		p.interval = gaps[len(gaps)/2]
	}
}

func idName(path string) bool {
	name := strings.ToLower(path)
	return name == "id" || strings.HasSuffix(name, "_id") || strings.HasSuffix(name, ".id") || strings.HasSuffix(name, "id") && strings.HasSuffix(path, "Id")
}

// keyName rates how much a name looks like that of an entity.
func keyName(path string) int {
	name := strings.ToLower(path[strings.LastIndexByte(path, '.')+1:])
	for _, word := range []string{"host", "device", "card", "sensor", "machine", "server", "instance", "node", "account", "customer", "entity", "service", "pod"} {
		if strings.Contains(name, word) {
			return 2
		}
	}
	if idName(path) {
		return 1
	}
	return 0
}

// manyFeatures is from how many features on any detector's vote gains: a fault of one of them is hidden from a majority. Of
// fewer it finds less than a majority on simulated faults.
const manyFeatures = 10

// chooseDetectors keeps the default three voters. What joins or changes them is what gained most on public labelled streams
// of the kind, see docs/detection-quality.md.
func (p *proposal) chooseDetectors() {
	p.out.Reasons["detectors"] = "the default three: they see isolated, locally odd and rare values"
	fourth := func(reason string) {
		p.def.Detectors = append(p.def.Detectors, streams.DetectorSpec{Name: "mahalanobis", Weight: 1})
		p.out.Reasons["detectors"] = "the default three and a fourth that sees columns part that move together: " + reason
	}
	columns := 0
	for _, f := range p.def.Features {
		columns += len(f.Transforms)
	}
	switch n := len(p.def.Features); {
	case p.memory <= 0.3: // Events that stand for themselves, like payments.
	case n == 1:
		if columns > 1 {
			fourth("they found more of what was labelled in single series")
		}
		p.def.Alert = streams.AlertForest
		p.out.Reasons["alert"] = "tells a series' rare alarms from its noise, in the same unit on every series"
	case n < manyFeatures:
		fourth("they found more of what was labelled in metrics")
	default:
		p.def.Vote = streams.VoteAny
		p.out.Reasons["vote"] = fmt.Sprintf("a fault of one of %d features is seen by one detector, seldom by a majority; the requested rate holds as well", n)
	}
	if p.entities > 500 {
		p.def.Profile = streams.ProfileCompact
		p.def.Window, p.def.Buffer = 256, 1000
		p.out.Reasons["profile"] = fmt.Sprintf("%d detectors or more: small windows keep them in memory", p.entities)
	}
}

// chooseRate keeps one in a hundred unless that would be more alarms than a person reads in a day.
func (p *proposal) chooseRate() {
	const perDay = 50.0
	reason := "the default: one false alarm in a hundred events"
	if p.interval > 0 {
		events := 24 * float64(time.Hour) / float64(p.interval) * float64(p.entities)
		if rate := perDay / events; rate < p.def.Rate {
			p.def.Rate = math.Max(0.001, round1(rate))
			reason = "below the default of 0.01, for fewer alarms in a day"
		}
		reason += fmt.Sprintf("; %s events a day at this pace make %s false alarms", human(events), human(events*p.def.Rate))
	}
	p.out.Reasons["rate"] = reason
}

func (p *proposal) summarize() {
	line := fmt.Sprintf("%d events", p.events)
	if p.entities > 1 {
		line += fmt.Sprintf(" of %d entities", p.entities)
	}
	if p.interval > 0 {
		line += fmt.Sprintf(", one each %s per entity", p.interval)
	}
	p.out.Summary = append(p.out.Summary, line)
	if p.bad > 0 {
		p.out.Summary = append(p.out.Summary, fmt.Sprintf("%d more could not be read, the first because %s", p.bad, p.reason))
	}
	if each := p.events / p.entities; each < p.def.WarmUp {
		p.out.Summary = append(p.out.Summary, fmt.Sprintf("the sample is shorter than the warm-up: %d events per entity of %d", each, p.def.WarmUp))
	}
}

// round1 rounds to one significant digit.
func round1(v float64) float64 {
	scale := math.Pow(10, math.Floor(math.Log10(v)))
	return math.Round(v/scale) * scale
}

// human writes a number with two or three digits.
func human(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2g", v)
}
