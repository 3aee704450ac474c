package streams

import (
	"fmt"
	"hash/maphash"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// Record is one record of a topic, as Kafka delivers it. A nil Value is a tombstone, a nil Key is no key.
type Record struct {
	Key, Value []byte
	Timestamp  time.Time // The record's own timestamp.
	Source     Position
	Replay     bool
}

// Limits of what a Decoder accepts.
const (
	MaxEntity    = 255   // Bytes of an entity, and of a feature name of a wildcard stream.
	MaxFeatures  = 1000  // Features of a wildcard stream's event.
	MaxMagnitude = 1e100 // Largest absolute value of a feature: squares and their sums stay finite.
	maxDepth     = 100   // Nested objects and arrays.
	maxInterned  = 1 << 16
	maxShapes    = 1 << 10
)

// Decoder turns the records of one stream into checked events. It is strict: whatever is not clearly an event of the
// stream becomes a Reject, and nothing a record holds makes it fail otherwise. In steady state it allocates nothing.
//
// It is not safe for concurrent use: each partition has its own.
type Decoder struct {
	def      *Definition
	maxBytes int
	plan     *pathNode
	names    []string  // Of the features; nil for a wildcard stream.
	missing  []missing // Policy by feature.
	wildcard missing   // Policy of a wildcard stream.

	// Of the record at hand.
	data    []byte
	pos     int
	bad     *Reject // First complaint about the content; broken JSON takes precedence.
	values  []float64
	seen    []byte // By feature: unseen, null or given.
	time    timestamp
	key     keyField
	wild    wildFields
	members members
	scratch []byte // Unescaped strings.

	entities map[string]string // Interned entities.
}

// Whether the value held a feature.
const (
	unseen byte = iota
	null
	given
)

// missing says what a feature without a value gets.
type missing struct {
	reject bool
	value  float64 // NaN to hold the last value.
}

type timestamp struct {
	value time.Time
	found bool
}

type keyField struct {
	entity string
	found  bool
}

// NewDecoder returns a decoder for the records of a stream whose values have at most maxBytes bytes; 0 is no limit. The
// definition must have been validated and must not change.
func NewDecoder(d *Definition, maxBytes int) *Decoder {
	dec := &Decoder{def: d, maxBytes: maxBytes, plan: newPlan(d), entities: map[string]string{}}
	dec.members.seed = maphash.MakeSeed()
	if d.Wildcard() {
		dec.wildcard = newMissing(d.Features[0].Missing)
		dec.wild.shapes = map[string]*shape{}
		return dec
	}
	for _, f := range d.Features {
		dec.names = append(dec.names, f.Name)
		dec.missing = append(dec.missing, newMissing(f.Missing))
	}
	dec.values = make([]float64, len(d.Features))
	dec.seen = make([]byte, len(d.Features))
	return dec
}

func newMissing(policy string) missing {
	if policy == MissingHold {
		return missing{value: math.NaN()}
	}
	if v, err := strconv.ParseFloat(policy, 64); err == nil {
		return missing{value: v}
	}
	return missing{reject: true}
}

// Decode returns the event in a record, or why there is none. The event's Values belong to the decoder and hold until
// the next call; its Names are shared and never change.
//
// A feature without a value (absent or null) is NaN where the definition holds the last value.
func (d *Decoder) Decode(rec Record) (Event, *Reject) {
	switch {
	case rec.Value == nil:
		return Event{}, &Reject{Code: CodeTombstone, Reason: "the record has no value"}
	case d.maxBytes > 0 && len(rec.Value) > d.maxBytes:
		return Event{}, &Reject{Code: CodeOversize, Reason: fmt.Sprintf("the value has %d bytes, at most %d are accepted", len(rec.Value), d.maxBytes)}
	}
	d.reset(rec.Value)
	if r := d.document(); r != nil {
		return Event{}, r
	}
	if d.bad != nil {
		return Event{}, d.bad
	}
	e := Event{Stream: d.def.Name, Source: rec.Source, Replay: rec.Replay}
	var r *Reject
	if e.Entity, r = d.entity(rec.Key); r != nil {
		return Event{}, r
	}
	if e.Time, r = d.eventTime(rec.Timestamp); r != nil {
		return Event{}, r
	}
	if e.Names, e.Values, r = d.features(); r != nil {
		return Event{}, r
	}
	return e, nil
}

func (d *Decoder) reset(value []byte) {
	d.data, d.pos, d.bad = value, 0, nil
	d.time, d.key = timestamp{}, keyField{}
	d.scratch = d.scratch[:0]
	clear(d.seen)
	d.wild.reset()
	d.members.reset()
}

// entity applies the key rule.
func (d *Decoder) entity(key []byte) (string, *Reject) {
	switch d.def.Key {
	case KeyStream:
		return "", nil
	case KeyRecord:
		if key == nil {
			return "", &Reject{Code: CodeMissingKey, Reason: "the record has no key"}
		}
		entity, reason := d.intern(key)
		if reason != "" {
			return "", &Reject{Code: CodeBadKey, Reason: "the record key " + reason}
		}
		return entity, nil
	}
	if !d.key.found {
		return "", &Reject{Code: CodeMissingKey, Field: d.def.Key, Reason: "the key field is missing"}
	}
	return d.key.entity, nil
}

// eventTime is the time field where there is one, else the record's timestamp.
func (d *Decoder) eventTime(record time.Time) (time.Time, *Reject) {
	if d.def.Time != "" {
		if !d.time.found {
			return time.Time{}, &Reject{Code: CodeBadTime, Field: d.def.Time, Reason: "the time field is missing"}
		}
		return d.time.value, nil
	}
	if record.IsZero() {
		return time.Time{}, &Reject{Code: CodeBadTime, Reason: "the record has no timestamp"}
	}
	if absurd(record) {
		return time.Time{}, &Reject{Code: CodeAbsurdTime, Reason: "the record's timestamp " + describeTime(record)}
	}
	return record.UTC(), nil
}

// features completes the values by the policy for missing ones.
func (d *Decoder) features() ([]string, []float64, *Reject) {
	if d.def.Wildcard() {
		names, values := d.wild.features()
		if len(names) == 0 {
			return nil, nil, &Reject{Code: CodeNoFeatures, Reason: "the object has no numeric field besides key and time"}
		}
		return names, values, nil
	}
	for i, s := range d.seen {
		if s == given {
			continue
		}
		if d.missing[i].reject {
			reason := "the field is missing"
			if s == null {
				reason = "the field is null"
			}
			return nil, nil, &Reject{Code: CodeMissingField, Field: d.def.Features[i].Path, Reason: reason}
		}
		d.values[i] = d.missing[i].value
	}
	return d.names, d.values, nil
}

// intern returns the entity of these bytes, or what is wrong with them.
func (d *Decoder) intern(b []byte) (entity, reason string) {
	if s, ok := d.entities[string(b)]; ok {
		return s, ""
	}
	if reason := checkName(b); reason != "" {
		return "", reason
	}
	if len(d.entities) == maxInterned {
		clear(d.entities)
	}
	s := string(b)
	d.entities[s] = s
	return s, ""
}

// checkName says what is wrong with bytes that name an entity or a feature, "" for nothing. Control characters are
// refused because databases and terminals cannot be trusted with them.
func checkName(b []byte) string {
	switch {
	case len(b) == 0:
		return "is empty"
	case len(b) > MaxEntity:
		return fmt.Sprintf("has %d bytes, at most %d are accepted", len(b), MaxEntity)
	case !utf8.Valid(b):
		return "is not UTF-8"
	}
	for i, c := range b {
		if c < ' ' || c == 0x7f {
			return fmt.Sprintf("holds the control character U+%04X at byte %d", c, i)
		}
	}
	return ""
}

// complain keeps the first complaint about the content.
func (d *Decoder) complain(code, field, format string, args ...any) {
	if d.bad == nil {
		d.bad = &Reject{Code: code, Field: field, Reason: fmt.Sprintf(format, args...)}
	}
}
