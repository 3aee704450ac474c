package streams

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sensors is a stream with a policy of each kind, a nested path, and key and time fields.
func sensors() *Definition {
	d := DefaultDefinition("sensors")
	d.Key, d.Time = "device.id", "at"
	d.Features = []Feature{
		{Name: "temperature", Path: "temperature", Missing: MissingReject},
		{Name: "vibration", Path: "readings.vibration", Missing: MissingHold},
		{Name: "pressure", Path: "readings.pressure", Missing: "101.5"},
	}
	return &d
}

func wildcard(missing string) *Definition {
	d := DefaultDefinition("any")
	d.Key, d.Time = "host", "at"
	d.Features = []Feature{{Name: "*", Path: "*", Missing: missing}}
	return &d
}

func TestDecode(t *testing.T) {
	t.Parallel()
	second := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	source := Position{Topic: "sensors", Partition: 3, Offset: 99}
	byRecord := sensors()
	byRecord.Key, byRecord.Time = KeyRecord, ""
	byStream := sensors()
	byStream.Key = KeyStream
	names := []string{"temperature", "vibration", "pressure"}
	tests := map[string]struct {
		def   *Definition
		rec   Record
		want  Event
		again bool // The same decoder has read another record before.
	}{
		"nested paths": {sensors(),
			Record{Value: []byte(`{"at":"2026-01-02T15:04:05Z","device":{"id":"d1","site":"x"},"temperature":20.5,"readings":{"pressure":99,"vibration":-1e-3}}`)},
			Event{Entity: "d1", Time: second, Names: names, Values: []float64{20.5, -0.001, 99}}, false},
		"dotted names": {sensors(),
			Record{Value: []byte(`{"at":1767366245,"device.id":"d1","temperature":1,"readings.vibration":2,"readings":{"pressure":3}}`)},
			Event{Entity: "d1", Time: second, Names: names, Values: []float64{1, 2, 3}}, false},
		"missing by policy": {sensors(),
			Record{Value: []byte(`{"at":1767366245000,"device":{"id":17},"temperature":1,"readings":{"vibration":null}}`)},
			Event{Entity: "17", Time: second, Names: names, Values: []float64{1, math.NaN(), 101.5}}, false},
		"space, escapes and fields nobody wants": {sensors(),
			Record{Value: []byte(" {\n\"\\u0061t\" : \"2026-01-02T16:04:05+01:00\" ,\t\"device\":{\"id\":\"\\u00e4\\ud83d\\ude00\\n\"}, \"temperature\":1E2,\"other\":[{},[],true,false,null,\"\\\"\",{\"a\":{\"a\":1}}]}\r\n"), Key: []byte("ignored")},
			Event{}, false}, // A line break in the key: see below.
		"record key and timestamp": {byRecord,
			Record{Key: []byte("pump 7"), Timestamp: second, Source: source, Replay: true, Value: []byte(`{"temperature":0}`)},
			Event{Entity: "pump 7", Time: second, Names: names, Values: []float64{0, math.NaN(), 101.5}, Source: source, Replay: true}, true},
		"one detector for the stream": {byStream,
			Record{Value: []byte(`{"temperature":0,"at":1767366245.25}`)},
			Event{Time: second.Add(250 * time.Millisecond), Names: names, Values: []float64{0, math.NaN(), 101.5}}, false},
		"wildcard sorts": {wildcard(MissingReject),
			Record{Value: []byte(`{"z":1,"host":"h","b":2,"at":1767366245,"note":"text","on":true,"gone":null,"deep":{"x":1},"list":[1],"a":3}`)},
			Event{Entity: "h", Time: second, Names: []string{"a", "b", "z"}, Values: []float64{3, 2, 1}}, true},
		"wildcard holds": {wildcard(MissingHold),
			Record{Value: []byte(`{"z":1,"host":"h","b":null,"at":1767366245}`)},
			Event{Entity: "h", Time: second, Names: []string{"b", "z"}, Values: []float64{math.NaN(), 1}}, false},
		"wildcard fills": {wildcard("7"),
			Record{Value: []byte(`{"z":1,"host":"h","b":null,"at":1767366245}`)},
			Event{Entity: "h", Time: second, Names: []string{"b", "z"}, Values: []float64{7, 1}}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := NewDecoder(tt.def, 1000)
			if tt.again {
				d.Decode(Record{Value: []byte(`{"x":1,"x":2,"at":5,"temperature":9,"z":4,"readings":{"vibration":8}}`)})
			}
			got, r := d.Decode(tt.rec)
			if tt.want.Names == nil {
				if r == nil || r.Code != CodeBadKey {
					t.Fatalf("got %v, want %s", r, CodeBadKey)
				}
				return
			}
			if r != nil {
				t.Fatal(r)
			}
			tt.want.Stream = tt.def.Name
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateNaNs()); diff != "" {
				t.Errorf("event differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeRejects(t *testing.T) {
	t.Parallel()
	const good = `{"at":1767366245,"device":{"id":"d"},"temperature":1}`
	with := func(old, new string) string {
		s := strings.Replace(good, old, new, 1)
		if s == good {
			panic("no " + old)
		}
		return s
	}
	tests := map[string]struct {
		value, code, field, reason string
	}{
		"empty":                        {``, CodeNotJSON, "", "byte 0"},
		"only space":                   {"  ", CodeNotJSON, "", "the end at byte 2"},
		"cut off":                      {good[:20], CodeNotJSON, "", "byte 20"},
		"trailing data":                {good + " {}", CodeNotJSON, "", "data after the end"},
		"not UTF-8":                    {with("d\"}", "d\xff\"}"), CodeNotJSON, "", `not UTF-8, found 0xFF at byte 34`},
		"not UTF-8 after an escape":    {with("d\"}", "\\n\xff\"}"), CodeNotJSON, "", "not UTF-8"},
		"not UTF-8 where nobody looks": {with("{", "{\"a\xc0\xaf\":1,"), CodeNotJSON, "", "not UTF-8"},
		"byte order mark":              {"\ufeff" + good, CodeNotJSON, "", "byte 0"},
		"unpaired surrogate":           {with("d\"}", `\ud800"}`), CodeNotJSON, "", "escape"},
		"unknown escape":               {with("d\"}", `\x"}`), CodeNotJSON, "", "escape"},
		"raw control character":        {with("d\"}", "\x01\"}"), CodeNotJSON, "", "control character"},
		"no colon":                     {with(`:1}`, ` 1}`), CodeNotJSON, "", "expected ':'"},
		"no comma":                     {with(`,"temp`, ` "temp`), CodeNotJSON, "", "expected ','"},
		"comma at the end":             {with("1}", "1,}"), CodeNotJSON, "", "name of a member"},
		"single quotes":                {`{'a':1}`, CodeNotJSON, "", "name of a member"},
		"comment":                      {"// x\n" + good, CodeNotJSON, "", "byte 0"},
		"leading zero":                 {with(":1}", ":01}"), CodeNotJSON, "", "leading zero"},
		"plus sign":                    {with(":1}", ":+1}"), CodeNotJSON, "", "expected a value"},
		"point without digits":         {with(":1}", ":1.}"), CodeNotJSON, "", "decimal point"},
		"exponent without digits":      {with(":1}", ":1e}"), CodeNotJSON, "", "exponent"},
		"hexadecimal":                  {with(":1}", ":0x1}"), CodeNotJSON, "", "expected ','"},
		"word cut short":               {with(":1}", ":tru}"), CodeNotJSON, "", "expected a value"},
		"broken after a wrong type":    {`{"temperature":"x",]`, CodeNotJSON, "", "byte 19"},
		"array":                        {"[" + good + "]", CodeNotObject, "", "not an object"},
		"text":                         {`"x"`, CodeNotObject, "", "not an object"},
		"duplicate":                    {with("{", `{"temperature":2,`), CodeDuplicate, "temperature", "again before byte"},
		"duplicate by escape":          {with("{", `{"\u0061t":1767366245,`), CodeDuplicate, "at", "again"},
		"duplicate nobody wants":       {with("{", `{"x":{"y":[{"q":1,"q":1}]},`), CodeDuplicate, "q", "again"},
		"nested and dotted":            {with("{", `{"device.id":"e",`), CodeDuplicate, "device.id", "dotted name"},
		"number as text":               {with(":1}", `:"1"}`), CodeWrongType, "temperature", "found a string at byte 51, expected a number"},
		"boolean":                      {with(":1}", `:true}`), CodeWrongType, "temperature", "found true"},
		"array for a number":           {with(":1}", `:[1]}`), CodeWrongType, "temperature", "found an array"},
		"object for a number":          {with(":1}", `:{"v":1}}`), CodeWrongType, "temperature", "found an object"},
		"NaN":                          {with(":1}", `:NaN}`), CodeNotFinite, "temperature", "byte 51"},
		"minus Infinity":               {with(":1}", `:-Infinity}`), CodeNotFinite, "temperature", "byte 51"},
		"nan":                          {with(":1}", `:nan}`), CodeNotFinite, "temperature", "byte 51"},
		"beyond float64":               {with(":1}", `:1e999}`), CodeNotFinite, "temperature", "1e999 at byte 51"},
		"huge":                         {with(":1}", `:-1e101}`), CodeOutOfRange, "temperature", "-1e101 at byte 51"},
		"missing":                      {with(`,"temperature":1`, ``), CodeMissingField, "temperature", "is missing"},
		"null":                         {with(`:1}`, `:null}`), CodeMissingField, "temperature", "is null"},
		"missing in a nested object":   {with(`{"id":"d"}`, `{}`), CodeMissingKey, "device.id", "missing"},
		"null key":                     {with(`"d"`, `null`), CodeMissingKey, "device.id", "null"},
		"empty key":                    {with(`"d"`, `""`), CodeBadKey, "device.id", "is empty"},
		"fractional key":               {with(`"d"`, `1.0`), CodeBadKey, "device.id", "1.0"},
		"boolean key":                  {with(`"d"`, `false`), CodeBadKey, "device.id", "found false"},
		"long key":                     {with(`"d"`, `"`+strings.Repeat("x", 256)+`"`), CodeBadKey, "device.id", "256 bytes"},
		"key with a zero byte":         {with(`"d"`, `"a\u0000"`), CodeBadKey, "device.id", "U+0000 at byte 1"},
		"no time":                      {with(`"at":1767366245,`, ``), CodeBadTime, "at", "missing"},
		"null time":                    {with(`1767366245`, `null`), CodeBadTime, "at", "null"},
		"unreadable time":              {with(`1767366245`, `"yesterday"`), CodeBadTime, "at", `"yesterday" at byte 6`},
		"digits in a string":           {with(`1767366245`, `"1767366245"`), CodeBadTime, "at", "RFC 3339"},
		"no such day":                  {with(`1767366245`, `"2026-02-30T00:00:00Z"`), CodeBadTime, "at", "2026-02-30"},
		"boolean time":                 {with(`1767366245`, `true`), CodeBadTime, "at", "found true"},
		"negative time":                {with(`1767366245`, `-5`), CodeAbsurdTime, "at", "-5"},
		"time of 1970":                 {with(`1767366245`, `0`), CodeAbsurdTime, "at", "1971"},
		"time in microseconds":         {with(`1767366245`, `1767366245000000`), CodeAbsurdTime, "at", "2099"},
		"time beyond float64":          {with(`1767366245`, `1e999`), CodeAbsurdTime, "at", "1e999"},
		"year 9999":                    {with(`1767366245`, `"9999-12-31T23:59:59Z"`), CodeAbsurdTime, "at", "9999-12-31"},
		"too deep":                     {with("{", `{"x":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+`,`), CodeTooDeep, "", "100 levels"},
		"oversize":                     {with("{", `{"x":"`+strings.Repeat("y", 5000)+`",`), CodeOversize, "", "at most 5000"},
	}
	if _, r := NewDecoder(sensors(), 5000).Decode(Record{Value: []byte(good)}); r != nil {
		t.Fatalf("the record that the cases change: %v", r)
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := NewDecoder(sensors(), 5000)
			_, r := d.Decode(Record{Value: []byte(tt.value)})
			if r == nil {
				t.Fatalf("accepted, want %s", tt.code)
			}
			if r.Code != tt.code || r.Field != tt.field || !strings.Contains(r.Reason, tt.reason) {
				t.Errorf("got code %q, field %q, reason %q\nwant %q, %q, %q", r.Code, r.Field, r.Reason, tt.code, tt.field, tt.reason)
			}
			if _, r := d.Decode(Record{Value: []byte(good)}); r != nil {
				t.Errorf("the good record after it: %v", r)
			}
		})
	}
}

func TestDecodeRejectsRecords(t *testing.T) {
	t.Parallel()
	def := sensors()
	def.Key, def.Time = KeyRecord, ""
	ok := []byte(`{"temperature":1}`)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		rec  Record
		code string
	}{
		"tombstone":         {Record{Key: []byte("k"), Timestamp: at}, CodeTombstone},
		"null key":          {Record{Value: ok, Timestamp: at}, CodeMissingKey},
		"empty key":         {Record{Value: ok, Timestamp: at, Key: []byte{}}, CodeBadKey},
		"key not UTF-8":     {Record{Value: ok, Timestamp: at, Key: []byte("\xff")}, CodeBadKey},
		"control character": {Record{Value: ok, Timestamp: at, Key: []byte("a\tb")}, CodeBadKey},
		"no timestamp":      {Record{Value: ok, Key: []byte("k")}, CodeBadTime},
		"timestamp 0":       {Record{Value: ok, Key: []byte("k"), Timestamp: time.UnixMilli(0)}, CodeAbsurdTime},
		"far future":        {Record{Value: ok, Key: []byte("k"), Timestamp: MaxTime}, CodeAbsurdTime},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, r := NewDecoder(def, 0).Decode(tt.rec)
			if r == nil || r.Code != tt.code {
				t.Fatalf("got %v, want %s", r, tt.code)
			}
		})
	}
}

func TestDecodeWildcardRejects(t *testing.T) {
	t.Parallel()
	var wide strings.Builder
	wide.WriteString(`{"host":"h","at":1767366245`)
	for i := range MaxFeatures + 1 {
		wide.WriteString(`,"f` + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + time.Duration(i).String() + `":1`)
	}
	wide.WriteString("}")
	for value, code := range map[string]string{
		`{"host":"h","at":1767366245}`:               CodeNoFeatures,
		`{"host":"h","at":1767366245,"a":"1"}`:       CodeNoFeatures,
		`{"host":"h","at":1767366245,"a":1e999}`:     CodeNotFinite,
		`{"host":"h","at":1767366245,"a":-inf}`:      CodeNotFinite,
		`{"host":"h","at":1767366245,"a":1,"a":1}`:   CodeDuplicate,
		`{"host":"h","at":1767366245,"a\u0000":1}`:   CodeWrongType,
		`{"host":"h","at":1767366245,"a":1,"b":nul}`: CodeNotJSON,
		wide.String(): CodeShape,
	} {
		if _, r := NewDecoder(wildcard(MissingReject), 0).Decode(Record{Value: []byte(value)}); r == nil || r.Code != code {
			t.Errorf("%.80s: got %v, want %s", value, r, code)
		}
	}
}

// TestDecodeManyMembers checks that an object of many members is read in linear time and that its names are all kept.
func TestDecodeManyMembers(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"at":1767366245,"device":{"id":"d"},"temperature":1`)
	for i := range 100_000 {
		b.WriteString(`,"n` + time.Duration(i).String() + `":0`)
	}
	d := NewDecoder(sensors(), 0)
	if _, r := d.Decode(Record{Value: []byte(b.String() + "}")}); r != nil {
		t.Fatal(r)
	}
	_, r := d.Decode(Record{Value: []byte(b.String() + `,"n7ns":1}`)})
	if r == nil || r.Code != CodeDuplicate || r.Field != "n7ns" {
		t.Fatalf("got %v, want %s", r, CodeDuplicate)
	}
}

// TestDecodeAllocates holds the decoder to its promise of no allocation in steady state.
func TestDecodeAllocates(t *testing.T) {
	for name, tt := range decodeCases() {
		d := NewDecoder(tt.def, 1<<20)
		if got := testing.AllocsPerRun(100, func() {
			if _, r := d.Decode(tt.rec); r != nil {
				t.Fatal(r)
			}
		}); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, got)
		}
	}
}

type decodeCase struct {
	def *Definition
	rec Record
}

func decodeCases() map[string]decodeCase {
	metrics := DefaultDefinition("server_metrics")
	metrics.Time, metrics.Key = "timestamp", "host"
	for _, f := range []string{"cpu_percent", "memory_percent", "latency_ms", "error_rate"} {
		metrics.Features = append(metrics.Features, Feature{Name: f, Path: f, Missing: MissingReject})
	}
	any := wildcard(MissingReject)
	any.Time = "timestamp"
	rec := Record{Value: []byte(`{"timestamp":"2026-01-02T15:04:05.123Z","host":"web-1","cpu_percent":41.73,"memory_percent":62.108,"latency_ms":118.4,"error_rate":0.0021}`)}
	return map[string]decodeCase{"named": {&metrics, rec}, "wildcard": {any, rec}, "nested": {sensors(),
		Record{Value: []byte(`{"at":"2026-01-02T16:04:05+01:00","device":{"id":"d\u00e4"},"temperature":1,"readings":{"vibration":2}}`)}}}
}

func BenchmarkDecode(b *testing.B) {
	for name, tt := range decodeCases() {
		b.Run(name, func(b *testing.B) {
			d := NewDecoder(tt.def, 1<<20)
			b.ReportAllocs()
			for b.Loop() {
				if _, r := d.Decode(tt.rec); r != nil {
					b.Fatal(r)
				}
			}
		})
	}
}
