package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"anomalystream/streams"
)

// detectorCount counts a stream's detectors by phase.
type detectorCount struct {
	Total    int `json:"total"`
	Warming  int `json:"warming"`
	Ready    int `json:"ready"`
	Degraded int `json:"degraded" doc:"Ready with fewer voters than configured."`
}

// Phases of a stream beyond those of a detector.
const (
	phaseWaiting = "waiting" // No event yet.
	phasePartly  = "partly"  // Some detectors are ready, others warm up.
)

// warmUp is the progress of the detectors that still warm up, and of the furthest one.
type warmUp struct {
	Have    int      `json:"have" doc:"Events of the detector that is furthest in its warm-up."`
	Need    int      `json:"need"`
	ReadyIn *float64 `json:"ready_in_seconds" doc:"Until that detector is ready; null when unknown or when none warms up."`
}

// Summary is what the detectors of a stream say together. Like all types that are embedded in a body or an input it is
// exported, or the framework would not see its fields.
type Summary struct {
	Phase        string               `json:"phase" enum:"waiting,warm-up,partly,ready,degraded"`
	Seen         int64                `json:"seen" doc:"Events applied."`
	Scored       int64                `json:"scored" doc:"Events with a score."`
	Flagged      int64                `json:"flagged" doc:"Events that the detectors flagged."`
	RealisedRate *float64             `json:"realised_rate" doc:"Share flagged among recently scored events; null before any."`
	MeanScore    *float64             `json:"mean_score" doc:"Mean ensemble score of all scored events."`
	MaxScore     *float64             `json:"max_score"`
	LastEvent    *time.Time           `json:"last_event" doc:"Event time of the newest event."`
	LastAnomaly  *streams.LastAnomaly `json:"last_anomaly"`
	Detectors    detectorCount        `json:"detectors"`
	WarmUp       warmUp               `json:"warm_up"`
}

func summarise(statuses []streams.DetectorStatus) Summary {
	var out Summary
	var meanSum, realised, realisedWeight float64
	var meanWeight int64
	for i := range statuses {
		s := &statuses[i]
		out.Seen, out.Scored, out.Flagged = out.Seen+s.Seen, out.Scored+s.Scored, out.Flagged+s.Anomalies
		out.Detectors.Total++
		switch s.Phase {
		case streams.PhaseReady:
			out.Detectors.Ready++
		case streams.PhaseDegraded:
			out.Detectors.Degraded++
		default:
			out.Detectors.Warming++
			if out.WarmUp.Need == 0 || s.WarmUpHave*out.WarmUp.Need > out.WarmUp.Have*s.WarmUpNeed {
				out.WarmUp = warmUp{Have: s.WarmUpHave, Need: s.WarmUpNeed, ReadyIn: s.ReadyIn}
			}
		}
		if s.MeanScore != nil {
			meanSum, meanWeight = meanSum+*s.MeanScore*float64(s.Scored), meanWeight+s.Scored
		}
		if s.RealisedRate != nil {
			w := float64(min(s.Scored, 5000)) // The window the rate is taken over.
			realised, realisedWeight = realised+*s.RealisedRate*w, realisedWeight+w
		}
		if s.MaxScore != nil && (out.MaxScore == nil || *s.MaxScore > *out.MaxScore) {
			v := *s.MaxScore
			out.MaxScore = &v
		}
		if out.LastEvent == nil || s.LastEvent.After(*out.LastEvent) {
			t := s.LastEvent.UTC()
			out.LastEvent = &t
		}
		if s.LastAnomaly != nil && (out.LastAnomaly == nil || s.LastAnomaly.Timestamp.After(out.LastAnomaly.Timestamp)) {
			last := *s.LastAnomaly
			out.LastAnomaly = &last
		}
	}
	if meanWeight > 0 {
		v := meanSum / float64(meanWeight)
		out.MeanScore = &v
	}
	if realisedWeight > 0 {
		v := realised / realisedWeight
		out.RealisedRate = &v
	}
	switch d := out.Detectors; {
	case d.Total == 0:
		out.Phase = phaseWaiting
	case d.Warming == d.Total:
		out.Phase = streams.PhaseWarmUp
	case d.Warming > 0:
		out.Phase = phasePartly
	case d.Degraded > 0:
		out.Phase = streams.PhaseDegraded
	default:
		out.Phase = streams.PhaseReady
	}
	return out
}

