package detectors

// Spec names a detector and its parameters as configuration does: {name: hbos, bins: 20}.
type Spec struct {
	Name   string
	Params map[string]any // Parameter name as in PyOD (n_neighbors, n_estimators, ...) or its short form; YAML scalar values.
}
