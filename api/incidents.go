package api

import (
	"context"
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"anomalystream/streams"
)

// IncidentFilter holds the query parameters of an incident list.
type IncidentFilter struct {
	Limit       int       `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"Rows of a page."`
	Cursor      string    `query:"cursor" maxLength:"1000" doc:"next_cursor of the page before."`
	Stream      string    `query:"stream" maxLength:"250" doc:"Only this stream."`
	Entity      string    `query:"entity" maxLength:"1000" doc:"Only this host, card, device ..."`
	Kind        string    `query:"kind" enum:"model,rule,stuck,silent,group" doc:"Only incidents of this kind."`
	Status      []string  `query:"status" enum:"open,acknowledged,resolved,recovered" maxItems:"4" doc:"Only incidents in one of these states, separated by commas. Open and acknowledged ones last."`
	Verdict     string    `query:"verdict" enum:"real,expected,noise" doc:"Only incidents that were judged so."`
	Group       string    `query:"group" maxLength:"600" doc:"Only members of this group incident."`
	TopLevel    bool      `query:"top_level" doc:"Leave out members of groups."`
	MinSeverity float64   `query:"min_severity" minimum:"0" maximum:"30" doc:"Only incidents whose peak is at least this far from normal."`
	From        time.Time `query:"from" doc:"Only incidents that had not ended before; event time, RFC 3339."`
	To          time.Time `query:"to" doc:"Only incidents that started before; event time, RFC 3339."`
	Sort        string    `query:"sort" enum:"newest,oldest,severity" default:"newest" doc:"Order; by start, or most severe first."`
}

// Resolve checks what spans several parameters, and what the framework lets pass.
func (f *IncidentFilter) Resolve(huma.Context) []error {
	var errs []error
	if math.IsNaN(f.MinSeverity) {
		errs = append(errs, badField("query.min_severity", "not a number", "NaN"))
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		errs = append(errs, badField("query.to", "not after from", f.To))
	}
	return errs
}

// incidentList is one page of incidents.
type incidentList struct {
	Items      []streams.StoredIncident `json:"items" doc:"Incidents in the order asked for."`
	Limit      int                      `json:"limit"`
	NextCursor *string                  `json:"next_cursor" doc:"Cursor of the next page; null on the last one."`
}

type incidentListOutput struct{ Body incidentList }

// IncidentInput names an incident in the path.
type IncidentInput struct {
	ID string `path:"id" maxLength:"600" doc:"The incident's id."`
}

type incidentOutput struct{ Body streams.StoredIncident }

