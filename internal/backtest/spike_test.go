//go:build fixtures

package backtest

import (
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"anomalystream/processors"
	"anomalystream/streams"
)

// TestSpikesOfOneFeature adds a jump to one feature of normal rows, a row in a hundred and fifty, each feature in turn: how
// many are found, and whether the explanation names the feature. It prints the rows of docs/detection-quality.md. Sizes
// are in standard deviations of the feature so far. The three default voters seldom agree on a jump in one of several
// features, however large (docs/detection-quality.md says why); any detector's vote must find it at the same rate of alarms,
// and whatever is found must be explained.
//
// EVAL_DIR names the folder with data/; QUALITY=full compares ensembles and sizes.
func TestSpikesOfOneFeature(t *testing.T) {
	root := os.Getenv("EVAL_DIR")
	if root == "" {
		t.Fatal("EVAL_DIR is not set")
	}
	ensembles, sizes := []ensemble{{name: "default"}, {name: "vote: any", vote: streams.VoteAny}}, []float64{12}
	if os.Getenv("QUALITY") == "full" {
		ensembles, sizes = append(ensembles, otherEnsembles()...), []float64{6, 12, 30}
	}
	for _, f := range []struct {
		path       string
		transforms []string
	}{
		{"synthetic/gauss5-seed1", value}, {"synthetic/ar5-seed1", ewma}, {"asd/omi-1", ewma}, {"batadal/batadal", ewma},
	} {
		t.Run(f.path, func(t *testing.T) {
			for _, e := range ensembles {
				for _, size := range sizes {
					def := e.definition(f.transforms)
					got, err := spikes(def, filepath.Join(root, "data", f.path+".csv.gz"), size)
					if err != nil {
						t.Fatal(err)
					}
					// Stream, ensemble, size, spikes, share found, share of those named, rate of all other alarms in units of the requested one.
					t.Logf("| %s | %s | %g | %d | %.2f | %.2f | %.2f |", f.path, e.name, size, got.spikes,
						float64(got.found)/float64(got.spikes), float64(got.named)/float64(got.found), float64(got.others)/float64(got.plain)/def.Rate)
					if size >= 12 && got.found >= 10 && float64(got.named) < 0.9*float64(got.found) { // Fewer say nothing.
						t.Errorf("%s, %g standard deviations: %d of %d spikes found are explained by their feature", e.name, size, got.named, got.found)
					}
					if size >= 12 && e.vote == streams.VoteAny && float64(got.found) < 0.75*float64(got.spikes) {
						t.Errorf("%s, %g standard deviations: %d of %d spikes found", e.name, size, got.found, got.spikes)
					}
				}
			}
		})
	}
}

// ensemble is a choice of voters and of the way they are joined.
type ensemble struct {
	name          string
	voters        []string // The default ones if empty.
	vote, combine string   // The same.
}

func otherEnsembles() []ensemble {
	three := []string{"iforest", "lof", "hbos"}
	return []ensemble{
		{name: "combine: mean", combine: streams.CombineMean},
		{name: "+ mahalanobis", voters: append(three, "mahalanobis")},
		{name: "rcf, lof, hbos", voters: []string{"rcf", "lof", "hbos"}},
		{name: "rcf, lof, hbos, mahalanobis", voters: []string{"rcf", "lof", "hbos", "mahalanobis"}},
		{name: "rcf, lof, mahalanobis", voters: []string{"rcf", "lof", "mahalanobis"}},
	}
}

func (e ensemble) definition(transforms []string) *streams.Definition {
	def := streams.DefaultDefinition("spikes")
	def.Features = []streams.Feature{{Name: "*", Path: "*", Missing: streams.MissingHold, Transforms: transforms}}
	if e.vote != "" {
		def.Vote = e.vote
	}
	if e.combine != "" {
		def.Combine = e.combine
	}
	if len(e.voters) > 0 {
		def.Detectors = nil
		for _, name := range e.voters {
			def.Detectors = append(def.Detectors, streams.DetectorSpec{Name: name, Weight: 1})
		}
	}
	return &def
}

// harvest is what came of the spikes of a stream.
type harvest struct {
	spikes, found int
	named         int // Found, and the feature has the largest share.
	plain, others int // Rows without a spike that were scored, and those flagged.
}

// Spikes come every spikeEvery rows from firstSpike on, until lastSpike.
const (
	spikeEvery = 150
	firstSpike = 1200
	lastSpike  = 9000
)

func spikes(def *streams.Definition, path string, size float64) (out harvest, err error) {
	in, err := FileSource(path).Open(def)
	if err != nil {
		return out, err
	}
	defer in.Close()
	engine, err := processors.NewEngine(def)
	if err != nil {
		return out, err
	}
	decoder, state := streams.NewDecoder(def, 0), engine.NewState("a")
	var so running
	turn := 0
	for row := 0; row < lastSpike; row++ {
		record, err := in.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		event, reject := decoder.Decode(record)
		if reject != nil {
			return out, reject
		}
		feature := -1
		if row >= firstSpike && row%spikeEvery == 0 {
			feature, turn = so.next(turn)
			event.Values[feature] += size * so.sd(feature) * float64(1-2*(out.spikes%2))
		} else {
			so.add(event.Values)
		}
		r, reject := engine.Step(state, &event)
		switch {
		case reject != nil:
			return out, reject
		case !r.Scored:
		case feature < 0:
			out.plain++
			if r.Flag {
				out.others++
			}
		default:
			out.spikes++
			if r.Flag {
				out.found++
				if r.Why.Contributions[0].Feature == event.Names[feature] {
					out.named++
				}
			}
		}
	}
	return out, nil
}

// running holds the moments of the features so far (Welford).
type running struct {
	n        float64
	mean, m2 []float64
}

func (r *running) add(values []float64) {
	if r.mean == nil {
		r.mean, r.m2 = make([]float64, len(values)), make([]float64, len(values))
	}
	r.n++
	for j, v := range values {
		d := v - r.mean[j]
		r.mean[j] += d / r.n
		r.m2[j] += d * (v - r.mean[j])
	}
}

func (r *running) sd(j int) float64 { return math.Sqrt(r.m2[j] / r.n) }

// next returns the feature whose turn it is, without those that never move.
func (r *running) next(turn int) (feature, after int) {
	for {
		j := turn % len(r.mean)
		turn++
		if r.sd(j) > 0 {
			return j, turn
		}
	}
}
