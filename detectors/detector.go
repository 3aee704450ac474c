// Package detectors holds the anomaly detectors of anomalystream: pure functions of rows, parameters and a seed.
//
// Nothing here does I/O, reads a clock or keeps a global; the same rows, parameters and seed give the same bits on any
// number of goroutines. Every detector follows one contract, [Detector]: it is fitted on a [Matrix] of rows and then
// scores one row at a time, higher meaning more abnormal, as in PyOD.
package detectors

// Detector is a model that is fitted on rows and scores rows it has not seen.
//
// A Detector is not safe for concurrent Fit; after Fit returned nil, Score and Explain are safe for concurrent use
// unless the detector is also a [Learner]. All rows passed in are borrowed: the detector copies what it keeps.
type Detector interface {
	// Name is the name used in configuration, for example "iforest".
	Name() string

	// Fit replaces the model by one trained on x. The seed is the only source of randomness.
	// It refuses an empty matrix and any NaN or infinity with a *DataError, and leaves the detector unfitted then.
	Fit(x Matrix, seed uint64) error

	// Score returns the raw score of one row, higher meaning more abnormal. The row is not learned.
	// It refuses a row of another width and any NaN or infinity with a *DataError, and answers ErrNotFitted before Fit.
	// It does not allocate.
	Score(row []float64) (float64, error)

	// TrainingScores returns the scores of the rows of the last Fit in their order, each computed as the source (PyOD)
	// does for training rows: LOF and KNN leave the row itself out. The slice belongs to the detector: do not modify it.
	TrainingScores() []float64

	// Explain writes one part per column into parts: how much that column made the row abnormal, in the detector's own
	// unit. Parts may be negative (the column looked more normal than usual); how they add up is documented per detector.
	Explain(row []float64, parts []float64) error
}

// Learner is a Detector that also learns one row at a time, without a refit. A Learner must not be used concurrently.
type Learner interface {
	Detector

	// Learn adds one row to the model. It refuses what Score refuses and leaves the model unchanged then.
	Learn(row []float64) error
}
