package detectors

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
)

// fixturePCA scores from the exported components, whose signs are rounding where entries tie, and compares our own
// decomposition with them where it is determined.
func fixturePCA(t *testing.T, f *fixtures, c *fixtureCase, x Matrix) (fixtureModel, error) {
	var model struct {
		Mean, Scale, Ratio numbers
		Components         []numbers
		SignAmbiguous      []bool `json:"sign_ambiguous"`
	}
	d, err := New(fixtureSpec("pca", c.Params))
	if err != nil {
		return fixtureModel{}, err
	}
	if len(c.Model) == 0 {
		return fixtureByName("pca")(t, f, c, x)
	}
	if err := json.Unmarshal(c.Model, &model); err != nil {
		t.Fatal(err)
	}
	own := d.(*PCA)
	if err := own.Fit(x, 1); err == nil {
		comparePCA(t, f, c, own, x, model.Mean, model.Scale, model.Ratio, model.Components, model.SignAmbiguous)
	} else if firstNonfinite(model.Ratio) < 0 {
		return fixtureModel{}, err
	}
	p := &PCA{strict: true, cols: x.Cols, mean: model.Mean, scale: model.Scale, pool: own.pool}
	first := len(model.Ratio) - own.selected
	if own.selected == 0 {
		first = 0
	}
	for i := first; i < len(model.Ratio); i++ {
		p.components = append(p.components, model.Components[i]...)
		share := 1.0
		if own.weighted {
			share = model.Ratio[i]
		}
		p.share = append(p.share, share)
	}
	m := fixtureModel{score: p.Score}
	for i := range x.Rows {
		m.train = append(m.train, p.distance(x.Row(i)))
	}
	return m, nil
}

// comparePCA compares the decomposition: not where a column has few digits left beside its mean, nor the direction of
// components that vanish or have nearly equal shares, nor a sign that rounding decides.
func comparePCA(t *testing.T, f *fixtures, c *fixtureCase, own *PCA, x Matrix, mean, scale, ratio []float64, components []numbers, ambiguous []bool) {
	for j := range mean {
		_, sd := meanAndSpread(columnsOf(x, j, j+1).Data)
		if largest := math.Abs(mean[j]) + sd; largest > 1e6*sd || !own.standardised && math.Abs(x.Data[j]) > 1e6*sd {
			return
		}
		f.compare(t, "PCA", c.Case+": mean", own.mean[j], mean[j], 1e-12, 1e-9)
		f.compare(t, "PCA", c.Case+": scale", own.scale[j], scale[j], 1e-9, 0)
	}
	if own.selected > 0 || !own.weighted || firstNonfinite(ratio) >= 0 {
		return // The case with all components is there for each set.
	}
	for i, r := range ratio {
		f.compare(t, "PCA", fmt.Sprintf("%s: share %d", c.Case, i), own.share[i], r, 1e-7, 1e-9)
		gap := 1.0
		for k, other := range ratio {
			if k != i {
				gap = min(gap, math.Abs(other-r))
			}
		}
		if gap < 1e-6 || r < 1e-6 {
			continue
		}
		ours, sign := own.components[i*x.Cols:(i+1)*x.Cols], 1.0
		if ambiguous[i] && dot(ours, components[i]) < 0 {
			sign = -1
		}
		for j, v := range ours {
			f.compare(t, "PCA", fmt.Sprintf("%s: component %d entry %d", c.Case, i, j), sign*v, components[i][j], 0, 1e-8)
		}
	}
}
