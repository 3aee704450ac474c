package emitters

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"anomalystream/streams"
)

var start = time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)

func simulate(t testing.TB, stream string, seed uint64, n int) []Event {
	t.Helper()
	s, err := NewSimulator(SimulatorConfig{Stream: stream, Seed: seed, Start: start, Interval: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	out := make([]Event, n)
	for i := range out {
		out[i] = s.Next()
	}
	return out
}

// definition is the built-in stream of that name.
func definition(stream string) *streams.Definition {
	d := streams.DefaultDefinition(stream)
	d.Time = "timestamp"
	for _, f := range map[string][]string{
		"server_metrics": {"cpu_percent", "memory_percent", "latency_ms", "error_rate"},
		"transactions":   {"amount", "hour_of_day", "tx_frequency"},
		"iot_sensors":    {"temperature", "vibration", "pressure", "humidity"},
	}[stream] {
		d.Features = append(d.Features, streams.Feature{Name: f, Path: f, Missing: streams.MissingReject})
	}
	return &d
}

// TestSimulatorsWriteTheirStreams decodes every event as the processors will, and checks the truth stays out of it.
func TestSimulatorsWriteTheirStreams(t *testing.T) {
	t.Parallel()
	entities := map[string]string{"server_metrics": "host", "transactions": "card", "iot_sensors": "device"}
	for _, stream := range SimulatedStreams() {
		def := definition(stream)
		d := streams.NewDecoder(def, 0)
		counts := map[string]int{}
		for i, e := range simulate(t, stream, 1, 5000) {
			got, reject := d.Decode(streams.Record{Key: e.Key, Value: e.Value})
			if reject != nil {
				t.Fatalf("%s: %s: %v", stream, e.Value, reject)
			}
			if want := start.Add(time.Duration(i) * 10 * time.Millisecond); !got.Time.Equal(want) || !e.Time.Equal(want) {
				t.Fatalf("%s: event %d: got times %v and %v, want %v", stream, i, got.Time, e.Time, want)
			}
			var value map[string]any
			if err := json.Unmarshal(e.Value, &value); err != nil {
				t.Fatal(err)
			}
			if value[entities[stream]] != string(e.Key) || len(value) != 2+len(def.Features) {
				t.Fatalf("%s: key %s, value %s", stream, e.Key, e.Value)
			}
			counts[got.Entity]++
		}
		if len(counts) < 4 {
			t.Errorf("%s: only the entities %v", stream, counts)
		}
		for entity, n := range counts {
			if n < 500 {
				t.Errorf("%s: %s has %d of 5000 events", stream, entity, n)
			}
		}
	}
}

func TestSimulatorIsDeterministic(t *testing.T) {
	t.Parallel()
	for _, stream := range SimulatedStreams() {
		if !reflect.DeepEqual(simulate(t, stream, 7, 3000), simulate(t, stream, 7, 3000)) {
			t.Errorf("%s: the same seed gave other events", stream)
		}
		if reflect.DeepEqual(simulate(t, stream, 7, 10), simulate(t, stream, 8, 10)) {
			t.Errorf("%s: another seed gave the same events", stream)
		}
	}
}

// TestFaultsComeInTime checks that the first faults come soon after the warm-up, that every kind comes, and that faults
// stay rare.
func TestFaultsComeInTime(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"server_metrics": {FaultIncident, FaultOutage, FaultLeak},
		"transactions":   {FaultFraudAmount, FaultFraudHour, FaultFraudBurst},
		"iot_sensors":    {FaultEquipment, FaultStuck},
	}
	for _, stream := range SimulatedStreams() {
		events := simulate(t, stream, 3, 40_000)
		seen, perEntity, faulty := map[string]int{}, map[string]int{}, 0
		first := -1
		for i, e := range events {
			perEntity[string(e.Key)]++
			if e.Truth == "" {
				continue
			}
			faulty++
			seen[e.Truth]++
			if first < 0 {
				first = i
			}
			if perEntity[string(e.Key)] <= 250 {
				t.Errorf("%s: a fault at event %d of %s", stream, perEntity[string(e.Key)], e.Key)
			}
		}
		for _, name := range want[stream] {
			if seen[name] < 3 {
				t.Errorf("%s: %d events of fault %s", stream, seen[name], name)
			}
		}
		if len(seen) != len(want[stream]) {
			t.Errorf("%s: faults %v, want %v", stream, seen, want[stream])
		}
		if share := float64(faulty) / float64(len(events)); share > 0.03 {
			t.Errorf("%s: %.3f of the events are faulty", stream, share)
		}
		if first > 250*10 {
			t.Errorf("%s: the first fault comes at event %d", stream, first)
		}
	}
}

// TestTrafficIsBelievable holds the normal events to what makes them look like the real thing.
func TestTrafficIsBelievable(t *testing.T) {
	t.Parallel()
	columns := func(stream, entity string) map[string][]float64 {
		out := map[string][]float64{}
		reading := 0.0
		for _, e := range simulate(t, stream, 5, 30_000) {
			if string(e.Key) != entity {
				continue
			}
			reading++
			if e.Truth != "" {
				continue
			}
			out["reading"] = append(out["reading"], reading)
			var v map[string]any
			if err := json.Unmarshal(e.Value, &v); err != nil {
				t.Fatal(err)
			}
			for name, x := range v {
				if x, ok := x.(float64); ok {
					out[name] = append(out[name], x)
				}
			}
		}
		return out
	}
	server := columns("server_metrics", "web-1")
	if r := correlation(server["cpu_percent"], server["latency_ms"]); r < 0.3 {
		t.Errorf("processor and latency correlate by %.2f", r)
	}
	var east, north []float64 // Where the hand of a clock of 24 hours points.
	for _, i := range server["reading"] {
		sin, cos := math.Sincos(2 * math.Pi * i / 288)
		east, north = append(east, sin), append(north, cos)
	}
	if r := math.Hypot(correlation(server["cpu_percent"], east), correlation(server["cpu_percent"], north)); r < 0.3 {
		t.Errorf("the processor follows the day by %.2f only", r)
	}
	if tail := skewness(server["latency_ms"]); tail < 1 {
		t.Errorf("latency has a skewness of %.2f", tail)
	}
	for _, v := range server["memory_percent"] {
		if v < 0 || v > 100 {
			t.Fatalf("memory of %v %%", v)
		}
	}
	card := columns("transactions", "card-1021")
	if tail := skewness(card["amount"]); tail < 1 {
		t.Errorf("amounts have a skewness of %.2f", tail)
	}
	night := 0
	for _, hour := range card["hour_of_day"] {
		if hour != math.Trunc(hour) || hour < 0 || hour > 23 {
			t.Fatalf("hour of day %v", hour)
		}
		if hour >= 2 && hour < 5 {
			night++
		}
	}
	if share := float64(night) / float64(len(card["hour_of_day"])); share > 0.03 {
		t.Errorf("%.3f of the payments happen at night", share)
	}
	device := columns("iot_sensors", "pump-1")
	if r := correlation(device["vibration"], device["pressure"]); r < 0.3 {
		t.Errorf("vibration and pressure correlate by %.2f", r)
	}
	if r := correlation(device["temperature"], device["humidity"]); r > -0.3 {
		t.Errorf("temperature and humidity correlate by %.2f", r)
	}
}

// TestPaymentFrequency counts the payments of a card in the last day independently, from the simulated times.
func TestPaymentFrequency(t *testing.T) {
	t.Parallel()
	w := newCards(SimulatorConfig{Stream: "transactions", Seed: 2}.WithDefaults())
	history := map[string][]float64{}
	for _, c := range w.all {
		history[c.number] = append([]float64{}, c.recent...)
	}
	last := 0.0
	for range 20_000 {
		due := map[string]float64{}
		for _, c := range w.all {
			due[c.number] = c.due
		}
		entity, b, _ := w.next([]byte(`{"x":0`))
		at := due[entity]
		if at < last {
			t.Fatalf("a payment at %v after one at %v", at, last)
		}
		last = at
		history[entity] = append(history[entity], at)
		want := 0
		for _, h := range history[entity][max(0, len(history[entity])-200):] {
			if h > at-24 {
				want++
			}
		}
		var v struct {
			Frequency int     `json:"tx_frequency"`
			Hour      float64 `json:"hour_of_day"`
		}
		if err := json.Unmarshal(append(b, '}'), &v); err != nil {
			t.Fatal(err)
		}
		if v.Frequency != want || v.Hour != math.Floor(math.Mod(at, 24)) {
			t.Fatalf("payment at %v: got frequency %d and hour %v, want %d", at, v.Frequency, v.Hour, want)
		}
	}
}

func TestSimulatorConfig(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]SimulatorConfig{
		"unknown stream":    {Stream: "weather", Start: start},
		"no start":          {Stream: "transactions"},
		"negative interval": {Stream: "transactions", Start: start, Interval: -1},
		"negative calm":     {Stream: "transactions", Start: start, Calm: -1},
	} {
		if _, err := NewSimulator(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func mean(x []float64) (m float64) {
	for _, v := range x {
		m += v / float64(len(x))
	}
	return m
}

func correlation(x, y []float64) float64 {
	mx, my := mean(x), mean(y)
	var xy, xx, yy float64
	for i := range x {
		xy += (x[i] - mx) * (y[i] - my)
		xx += (x[i] - mx) * (x[i] - mx)
		yy += (y[i] - my) * (y[i] - my)
	}
	return xy / math.Sqrt(xx*yy)
}

func skewness(x []float64) float64 {
	m := mean(x)
	var s2, s3 float64
	for _, v := range x {
		s2 += (v - m) * (v - m) / float64(len(x))
		s3 += (v - m) * (v - m) * (v - m) / float64(len(x))
	}
	return s3 / math.Pow(s2, 1.5)
}

func BenchmarkSimulator(b *testing.B) {
	for _, stream := range SimulatedStreams() {
		b.Run(stream, func(b *testing.B) {
			s, err := NewSimulator(SimulatorConfig{Stream: stream, Start: start})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				s.Next()
			}
		})
	}
}
