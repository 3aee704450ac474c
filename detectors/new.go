package detectors

import (
	"fmt"
	"strings"
)

// constructor makes one kind of detector from parameters. It reads what it knows and returns p.done() as its error, so
// that wrong values and unknown names are refused alike.
type constructor struct {
	name  string
	build func(p *params) (Detector, error)
}

// constructors lists every detector that configuration can name.
func constructors() []constructor {
	return []constructor{
		{"iforest", newIForest},
		{"lof", newLOF},
		{"hbos", newHBOS},
		{"knn", newKNN},
		{"mahalanobis", newMahalanobis},
		{"rcf", newRCF},
		{"ecod", newECOD},
		{"copod", newCOPOD},
		{"mad", newMAD},
		{"kde", newKDE},
		{"pca", newPCA},
		{"loda", newLODA},
		{"cblof", newCBLOF},
		{"hst", newHST},
		{"rrcf", newRRCF},
	}
}

// New returns an unfitted detector for a specification, for example {Name: "hbos", Params: {"bins": 20}}.
//
// Parameters have PyOD's names (n_neighbors, n_estimators, max_samples, n_bins) or the short ones of the detector's
// documentation; what is not given has PyOD's default. Every detector accepts contamination (0.1, in (0, 0.5]), and
// those that deviate from PyOD on purpose accept mode: fixed (the default) or strict. A wrong value, an unknown
// parameter or one given under two names is refused with a *ParamError, an unknown detector with an error that lists
// the known ones. The randomness comes from Fit's seed alone, so there is no random_state.
func New(spec Spec) (Detector, error) {
	for _, c := range constructors() {
		if c.name == spec.Name {
			return c.build(newParams(spec))
		}
	}
	return nil, fmt.Errorf("unknown detector %q: want one of %s", spec.Name, strings.Join(Names(), ", "))
}

// Names returns the names that New accepts, in the order of the documentation.
func Names() []string {
	var names []string
	for _, c := range constructors() {
		names = append(names, c.name)
	}
	return names
}
