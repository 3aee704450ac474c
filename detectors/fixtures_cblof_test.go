package detectors

import (
	"encoding/json"
	"slices"
	"testing"
)

// fixtureCBLOF starts from the exported centres and clusters, and compares which clusters are large.
func fixtureCBLOF(t *testing.T, f *fixtures, c *fixtureCase, x Matrix) (fixtureModel, error) {
	var model struct {
		Centres       []numbers
		TrainClusters []int32 `json:"train_clusters"`
		Sizes         []int32
		Large         []int
	}
	d, err := New(fixtureSpec("cblof", c.Params))
	if err != nil {
		return fixtureModel{}, err
	}
	if len(c.Model) == 0 {
		return fixtureByName("cblof")(t, f, c, x)
	}
	if err := json.Unmarshal(c.Model, &model); err != nil {
		t.Fatal(err)
	}
	o := d.(*CBLOF)
	if err := o.judge(x, matrixOf(model.Centres, x.Cols).Data, model.TrainClusters); err != nil {
		return fixtureModel{}, err
	}
	var large []int
	for cluster, is := range o.large {
		if is {
			large = append(large, cluster)
		}
	}
	// NumPy's bincount ends with the last cluster that has rows.
	if !slices.Equal(large, model.Large) || !slices.Equal(o.sizes[:len(model.Sizes)], model.Sizes) {
		t.Errorf("%s: got large clusters %v of %v, want %v of %v", c.Case, large, o.sizes, model.Large, model.Sizes)
	}
	return fixtureModel{train: o.scores, score: o.Score}, nil
}
