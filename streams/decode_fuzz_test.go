package streams

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// FuzzDecode compares the decoder with encoding/json: what it accepts is JSON and holds the same numbers.
func FuzzDecode(f *testing.F) {
	for _, tt := range decodeCases() {
		f.Add(tt.rec.Value)
	}
	for _, s := range []string{
		`{"at":1767366245.5,"device.id":"x","temperature":-0.0,"readings":{"vibration":1e-400,"pressure":null}}`,
		`{"at":17673662450e-1,"host":5,"device":{"id":5},"temperature":123456789012345678901234567890,"a":[[1]]}`,
		`{"at":"2026-01-02 15:04","host":"\ud83d\ude00","x":1,"y":2e2,"\u0078":3}`,
		`{"host":NaN}`, `[]`, `{"a":{"a":{"a":"\\"}}}`, "{\"\xff\":1}", `{"at":1e999}`, `{`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if value == nil {
			value = []byte{}
		}
		for _, def := range []*Definition{sensors(), wildcard(MissingReject), wildcard(MissingHold)} {
			d := NewDecoder(def, 0)
			e, r := d.Decode(Record{Value: value})
			if r != nil {
				if r.Code == "" || r.Reason == "" {
					t.Fatalf("%s: a reject without code or reason: %+v", def.Name, r)
				}
				continue
			}
			names, values := slices.Clone(e.Names), slices.Clone(e.Values)
			want := oracle(t, def, value)
			for i, name := range names {
				w, ok := want[name]
				if !ok && !math.IsNaN(values[i]) && values[i] != 101.5 {
					t.Errorf("%s: feature %q is %v, the value has none", def.Name, name, values[i])
				}
				if ok && math.Float64bits(w) != math.Float64bits(values[i]) {
					t.Errorf("%s: feature %q: got %v, want %v", def.Name, name, values[i], w)
				}
			}
			if e.Time.Before(MinTime) || !e.Time.Before(MaxTime) || e.Entity == "" {
				t.Errorf("%s: accepted time %v, entity %q", def.Name, e.Time, e.Entity)
			}
			again, r := d.Decode(Record{Value: value})
			if r != nil || again.Entity != e.Entity || !again.Time.Equal(e.Time) || !slices.Equal(again.Names, names) || !sameBits(again.Values, values) {
				t.Errorf("%s: the second reading differs: %v, %v", def.Name, again, r)
			}
		}
	})
}

// oracle reads the numbers of a value with encoding/json.
func oracle(t *testing.T, def *Definition, value []byte) map[string]float64 {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.UseNumber()
	var object map[string]any
	if err := dec.Decode(&object); err != nil || !json.Valid(value) {
		t.Fatalf("accepted what encoding/json does not read: %v", err)
	}
	flat := map[string]float64{}
	for name, v := range object {
		flatten(flat, name, v, !def.Wildcard())
	}
	if def.Wildcard() {
		return flat
	}
	out := map[string]float64{}
	for _, f := range def.Features {
		if v, ok := flat[f.Path]; ok {
			out[f.Name] = v
		}
	}
	return out
}

func flatten(out map[string]float64, name string, v any, deep bool) {
	switch v := v.(type) {
	case json.Number:
		if f, err := strconv.ParseFloat(string(v), 64); err == nil {
			out[name] = f
		}
	case map[string]any:
		for k, member := range v {
			if deep {
				flatten(out, name+"."+k, member, deep)
			}
		}
	}
}

func sameBits(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
}

// TestDecodeAcceptsEvents is the other direction: every event that encoding/json writes is accepted, with its values.
func TestDecodeAcceptsEvents(t *testing.T) {
	t.Parallel()
	d := NewDecoder(sensors(), 0)
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Float64Range(-MaxMagnitude, MaxMagnitude)
		want := []float64{number.Draw(t, "temperature"), number.Draw(t, "vibration"), number.Draw(t, "pressure")}
		entity := rapid.StringMatching(`[^\x00-\x1f\x7f]{1,60}`).Draw(t, "entity")
		at := time.Unix(rapid.Int64Range(MinTime.Unix(), MaxTime.Unix()-1).Draw(t, "second"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanos"))
		zone := time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(t, "zone"))
		event := map[string]any{
			"at": at.In(zone).Format(time.RFC3339Nano), "device": map[string]any{"id": entity}, "temperature": want[0],
			"readings": map[string]any{"vibration": want[1], "pressure": want[2], rapid.StringMatching(`x.*`).Draw(t, "other"): []any{nil, true, "s"}},
		}
		value, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		e, r := d.Decode(Record{Value: value})
		if r != nil {
			t.Fatalf("%s: %v", value, r)
		}
		if e.Entity != entity || !e.Time.Equal(at) || e.Time.Location() != time.UTC || !sameBits(e.Values, want) {
			t.Fatalf("got %q %v %v, want %q %v %v", e.Entity, e.Time, e.Values, entity, at, want)
		}
	})
}