// featureOut describes a configured feature.
type featureOut struct {
	Name       string   `json:"name"`
	Path       string   `json:"path"`
	Transforms []string `json:"transforms"`
	Direction  string   `json:"direction"`
}

// streamOut is a stream's configuration and status.
type streamOut struct {
	Name          string       `json:"name"`
	Topic         string       `json:"topic"`
	Key           string       `json:"key" doc:"record, stream, or the field that names the entity."`
	Features      []featureOut `json:"features"`
	Detectors     []string     `json:"detectors"`
	Vote          string       `json:"vote"`
	Threshold     float64      `json:"threshold"`
	RequestedRate float64      `json:"requested_rate" doc:"The false-alarm rate now asked for."`
	WarmUp        int          `json:"warmup" doc:"Events before the first score."`
	Refit         int          `json:"refit" doc:"Events between fits."`
	Window        int          `json:"window" doc:"Training rows."`
	Status        Summary      `json:"status"`
}

func (s *Server) streamOut(d *streams.Definition) streamOut {
	out := streamOut{
		Name: d.Name, Topic: d.Topic, Key: d.Key, Features: []featureOut{}, Detectors: []string{}, Vote: d.Vote, Threshold: d.Threshold,
		RequestedRate: s.requested(d), WarmUp: d.WarmUp, Refit: d.Refit, Window: d.Window, Status: summarise(s.deps.Statuses.List(d.Name)),
	}
	for _, f := range d.Features {
		out.Features = append(out.Features, featureOut{Name: f.Name, Path: f.Path, Transforms: list(f.Transforms), Direction: f.Direction})
	}
	for _, v := range d.Detectors {
		out.Detectors = append(out.Detectors, v.Name)
	}
	return out
}

// requested is the rate asked for now: a change at run time goes before the configuration.
func (s *Server) requested(d *streams.Definition) float64 {
	if s.deps.Control != nil {
		if rate, ok := s.deps.Control.Rate(d.Name); ok {
			return rate
		}
	}
	return d.Rate
}

type streamsOutput struct {
	Body struct {
		Items []streamOut `json:"items"`
	}
}

type streamOutput struct{ Body streamOut }

// StreamInput names a stream in the path.
type StreamInput struct {
	Stream string `path:"stream" maxLength:"250" doc:"Name of the stream."`
}

type patchInput struct {
	StreamInput
	Body struct {
		RequestedRate float64 `json:"requested_rate" exclusiveMinimum:"0" exclusiveMaximum:"0.5" doc:"False-alarm rate to ask for."`
	}
}

