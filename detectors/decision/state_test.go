package decision

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestSampleAgreesWithSorting puts values with many ties, ramps and runs into a sample and compares its answers with those
// of a sorted copy.
func TestSampleAgreesWithSorting(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 400).Draw(t, "size")
		kind := rapid.IntRange(0, 3).Draw(t, "kind")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		s := newSample(size)
		var past []float32
		for n := range 1200 {
			v := float32(rng.NormFloat64())
			switch kind {
			case 1:
				v = float32(rng.IntN(3)) - 1
			case 2:
				v = float32(n)
			case 3:
				v = float32(math.Copysign(0, rng.NormFloat64()))
			}
			s.add(v)
			if past = append(past, v); len(past) > size {
				past = past[1:]
			}
			sorted := slices.Sorted(slices.Values(past))
			if n%7 == 0 {
				m := 1 + rng.IntN(len(past))
				if got, want := s.largest(m), sorted[len(past)-m:]; !slices.Equal(got, want) {
					t.Fatalf("the %d largest of %d are %v, want %v", m, len(past), got, want)
				}
			}
			j := int(0.02*float64(len(past)+1) + 1e-9)
			if j == 0 {
				continue
			}
			if got, want := s.threshold(0.02, -1e9), float64(sorted[len(past)-j]); got != want {
				t.Fatalf("event %d: the threshold is %v, want %v", n, got, want)
			}
		}
	})
}

// TestRestoreGoesOnAlike saves and restores a calibrator in the middle of waiting alarms and compares what follows.
func TestRestoreGoesOnAlike(t *testing.T) {
	t.Parallel()
	cfg := Config{Weights: []float64{1, 2, 1}, Buffer: 400, Delay: 300, Regime: true}
	src := &source{rng: rand.New(rand.NewPCG(1, 2)), k: 3}
	want := New(cfg)
	want.Rescale(training(src.rows(200)))
	for range 150 {
		want.Seed(src.next())
	}
	got := want
	for n := range 3000 {
		if n%61 == 0 {
			var ok bool
			if got, ok = Restore(cfg, got.Memory()); !ok {
				t.Fatalf("event %d: its own memory is refused", n)
			}
		}
		if n%700 == 600 {
			src.level = 3 - src.level
		}
		row := src.next()
		a, b := want.Judge(row, 0.01), got.Judge(row, 0.01)
		want.Learn(&a)
		got.Learn(&b)
		if a.Score != b.Score || a.Threshold != b.Threshold || a.Drift != b.Drift {
			t.Fatalf("event %d: %+v, restored %+v", n, a, b)
		}
	}
}

// TestRestoreRefusesDamage gives memories that no calibrator can have.
func TestRestoreRefusesDamage(t *testing.T) {
	t.Parallel()
	cfg := Config{Weights: ones(2), Buffer: 3, Delay: 300}
	good := func() Memory {
		return Memory{Scales: make([]Scale, 2), Past: []float32{1, 2}, WaitAt: []int64{3, 4}, Wait: []float32{5, 6}, Clock: 9, Needed: 100}
	}
	if _, ok := Restore(cfg, good()); !ok {
		t.Fatal("a possible memory is refused")
	}
	for name, damage := range map[string]func(*Memory){
		"detectors":     func(m *Memory) { m.Scales = m.Scales[:1] },
		"too many past": func(m *Memory) { m.Past = make([]float32, 4) },
		"past is NaN":   func(m *Memory) { m.Past[0] = float32(math.NaN()) },
		"waiting":       func(m *Memory) { m.Wait = m.Wait[:1] },
		"waiting NaN":   func(m *Memory) { m.Wait[1] = float32(math.NaN()) },
		"order":         func(m *Memory) { m.WaitAt[0] = 5 },
		"future":        func(m *Memory) { m.WaitAt[1] = 10 },
		"clock":         func(m *Memory) { m.Clock = -1 },
		"needed":        func(m *Memory) { m.Needed = -1 },
	} {
		m := good()
		damage(&m)
		if _, ok := Restore(cfg, m); ok {
			t.Errorf("%s: the memory is accepted", name)
		}
	}
}

// BenchmarkDecision measures one decision of the default ensemble and what it remembers.
func BenchmarkDecision(b *testing.B) {
	src := &source{rng: rand.New(rand.NewPCG(1, 2)), k: 3}
	c := New(Config{Weights: ones(3), Buffer: 5000, Delay: 300, Regime: true})
	c.Rescale(training(src.rows(2000)))
	rows := src.rows(1 << 14)
	for _, row := range rows {
		d := c.Judge(row, 0.01)
		c.Learn(&d)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		d := c.Judge(rows[i&(len(rows)-1)], 0.01)
		c.Learn(&d)
		i++
	}
	b.ReportMetric(float64(4*cap(c.past.ring)+4*cap(c.past.top)+16*cap(c.waiting)), "state-B")
}