type incidentAnomaliesInput struct {
	IncidentInput
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"Rows of a page."`
	Cursor string `query:"cursor" maxLength:"1000" doc:"next_cursor of the page before."`
	Sort   string `query:"sort" enum:"newest,oldest,score,severity" default:"newest" doc:"Order; by event time, or highest first."`
}

func (s *Server) incidentRoutes() {
	get := func(id, path, summary, text string) huma.Operation {
		return huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Tags: []string{tagIncidents}, Summary: summary, Description: text}
	}
	route(s, RoleRead, get("list-incidents", "/api/incidents", "Listing incidents", "Incidents of all streams, those that started last first."), s.listIncidents)
	route(s, RoleRead, get("get-incident", "/api/incidents/{id}", "Reading an incident", "One incident with its peak, its members and what people did."),
		func(ctx context.Context, in *IncidentInput) (*incidentOutput, error) {
			i, err := s.readIncident(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return &incidentOutput{Body: storedIncidentOut(i)}, nil
		})
	route(s, RoleRead, get("list-incident-anomalies", "/api/incidents/{id}/anomalies", "Listing an incident's anomalies",
		"Anomalies of its entity, or of each member of a group, in the time it lasted."), s.incidentAnomalies)
}

// incidents returns the store's incidents, or the error where this process has none.
func (s *Server) incidents() (Incidents, error) {
	if s.deps.Incidents == nil {
		return nil, problem(http.StatusNotImplemented, "this process keeps no incidents")
	}
	return s.deps.Incidents, nil
}

// readIncident reads an incident that the caller may see; a foreign one is as good as none. One that the live routes have told
// and the store does not have yet is there too.
func (s *Server) readIncident(ctx context.Context, id string) (streams.StoredIncident, error) {
	store, err := s.incidents()
	if err != nil {
		return streams.StoredIncident{}, err
	}
	i, err := store.Incident(ctx, id)
	if errors.Is(err, streams.ErrNotFound) {
		i, err = s.toldIncident(id)
	}
	if err == nil && !whoOf(ctx).sees(i.Stream) {
		err = streams.ErrNotFound
	}
	return i, err
}

// toldIncident returns an incident as the live routes told it last. Error streams.ErrNotFound.
func (s *Server) toldIncident(id string) (streams.StoredIncident, error) {
	e := s.bursts.feed.newest(id)
	if e == nil {
		return streams.StoredIncident{}, streams.ErrNotFound
	}
	i, err := streams.UnmarshalIncident(e.body)
	if err != nil {
		return streams.StoredIncident{}, err
	}
	return streams.StoredIncident{Incident: *i, OpenedAt: e.at.UTC(), CreatedAt: e.at.UTC(), UpdatedAt: e.at.UTC()}, nil
}

func (s *Server) listIncidents(ctx context.Context, f *IncidentFilter) (*incidentListOutput, error) {
	store, err := s.incidents()
	if err != nil {
		return nil, err
	}
	stream, err := scope(ctx, f.Stream)
	if err != nil {
		return nil, err
	}
	page, err := store.Incidents(ctx, streams.IncidentQuery{
		Stream: stream, Entity: f.Entity, Kind: f.Kind, Status: f.Status, Verdict: f.Verdict, Group: f.Group, TopLevel: f.TopLevel,
		MinSeverity: f.MinSeverity, From: clamp(f.From), To: clamp(f.To), Sort: f.Sort, Limit: f.Limit, Cursor: f.Cursor,
	})
	if err != nil {
		return nil, err
	}
	out := incidentList{Items: make([]streams.StoredIncident, len(page.Items)), Limit: f.Limit}
	for i, item := range page.Items {
		out.Items[i] = storedIncidentOut(item)
	}
	if page.Next != "" {
		out.NextCursor = &page.Next
	}
	return &incidentListOutput{Body: out}, nil
}

func (s *Server) incidentAnomalies(ctx context.Context, in *incidentAnomaliesInput) (*anomalyListOutput, error) {
	i, err := s.readIncident(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	f := AnomalyFilter{Limit: in.Limit, Cursor: in.Cursor, Sort: in.Sort, MaxScore: 1, Count: true}
	q := f.query(i.Stream)
	// The span and the entity say nothing that the incident does not; they lead the store to the rows.
	q.Incident, q.Entity, q.From, q.To = i.ID, i.Entity, i.Start, i.Latest.Add(time.Microsecond)
	return s.queryAnomalies(ctx, &f, q)
}

// scope is the stream that a list is about, "" for all: callers that see some streams only have to name one of them.
func scope(ctx context.Context, stream string) (string, error) {
	who := whoOf(ctx)
	switch {
	case stream != "" && !who.sees(stream):
		return "", problem(http.StatusForbidden, "not a stream of this token")
	case stream == "" && len(who.streams) == 1:
		return who.streams[0], nil
	case stream == "" && len(who.streams) > 1:
		return "", problem(http.StatusForbidden, "this token sees some streams only: name one with stream")
	}
	return stream, nil
}

// incidentOut returns the incident with empty lists instead of null ones, as the schema promises.
func incidentOut(i streams.Incident) streams.Incident {
	i.Features, i.Members, i.Acts = list(i.Features), list(i.Members), list(i.Acts)
	if i.Peak != nil {
		peak := anomalyOut(*i.Peak)
		i.Peak = &peak
	}
	return i
}

func storedIncidentOut(i streams.StoredIncident) streams.StoredIncident {
	i.Incident = incidentOut(i.Incident)
	return i
}
