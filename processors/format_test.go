package processors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"anomalystream/streams"
)

var update = flag.Bool("update", false, "write the golden files of the present format version")

// goldenStates are the states whose saved forms are kept in testdata, each with the number of events it has seen. The files of
// an old version are never written again: a binary must read them, or refuse them by name.
func goldenStates() map[string]struct {
	change   func(*streams.Definition)
	events   int
	verdicts []*streams.Feedback // Applied after them.
} {
	return map[string]struct {
		change   func(*streams.Definition)
		events   int
		verdicts []*streams.Feedback
	}{
		"warm-up": {func(d *streams.Definition) { d.WarmUp, d.Window, d.Refit = 40, 60, 30 }, 17, nil},
		"fitted":  {func(d *streams.Definition) { d.WarmUp, d.Window, d.Refit, d.Buffer = 40, 60, 30, 100 }, 205, nil},
		"compact": {func(d *streams.Definition) {
			d.WarmUp, d.Window, d.Refit, d.Buffer, d.Profile = 40, 60, 90, 100, streams.ProfileCompact
			d.Features[0].Transforms = []string{"diff", "season_residual"} // Its raw value is no column.
		}, 205, nil},
		"guards": {func(d *streams.Definition) {
			d.WarmUp, d.Window, d.Refit, d.Buffer = 40, 60, 30, 100
			top := 11.5
			d.Rules = []streams.Rule{{Name: "top", Field: "a", Max: &top}, {Name: "few", MaxAnomalies: 2}}
			d.Features[0].Stuck, d.Features[1].Stuck = streams.StuckAuto, "3"
			d.Late = streams.Late{After: time.Minute, Policy: streams.LateScore}
		}, 75, nil},
		"wildcard": {func(d *streams.Definition) {
			d.WarmUp, d.Window, d.Refit, d.Buffer = 40, 60, 30, 100
			d.Features = []streams.Feature{{Name: "*", Missing: streams.MissingReject, Direction: streams.DirectionBoth}}
		}, 75, nil},
		"verdicts": {func(d *streams.Definition) { d.WarmUp, d.Window, d.Refit, d.Buffer = 40, 60, 30, 100 }, 205, []*streams.Feedback{
			said("one", streams.VerdictReal, 170, 180), said("two", streams.VerdictExpected, 190, 199), said("three", streams.VerdictNoise, 200, 203),
			takenBack("three", 5), takenBack("unknown", 6),
		}},
	}
}

// lived returns the state after some events.
func lived(t testing.TB, e *Engine, events int) *State {
	t.Helper()
	s, _ := livedOn(t, e, events)
	return s
}

// livedOn returns the state after some events, and the traffic that goes on.
func livedOn(t testing.TB, e *Engine, events int) (*State, *traffic) {
	t.Helper()
	s, g := e.NewState("e"), newTraffic(9)
	for range events {
		step(t, e, s, g.next())
	}
	return s, g
}

