package detectors_test

import (
	"fmt"
	"math"

	"anomalystream/detectors"
)

// server returns 300 rows of cpu (%), latency (ms): a daily wave and some noise that is not random, so that the output
// below stays what it is.
func server() detectors.Matrix {
	x := detectors.NewMatrix(300, 2)
	for i := range x.Rows {
		t := float64(i)
		x.Row(i)[0] = 40 + 10*math.Sin(t/24) + 2*math.Sin(7.1*t)
		x.Row(i)[1] = 120 + 30*math.Sin(t/24) + 8*math.Sin(3.3*t)
	}
	return x
}

// A detector is made from a specification as configuration gives it, fitted on rows, and then scores one row at a time.
func ExampleNew() {
	d, err := detectors.New(detectors.Spec{Name: "knn", Params: map[string]any{"n_neighbors": 10, "method": "mean"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := d.Fit(server(), 1); err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range [][]float64{{41, 122}, {41, 300}} {
		score, err := d.Score(row)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%v: %.1f\n", row, score)
	}
	// Output:
	// [41 122]: 1.8
	// [41 300]: 143.9
}

// Wrong parameters are refused with their name and what was expected.
func ExampleNew_wrongParameter() {
	_, err := detectors.New(detectors.Spec{Name: "hbos", Params: map[string]any{"n_bins": 2}})
	fmt.Println(err)
	// Output: detector hbos: parameter n_bins: got 2, want a whole number from 3 to 65535
}

// Outputs turns raw scores, whose scale differs between detectors, into labels and probabilities.
func ExampleOutputs() {
	x := server()
	d, err := detectors.New(detectors.Spec{Name: "lof"})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := d.Fit(x, 1); err != nil {
		fmt.Println(err)
		return
	}
	o, err := detectors.NewOutputs(d.TrainingScores(), 0.01)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range [][]float64{{41, 122}, {41, 300}} {
		score, err := d.Score(row)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%v: anomaly %v, probability %.2f\n", row, o.Label(score), o.ProbabilityUnify(score))
	}
	// Output:
	// [41 122]: anomaly false, probability 0.03
	// [41 300]: anomaly true, probability 1.00
}

// Explain says which column made a row abnormal.
func ExampleDetector_explain() {
	d, err := detectors.New(detectors.Spec{Name: "iforest"})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := d.Fit(server(), 1); err != nil {
		fmt.Println(err)
		return
	}
	parts := make([]float64, 2)
	if err := d.Explain([]float64{41, 300}, parts); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("latency is to blame:", parts[1] > parts[0])
	// Output: latency is to blame: true
}

// A Scaler makes columns comparable for detectors that measure distances. Scores of several detectors are combined
// after being standardised the same way.
func ExampleScaler() {
	x := server()
	var s detectors.Scaler
	if err := s.Fit(x); err != nil {
		fmt.Println(err)
		return
	}
	row := []float64{41, 300}
	if err := s.Transform(row, row); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.1f and %.1f standard deviations from the mean\n", row[0], row[1])
	// Output: 0.1 and 8.2 standard deviations from the mean
}
