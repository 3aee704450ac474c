package api

import (
	"context"
	"math"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"anomalystream/streams"
)

// AnomalyFilter holds the query parameters of an anomaly list.
type AnomalyFilter struct {
	Limit       int       `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"Rows of a page."`
	Offset      int       `query:"offset" minimum:"0" maximum:"10000000" doc:"Rows to skip; not together with cursor. Far pages are slow: use cursor."`
	Cursor      string    `query:"cursor" maxLength:"1000" doc:"next_cursor of the page before."`
	Entity      string    `query:"entity" maxLength:"1000" doc:"Only this host, card, device ..."`
	MinScore    float64   `query:"min_score" minimum:"0" maximum:"1" doc:"Only anomalies with at least this score; anomalies start at 0.6."`
	MaxScore    float64   `query:"max_score" minimum:"0" maximum:"1" default:"1" doc:"Only anomalies with at most this score."`
	MinSeverity float64   `query:"min_severity" minimum:"0" maximum:"30" doc:"Only anomalies at least this far from normal."`
	MinVotes    int       `query:"min_votes" minimum:"0" maximum:"100" doc:"Only anomalies with at least this many votes."`
	From        time.Time `query:"from" doc:"Event time, RFC 3339, inclusive."`
	To          time.Time `query:"to" doc:"Event time, RFC 3339, exclusive."`
	Detector    string    `query:"detector" maxLength:"100" doc:"Only anomalies this detector voted for."`
	Kind        string    `query:"kind" enum:"model,rule,stuck" doc:"Only anomalies of this kind."`
	Suppressed  string    `query:"suppressed" enum:"true,false" doc:"Only anomalies that something silences (true) or that nothing does (false)."`
	Sort        string    `query:"sort" enum:"newest,oldest,score,severity" default:"newest" doc:"Order; by event time, or highest first."`
	Count       bool      `query:"count" default:"true" doc:"Fill total. Counting very many rows is slow, so the figure may be a moment old."`
}

// Resolve checks what spans several parameters, and what the framework lets pass.
func (f *AnomalyFilter) Resolve(huma.Context) []error {
	var errs []error
	for name, v := range map[string]float64{"min_score": f.MinScore, "max_score": f.MaxScore, "min_severity": f.MinSeverity} {
		if math.IsNaN(v) {
			errs = append(errs, badField("query."+name, "not a number", "NaN"))
		}
	}
	if f.Cursor != "" && f.Offset > 0 {
		errs = append(errs, badField("query.offset", "not together with cursor", f.Offset))
	}
	if f.MaxScore < f.MinScore && f.MinScore <= 1 {
		errs = append(errs, badField("query.max_score", "below min_score", f.MaxScore))
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		errs = append(errs, badField("query.to", "not after from", f.To))
	}
	return errs
}

func (f *AnomalyFilter) query(stream string) streams.AnomalyQuery {
	q := streams.AnomalyQuery{
		Stream: stream, Entity: f.Entity, Detector: f.Detector, Kind: f.Kind, MinScore: f.MinScore,
		MinSeverity: f.MinSeverity, MinVotes: f.MinVotes, From: clamp(f.From), To: clamp(f.To), Sort: f.Sort,
		Limit: f.Limit, Offset: f.Offset, Cursor: f.Cursor,
	}
	switch f.Suppressed {
	case "true":
		q.Suppressed = streams.SuppressedOnly
	case "false":
		q.Suppressed = streams.SuppressedNone
	}
	switch {
	case f.MaxScore == 0:
		q.MaxScore = math.SmallestNonzeroFloat64 // Zero means no bound in the query.
	case f.MaxScore < 1:
		q.MaxScore = f.MaxScore
	}
	return q
}

// clamp brings a time into the range of event times, which every store can hold.
func clamp(t time.Time) time.Time {
	switch {
	case t.IsZero():
		return t
	case t.Before(streams.MinTime):
		return streams.MinTime
	case t.After(streams.MaxTime):
		return streams.MaxTime
	}
	return t.UTC()
}

type listInput struct {
	Stream string `query:"stream" maxLength:"250" doc:"Only this stream."`
	AnomalyFilter
}

type streamListInput struct {
	Stream string `path:"stream" maxLength:"250" doc:"Name of the stream."`
	AnomalyFilter
}

// anomalyList is one page of anomalies.
type anomalyList struct {
	Items      encodedItems `json:"items" doc:"Anomalies in the order asked for."`
	Total      *int64       `json:"total" doc:"Number of anomalies the filters select; null with count=false."`
	TotalExact bool         `json:"total_exact" doc:"False where more than total are selected, and where total is null. A whole stream is counted exactly, other filters up to 10,000."`
	Limit      int          `json:"limit"`
	Offset     int          `json:"offset"`
	NextCursor *string      `json:"next_cursor" doc:"Cursor of the next page; null on the last one."`
}