// TestGoldenStates holds the format to its files: today's binary reads each to the bit, and writes the present version's alike.
func TestGoldenStates(t *testing.T) {
	t.Parallel()
	for name, c := range goldenStates() {
		file := filepath.Join("testdata", fmt.Sprintf("state-v%d-%s.bin", formatVersion, name))
		e := newTestEngine(t, testDefinition(c.change))
		s := lived(t, e, c.events)
		for _, f := range c.verdicts {
			if !e.Instruct(s, f) {
				t.Fatalf("%s: verdict %s was not taken", name, f.ID)
			}
		}
		if *update {
			if err := os.WriteFile(file, e.AppendState(nil, s), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		saved, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		restored, err := e.RestoreState("e", saved)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if again := e.AppendState(nil, restored); !bytes.Equal(again, saved) {
			t.Errorf("%s: saved again it differs", file)
		}
		first, err := os.ReadFile(filepath.Join("testdata", "state-v1-"+name+".bin"))
		if err == nil { // Version 1 had no sections, and these states need none.
			old, err := e.RestoreState("e", first)
			if err != nil {
				t.Errorf("%s of version 1: %v", name, err)
			} else if again := e.AppendState(nil, old); !bytes.Equal(again, saved) {
				t.Errorf("%s of version 1: saved in the present version it differs", name)
			}
		} else if !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		g := newTraffic(9)
		for range c.events {
			g.next()
		}
		// Another processor may round the last bit of what the fits gave, so what follows is compared in meaning.
		for range 100 {
			ev := g.next()
			a, b := step(t, e, s, ev), step(t, e, restored, ev)
			if a.Flag != b.Flag || a.Scored != b.Scored || a.Refitted != b.Refitted {
				t.Fatalf("%s: event %d: %+v, restored %+v", file, ev.Source.Offset, a, b)
			}
		}
	}
}

// TestRestoreRefuses checks that what cannot be read is refused by name, and never becomes an empty state.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	d := testDefinition(goldenStates()["fitted"].change)
	e := newTestEngine(t, d)
	saved := e.AppendState(nil, lived(t, e, 150))
	seal := func(b []byte) []byte {
		binary.LittleEndian.PutUint32(b[headerBytes-4:], crc32.Checksum(b[headerBytes:], castagnoli))
		return b
	}
	version := slices.Clone(saved)
	binary.LittleEndian.PutUint16(version[len(formatMagic):], formatVersion+1)
	none := len(saved) - 4 // Where the count of sections stands in a state that has none.
	unknown := append(binary.LittleEndian.AppendUint32(slices.Clone(saved[:none]), 1), 200, 1, 0, 0, 0, 7)
	short := binary.LittleEndian.AppendUint32(slices.Clone(saved[:none]), 1)
	flipped := slices.Clone(saved)
	flipped[len(flipped)/2] ^= 1
	other := *d
	other.Features = other.Features[:2]
	for name, c := range map[string]struct {
		engine  *Engine
		payload []byte
		want    error
	}{
		"nothing":            {e, nil, ErrCorrupt},
		"another magic":      {e, append([]byte("XXXX"), saved[4:]...), ErrCorrupt},
		"another version":    {e, version, ErrFormatVersion},
		"an unknown section": {e, seal(unknown), ErrFormatVersion},
		"a section too few":  {e, seal(short), ErrCorrupt},
		"a flipped bit":      {e, flipped, ErrCorrupt},
		"cut short":          {e, seal(slices.Clone(saved[:len(saved)-9])), ErrCorrupt},
		"something behind":   {e, seal(append(slices.Clone(saved), 0)), ErrCorrupt},
		"another definition": {newTestEngine(t, &other), saved, ErrDefinition},
	} {
		if s, err := c.engine.RestoreState("e", c.payload); !errors.Is(err, c.want) || s != nil {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// TestRateMayChange checks that a state goes on under another rate, threshold or direction, with rules and without.
func TestRateMayChange(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, testDefinition(nil))
	saved := e.AppendState(nil, lived(t, e, 300))
	changed := newTestEngine(t, testDefinition(func(d *streams.Definition) {
		d.Rate, d.Threshold, d.Features[0].Direction = 0.05, 0.7, streams.DirectionUp
		goldenStates()["guards"].change(d)
		d.WarmUp, d.Window, d.Refit, d.Buffer = 200, 2000, 500, 5000
	}))
	s, err := changed.RestoreState("e", saved)
	if err != nil {
		t.Fatal(err)
	}
	step(t, changed, s, newTraffic(9).next())
	if _, err := e.RestoreState("e", changed.AppendState(nil, s)); err != nil { // And back: what is no longer watched is dropped.
		t.Error(err)
	}
}

// TestSavedStatesDoNotDependOnTheWay checks that equal states have equal bytes however they came about.
func TestSavedStatesDoNotDependOnTheWay(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, testDefinition(nil))
	a, b := lived(t, e, 900), lived(t, e, 700)
	b, err := e.RestoreState("e", e.AppendState(nil, b))
	if err != nil {
		t.Fatal(err)
	}
	g := newTraffic(9)
	for i := range 900 {
		if ev := g.next(); i >= 700 {
			step(t, e, b, ev)
		}
	}
	if diff := cmp.Diff(e.AppendState(nil, a), e.AppendState(nil, b)); diff != "" {
		t.Error("the bytes differ")
	}
}

// FuzzRestoreState checks that no payload, sealed with a right checksum, makes RestoreState or a later Step panic.
func FuzzRestoreState(f *testing.F) {
	d := testDefinition(goldenStates()["guards"].change)
	e := newTestEngine(f, d)
	for _, n := range []int{0, 1, 39, 40, 41, 150} {
		f.Add(e.AppendState(nil, lived(f, e, n)), uint32(0), byte(0))
	}
	f.Fuzz(func(t *testing.T, payload []byte, at uint32, to byte) {
		if len(payload) >= headerBytes {
			payload = slices.Clone(payload)
			if i := headerBytes + int(at); i < len(payload) && at > 0 {
				payload[i] = to
			}
			binary.LittleEndian.PutUint32(payload[headerBytes-4:], crc32.Checksum(payload[headerBytes:], castagnoli))
		}
		s, err := e.RestoreState("e", payload)
		if err != nil {
			return
		}
		g := newTraffic(1)
		for range 60 {
			e.Step(s, g.next())
		}
		e.Status(s)
		e.AppendState(nil, s)
	})
}

// BenchmarkSave measures the saved form of a detector whose window is full, and its restoration, models left out.
func BenchmarkSave(b *testing.B) {
	for _, profile := range []string{streams.ProfileStandard, streams.ProfileCompact} {
		e := newTestEngine(b, testDefinition(func(d *streams.Definition) {
			d.Profile = profile
			if profile == streams.ProfileCompact {
				d.Window, d.Buffer = 256, 1000
			}
		}))
		s, g := e.NewState("e"), newTraffic(1)
		for range e.def.Window + e.def.Refit {
			step(b, e, s, g.next())
		}
		saved := e.AppendState(nil, s)
		b.Run(profile+"/append", func(b *testing.B) {
			b.SetBytes(int64(len(saved)))
			for b.Loop() {
				saved = e.AppendState(saved[:0], s)
			}
		})
		b.Run(profile+"/restore", func(b *testing.B) {
			for b.Loop() {
				if _, err := e.RestoreState("e", saved); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