type detectorsInput struct {
	StreamInput
	Phase  string `query:"phase" enum:"warm-up,ready,degraded" doc:"Only detectors in this phase."`
	Search string `query:"search" maxLength:"250" doc:"Only detectors whose entity contains this text; case does not matter."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Offset int    `query:"offset" minimum:"0" maximum:"10000000"`
}

type detectorsOutput struct {
	Body struct {
		Items  []streams.DetectorStatus `json:"items" doc:"In order of entity."`
		Total  int                      `json:"total"`
		Limit  int                      `json:"limit"`
		Offset int                      `json:"offset"`
	}
}

type detectorInput struct {
	StreamInput
	Entity string `path:"entity" maxLength:"1000" doc:"Entity, URL-encoded; - is the stream's own detector."`
}

type detectorOutput struct{ Body streams.DetectorStatus }

type statsOutput struct {
	Body struct {
		Streams   []streamStats `json:"streams"`
		Seen      int64         `json:"seen"`
		Scored    int64         `json:"scored"`
		Anomalies int64         `json:"anomalies"`
	}
}

// streamStats sums up a stream: counts and means since its detectors started, anomalies as the store holds them.
type streamStats struct {
	Stream           string                `json:"stream"`
	Anomalies        int64                 `json:"anomalies" doc:"Anomalies in the store."`
	Rate             *float64              `json:"rate" doc:"Share of the scored events that were flagged; null before any."`
	MeanAnomalyScore *float64              `json:"mean_anomaly_score" doc:"Mean score of the stored anomalies."`
	RequestedRate    float64               `json:"requested_rate"`
	Verdicts         streams.VerdictCounts `json:"verdicts" doc:"What people judged, without what was withdrawn; a group counts once."`
	Precision        *float64              `json:"precision" doc:"Share of real trouble among the verdicts; null before any."`
	Summary
}

func (s *Server) streamRoutes() {
	get := func(id, path, summary, text string) huma.Operation {
		return huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Tags: []string{tagStreams}, Summary: summary, Description: text}
	}
	route(s, RoleRead, get("list-streams", "/api/streams", "Listing streams", "Configuration and status of every stream."),
		func(ctx context.Context, _ *struct{}) (*streamsOutput, error) {
			out := &streamsOutput{}
			out.Body.Items = []streamOut{}
			for i := range s.config.Streams {
				if whoOf(ctx).sees(s.config.Streams[i].Name) {
					out.Body.Items = append(out.Body.Items, s.streamOut(&s.config.Streams[i]))
				}
			}
			return out, nil
		})
	route(s, RoleRead, get("get-stream", "/api/streams/{stream}", "Reading a stream", "Configuration and status of one stream."),
		func(ctx context.Context, in *StreamInput) (*streamOutput, error) {
			d, err := s.stream(ctx, in.Stream)
			if err != nil {
				return nil, err
			}
			return &streamOutput{Body: s.streamOut(d)}, nil
		})
	route(s, RoleAdmin, huma.Operation{
		OperationID: "patch-stream", Method: http.MethodPatch, Path: "/api/streams/{stream}", Tags: []string{tagStreams},
		Summary: "Changing a stream", Description: "Sets the false-alarm rate asked for, at once and without a refit. The audit keeps who did it.",
	}, s.patchStream)
	route(s, RoleAdmin, huma.Operation{
		OperationID: "reset-rate", Method: http.MethodDelete, Path: "/api/streams/{stream}/requested-rate", Tags: []string{tagStreams}, DefaultStatus: http.StatusOK,
		Summary: "Going back to the rate of the configuration", Description: "Forgets the false-alarm rate set at run time: that of the configuration is asked for again. The answer is the stream. The audit keeps who did it.",
	}, s.resetRate)
	route(s, RoleRead, get("list-detectors", "/api/streams/{stream}/detectors", "Listing detectors",
		"The stream's detectors: one per entity, with warm-up progress, generation, rates and feature ranges."), s.listDetectors)
	route(s, RoleRead, get("get-detector", "/api/streams/{stream}/detectors/{entity}", "Reading a detector", "One detector's status."),
		func(ctx context.Context, in *detectorInput) (*detectorOutput, error) {
			if _, err := s.stream(ctx, in.Stream); err != nil {
				return nil, err
			}
			status, ok := s.deps.Statuses.Status(in.Stream, ownEntity(in.Entity))
			if !ok {
				return nil, problem(http.StatusNotFound, "no such detector")
			}
			return &detectorOutput{Body: statusOut(status)}, nil
		})
	route(s, RoleRead, get("get-series", "/api/streams/{stream}/series", "Reading a chart",
		"Features, scores, counts and rates per minute, for charts."), s.readSeries)
	route(s, RoleRead, get("get-stats", "/api/stats", "Reading statistics",
		"Per stream: seen, scored, anomalies, rate, mean and max score, last anomaly, phase, detectors by phase."), s.readStats)
}

func ownEntity(entity string) string {
	if entity == "-" {
		return ""
	}
	return entity
}

func (s *Server) patchStream(ctx context.Context, in *patchInput) (*streamOutput, error) {
	return s.changeRate(ctx, in.Stream, "stream.rate", func(c Control, d *streams.Definition) (float64, error) {
		return in.Body.RequestedRate, c.SetRate(ctx, d.Name, in.Body.RequestedRate)
	})
}

func (s *Server) resetRate(ctx context.Context, in *StreamInput) (*streamOutput, error) {
	return s.changeRate(ctx, in.Stream, "stream.rate.reset", func(c Control, d *streams.Definition) (float64, error) {
		return d.Rate, c.ResetRate(ctx, d.Name)
	})
}

// changeRate changes the requested rate of a stream; change does it and says what it is now.
func (s *Server) changeRate(ctx context.Context, name, action string, change func(Control, *streams.Definition) (float64, error)) (*streamOutput, error) {
	d, err := s.stream(ctx, name)
	if err != nil {
		return nil, err
	}
	if s.deps.Control == nil {
		return nil, problem(http.StatusNotImplemented, "this process cannot change streams")
	}
	before := s.requested(d)
	now, err := change(s.deps.Control, d)
	if err != nil {
		return nil, err
	}
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	s.audit(ctx, action, d.Name, "requested_rate from "+number(before)+" to "+number(now))
	out := s.streamOut(d)
	out.RequestedRate = now
	return &streamOutput{Body: out}, nil
}

func (s *Server) listDetectors(ctx context.Context, in *detectorsInput) (*detectorsOutput, error) {
	if _, err := s.stream(ctx, in.Stream); err != nil {
		return nil, err
	}
	out := &detectorsOutput{}
	out.Body.Items, out.Body.Limit, out.Body.Offset = []streams.DetectorStatus{}, in.Limit, in.Offset
	search := strings.ToLower(in.Search)
	for _, status := range s.deps.Statuses.List(in.Stream) {
		if in.Phase != "" && status.Phase != in.Phase || !strings.Contains(strings.ToLower(status.Entity), search) {
			continue
		}
		if out.Body.Total >= in.Offset && len(out.Body.Items) < in.Limit {
			out.Body.Items = append(out.Body.Items, statusOut(status))
		}
		out.Body.Total++
	}
	return out, nil
}

func (s *Server) readStats(ctx context.Context, _ *struct{}) (*statsOutput, error) {
	stored, err := s.stats.get(ctx, "", s.deps.History.Stats)
	if err != nil {
		return nil, err
	}
	out := &statsOutput{}
	out.Body.Streams = []streamStats{}
	for i := range s.config.Streams {
		d := &s.config.Streams[i]
		if !whoOf(ctx).sees(d.Name) {
			continue
		}
		row := streamStats{Stream: d.Name, RequestedRate: s.requested(d), Summary: summarise(s.deps.Statuses.List(d.Name))}
		if row.Scored > 0 {
			rate := float64(row.Flagged) / float64(row.Scored)
			row.Rate = &rate
		}
		for _, st := range stored {
			if st.Stream != d.Name {
				continue
			}
			row.Anomalies = st.Anomalies
			if st.Anomalies > 0 {
				mean := st.MeanScore
				row.MeanAnomalyScore = &mean
				if row.MaxScore == nil || st.MaxScore > *row.MaxScore {
					top := st.MaxScore
					row.MaxScore = &top
				}
			}
			if st.LastAnomaly != nil {
				row.LastAnomaly = st.LastAnomaly
			}
			row.Verdicts = st.Verdicts
			if p, ok := st.Verdicts.Precision(); ok {
				row.Precision = &p
			}
		}
		out.Body.Seen, out.Body.Scored = out.Body.Seen+row.Seen, out.Body.Scored+row.Scored
		out.Body.Anomalies += row.Anomalies
		out.Body.Streams = append(out.Body.Streams, row)
	}
	return out, nil
}