type anomalyListOutput struct{ Body anomalyList }

type anomalyInput struct {
	ID string `path:"id" maxLength:"600" doc:"The anomaly's id."`
}

type anomalyOutput struct{ Body streams.StoredAnomaly }

func (s *Server) anomalyRoutes() {
	route(s, RoleRead, huma.Operation{
		OperationID: "list-anomalies", Method: http.MethodGet, Path: "/api/anomalies", Tags: []string{tagAnomalies},
		Summary: "Listing anomalies", Description: "Anomalies of all streams, newest first.",
	}, func(ctx context.Context, in *listInput) (*anomalyListOutput, error) {
		return s.listAnomalies(ctx, in.Stream, &in.AnomalyFilter)
	})
	route(s, RoleRead, huma.Operation{
		OperationID: "list-stream-anomalies", Method: http.MethodGet, Path: "/api/anomalies/stream/{stream}", Tags: []string{tagAnomalies},
		Summary: "Listing a stream's anomalies", Description: "Anomalies of one stream, newest first.",
	}, func(ctx context.Context, in *streamListInput) (*anomalyListOutput, error) {
		return s.listAnomalies(ctx, in.Stream, &in.AnomalyFilter)
	})
	route(s, RoleRead, huma.Operation{
		OperationID: "get-anomaly", Method: http.MethodGet, Path: "/api/anomalies/{id}", Tags: []string{tagAnomalies},
		Summary: "Reading an anomaly", Description: "One anomaly with its explanation.",
	}, func(ctx context.Context, in *anomalyInput) (*anomalyOutput, error) {
		a, err := s.readAnomaly(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return &anomalyOutput{Body: storedOut(a)}, nil
	})
	route(s, RoleAdmin, huma.Operation{
		OperationID: "delete-anomaly", Method: http.MethodDelete, Path: "/api/anomalies/{id}", Tags: []string{tagAnomalies},
		Summary: "Deleting an anomaly", Description: "Removes an anomaly from the store; the audit keeps who did it.", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *anomalyInput) (*struct{}, error) {
		if _, err := s.readAnomaly(ctx, in.ID); err != nil {
			return nil, err
		}
		who := whoOf(ctx).name
		if err := s.deps.History.Delete(ctx, in.ID, who); err != nil {
			return nil, err
		}
		s.feed.remove(in.ID)
		s.log.Info("anomaly deleted", "id", in.ID, "who", who, "request_id", requestID(ctx))
		return nil, nil
	})
}

// readAnomaly reads an anomaly that the caller may see; a foreign one is as good as none.
func (s *Server) readAnomaly(ctx context.Context, id string) (streams.StoredAnomaly, error) {
	a, err := s.deps.History.Anomaly(ctx, id)
	if err == nil && !whoOf(ctx).sees(a.Stream) {
		err = streams.ErrNotFound
	}
	return a, err
}

func (s *Server) listAnomalies(ctx context.Context, stream string, f *AnomalyFilter) (*anomalyListOutput, error) {
	stream, err := scope(ctx, stream)
	if err != nil {
		return nil, err
	}
	return s.queryAnomalies(ctx, f, f.query(stream))
}

// queryAnomalies answers with the page that a query selects.
func (s *Server) queryAnomalies(ctx context.Context, f *AnomalyFilter, q streams.AnomalyQuery) (*anomalyListOutput, error) {
	page, err := s.deps.History.Anomalies(ctx, q)
	if err != nil {
		return nil, err
	}
	out := anomalyList{Items: page.Items, Limit: f.Limit, Offset: f.Offset}
	if page.Next != "" {
		out.NextCursor = &page.Next
	}
	if f.Count {
		total, err := s.total(ctx, q, page)
		if err != nil {
			return nil, err
		}
		out.Total, out.TotalExact = &total.n, !total.more
	}
	return &anomalyListOutput{Body: out}, nil
}

// count is how many anomalies a query selects, or a bound below that.
type count struct {
	n    int64
	more bool
}

// total counts what a query selects; where the page shows everything, no count is needed.
func (s *Server) total(ctx context.Context, q streams.AnomalyQuery, page streams.AnomalyPage) (count, error) {
	if q.Cursor == "" && page.Next == "" && (len(page.Items) > 0 || q.Offset == 0) {
		return count{n: int64(q.Offset + len(page.Items))}, nil
	}
	q.Limit, q.Offset, q.Cursor, q.Sort, q.Count = 1, 0, "", "", true
	return s.totals.get(ctx, q, func(ctx context.Context) (count, error) {
		counted, err := s.deps.History.Anomalies(ctx, q)
		return count{counted.Total, counted.More}, err
	})
}