// TestParseTime compares with time.Parse where both apply: that one takes offsets of 24 hours, which RFC 3339 does not have.
func TestParseTime(t *testing.T) {
	t.Parallel()
	utc := func(y int, m time.Month, d, h, min, s, ns int) time.Time {
		return time.Date(y, m, d, h, min, s, ns, time.UTC)
	}
	for text, want := range map[string]time.Time{
		"2026-01-02T15:04:05Z":           utc(2026, 1, 2, 15, 4, 5, 0),
		"2026-01-02t15:04:05.123456789z": utc(2026, 1, 2, 15, 4, 5, 123456789),
		"2026-01-02T15:04:05.1234567899": utc(2026, 1, 2, 15, 4, 5, 123456789),
		"2026-01-02 15:04:05-02:30":      utc(2026, 1, 2, 17, 34, 5, 0),
		"2014-07-01 00:00":               utc(2014, 7, 1, 0, 0, 0, 0),
		"2024-02-29":                     utc(2024, 2, 29, 0, 0, 0, 0),
		"1767366245":                     utc(2026, 1, 2, 15, 4, 5, 0),
		"1767366245.000000001":           utc(2026, 1, 2, 15, 4, 5, 1),
		"1767366245123":                  utc(2026, 1, 2, 15, 4, 5, 123e6),
		"1767366245123.5":                utc(2026, 1, 2, 15, 4, 5, 123500e3),
		"1.767366245e9":                  utc(2026, 1, 2, 15, 4, 5, 0),
	} {
		if got, ok := ParseTime([]byte(text)); !ok || !got.Equal(want) {
			t.Errorf("%s: got %v %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "-", "now", "2026", "2026-1-2", "2025-02-29", "2026-13-01T00:00:00Z", "2026-01-02T24:00:00Z", "2026-01-02T15:60:00Z",
		"2026-01-02T15:04:60Z", "2026-01-02T15:04:05+0100", "2026-01-02T15:04:05.Z", "2026-01-02T15:04:05 Z", "2026-01-02T15:04:05+24:00",
		"1969-01-01T00:00:00Z", "2100-01-01T00:00:00Z", "5", "99999999999999", "1e400", "17673662451234567890", "1.7.1", "2026-01-02T15:04:05Zx",
	} {
		if got, ok := ParseTime([]byte(text)); ok {
			t.Errorf("%q was read as %v", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,9})?(Z|[+-][01][0-9]:[0-5][0-9])`).Draw(t, "text")
		want, err := time.Parse(time.RFC3339, text)
		got, ok := ParseTime([]byte(text))
		if ok != (err == nil && !absurd(want)) || ok && !got.Equal(want) {
			t.Fatalf("%s: got %v %v, time.Parse gives %v %v", text, got, ok, want, err)
		}
	})
}

func ExampleDecoder() {
	def := DefaultDefinition("sensors")
	def.Key, def.Time = "device", "at"
	def.Features = []Feature{{Name: "temperature", Path: "readings.temperature", Missing: MissingReject}}
	d := NewDecoder(&def, 1<<20)
	e, _ := d.Decode(Record{Value: []byte(`{"at": 1767366245, "device": "pump-1", "readings": {"temperature": 20.5}}`)})
	fmt.Println(e.Key(), e.Time.Format(time.RFC3339), e.Names, e.Values)
	_, reject := d.Decode(Record{Value: []byte(`{"at": 1767366245, "device": "pump-1", "readings": {"temperature": "20.5"}}`)})
	fmt.Println(reject)
	// Output:
	// sensors/pump-1 2026-01-02T15:04:05Z [temperature] [20.5]
	// wrong_type: field "readings.temperature": found a string at byte 67, expected a number
}
