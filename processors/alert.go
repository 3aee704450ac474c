package processors

import (
	"time"

	"anomalystream/detectors"
	"anomalystream/detectors/features"
)

// speeds are the columns of alert_score "forest": the value beside averages of several memories, and beside the same time of
// earlier days.
func speeds() []features.Transform {
	return []features.Transform{
		{Kind: features.Value},
		{Kind: features.EWMAResidual, Factor: 0.3},
		{Kind: features.EWMAResidual, Factor: 0.1},
		{Kind: features.EWMAResidual, Factor: 0.03},
		{Kind: features.EWMAResidual, Factor: 0.01},
		{Kind: features.SeasonResidual, Slot: 5 * time.Minute},
	}
}

// alertModel is the forest whose raw score is the alert score. It takes no part in the decision.
type alertModel struct {
	scaler detectors.Scaler
	forest detectors.Detector
	fitted bool
}

// alertPart tells the seed of the alert forest from those of the voters.
const alertPart = 1 << 32

// alertRow returns the alert columns of the row at hand; empty when the alert score is the depth.
func (p *plan) alertRow(row []float64) []float64 {
	if p.alert == nil {
		return nil
	}
	return row[p.columns() : p.columns()+len(p.alert.Columns())]
}

// fitAlert fits the alert forest on the rows of the last fit. Without a fit, on data that no forest takes, alerts score 0.
func (e *Engine) fitAlert(m *models, s *State, w *work) {
	if s.plan.alert == nil {
		return
	}
	if m.alert == nil {
		forest, _ := detectors.New(e.alertSpec) // NewEngine has made one.
		m.alert = &alertModel{forest: forest}
	}
	a, from := m.alert, s.plan.columns()
	x := e.trainingRows(s, w, from, from+len(s.plan.alert.Columns()))
	if a.fitted = a.scaler.Fit(x) == nil; !a.fitted {
		return
	}
	_ = a.scaler.TransformMatrix(x, x) // The shapes are equal.
	a.fitted = a.forest.Fit(x, e.seed(s.entity, s.generation, alertPart)) == nil
}

// alertScore returns the alert score of the row at hand, whose statistic is m: one unit on every stream, so that one
// threshold serves all. It is to be asked before the event is learned.
func (e *Engine) alertScore(s *State, w *work, m float64) float64 {
	a := s.models.alert
	if a == nil {
		return s.calibrator.Depth(m)
	}
	row := s.plan.alertRow(w.row)
	w.scaledAlert = sized(w.scaledAlert, len(row))
	if !a.fitted || a.scaler.Transform(row, w.scaledAlert) != nil {
		return 0
	}
	score, err := a.forest.Score(w.scaledAlert)
	if err != nil {
		return 0
	}
	return score
}
