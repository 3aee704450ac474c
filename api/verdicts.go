package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"anomalystream/streams"
)

// verdictTerm is how long a verdict has an effect unless it says otherwise, in event time after the last row it is about.
const verdictTerm = 30 * 24 * time.Hour

// VerdictBody is a verdict as somebody gives it.
type VerdictBody struct {
	Verdict  string     `json:"verdict" enum:"real,expected,noise" doc:"real: trouble, which the models must not learn. expected: fine, and the like is suppressed for a time. noise: nothing."`
	Comment  string     `json:"comment,omitempty" nullable:"true" maxLength:"1000" doc:"For the others who read it."`
	Until    *time.Time `json:"until,omitempty" nullable:"true" doc:"Event time at which its effect ends; by default 30 days after the last row it is about."`
	ForHours *float64   `json:"for_hours,omitempty" nullable:"true" exclusiveMinimum:"0" maximum:"87600" doc:"The same in hours after that row; not together with until."`
}

// end is when the effect ends on what ends at this event time.
func (b *VerdictBody) end(to time.Time) time.Time {
	switch {
	case b.Until != nil:
		return clamp(b.Until.UTC()).Truncate(time.Microsecond)
	case b.ForHours != nil:
		return to.Add(time.Duration(*b.ForHours * float64(time.Hour))).Truncate(time.Microsecond)
	}
	return to.Add(verdictTerm)
}

// check refuses an end before the rows that the verdict is about, and two ends.
func (b *VerdictBody) check(to time.Time) error {
	switch {
	case b.Until != nil && b.ForHours != nil:
		return problem(http.StatusUnprocessableEntity, "validation failed", badField("body.for_hours", "not together with until", *b.ForHours))
	case b.Until != nil && !b.end(to).After(to):
		return problem(http.StatusUnprocessableEntity, "validation failed", badField("body.until", "not after the rows it is about, which end at "+utc(to), *b.Until))
	}
	return nil
}

type incidentVerdictInput struct {
	IncidentInput
	Body VerdictBody
}

type anomalyVerdictInput struct {
	ID   string `path:"id" maxLength:"600" doc:"The anomaly's id."`
	Body VerdictBody
}

// replacedVerdict is an earlier verdict about the same, which no longer counts.
type replacedVerdict struct {
	ID      string    `json:"id"`
	Verdict string    `json:"verdict" enum:"real,expected,noise"`
	Who     string    `json:"who"`
	At      time.Time `json:"at"`
}

// givenVerdict tells what was written to the feedback topic.
type givenVerdict struct {
	ID       string            `json:"id" doc:"Id of the verdict, which withdraws it. It takes effect a moment later."`
	Until    time.Time         `json:"until" doc:"Event time at which its effect ends."`
	Replaces []replacedVerdict `json:"replaces" doc:"Earlier verdicts about the same: they are withdrawn."`
	Parts    int               `json:"parts" doc:"Members of a group that the verdict was given to as well."`
	Told     bool              `json:"told" doc:"Whether a new revision of the incident tells of it; false of a single anomaly, and where the incident ended longer ago than its topic keeps it. Detectors obey all the same."`
}

type givenVerdictOutput struct{ Body givenVerdict }

type verdictsInput struct {
	Limit    int    `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"Rows of a page."`
	Cursor   string `query:"cursor" maxLength:"1000" doc:"next_cursor of the page before."`
	Stream   string `query:"stream" maxLength:"250" doc:"Only this stream."`
	State    string `query:"state" enum:"in_force,withdrawn,expired" doc:"Only verdicts in this state."`
	Verdict  string `query:"verdict" enum:"real,expected,noise" doc:"Only these verdicts."`
	Incident string `query:"incident" maxLength:"600" doc:"Only verdicts about this incident."`
	Anomaly  string `query:"anomaly" maxLength:"600" doc:"Only verdicts about this anomaly by itself, not about an incident of which it is the peak."`
	TopLevel bool   `query:"top_level" doc:"Leave out what a verdict on a group gave to its members."`
}

type verdictsOutput struct {
	Body struct {
		Items      []streams.StoredVerdict `json:"items" doc:"Newest first."`
		Limit      int                     `json:"limit"`
		NextCursor *string                 `json:"next_cursor" doc:"Cursor of the next page; null on the last one."`
	}
}

type verdictInput struct {
	ID string `path:"id" maxLength:"600" doc:"The verdict's id."`
}

type withdrawnOutput struct {
	Body struct {
		ID    string `json:"id" doc:"Id of the withdrawal. It takes effect a moment later."`
		Parts int    `json:"parts" doc:"Verdicts of a group's members that were withdrawn as well."`
	}
}

func (s *Server) verdictRoutes() {
	give := func(id, path, tag, summary, text string) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: http.MethodPost, Path: path, Tags: []string{tag}, Summary: summary, DefaultStatus: http.StatusAccepted,
			Description: text + " It changes what the detector learns, suppresses and asks for, until it ends or is withdrawn. The newest verdict " +
				"counts: the answer tells what it replaces. The audit keeps who gave it.",
		}
	}
	route(s, RoleIngest, give("judge-incident", "/api/incidents/{id}/verdict", tagIncidents, "Judging an incident", "Gives a verdict on an incident, and on each member of a group."), s.judgeIncident)
	route(s, RoleIngest, give("judge-anomaly", "/api/anomalies/{id}/verdict", tagAnomalies, "Judging an anomaly", "Gives a verdict on a single anomaly."), s.judgeAnomaly)
	route(s, RoleRead, huma.Operation{
		OperationID: "list-verdicts", Method: http.MethodGet, Path: "/api/verdicts", Tags: []string{tagIncidents},
		Summary: "Listing verdicts", Description: "Verdicts with what became of them, newest first.",
	}, s.listVerdicts)
	route(s, RoleIngest, huma.Operation{
		OperationID: "withdraw-verdict", Method: http.MethodDelete, Path: "/api/verdicts/{id}", Tags: []string{tagIncidents}, DefaultStatus: http.StatusAccepted,
		Summary: "Withdrawing a verdict", Description: "Takes a verdict back, and what it gave to the members of a group: its effect is undone. 409 where it is withdrawn already. The audit keeps who did it.",
	}, s.withdrawVerdict)
}

func (s *Server) judgeAnomaly(ctx context.Context, in *anomalyVerdictInput) (*givenVerdictOutput, error) {
	if err := s.mayGive(in.Body.Comment); err != nil {
		return nil, err
	}
	a, err := s.readAnomaly(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	f := s.said(ctx)
	f.Stream, f.Entity, f.Kind, f.From, f.To = a.Stream, a.Entity, a.Kind, a.Timestamp, a.Timestamp
	f.Describe(&a.Anomaly)
	return s.judge(ctx, "anomaly", &in.Body, []streams.Feedback{f}, []subject{aboutAnomaly(a.Stream, a.ID)})
}

func (s *Server) judgeIncident(ctx context.Context, in *incidentVerdictInput) (*givenVerdictOutput, error) {
	if err := s.mayGive(in.Body.Comment); err != nil {
		return nil, err
	}
	i, err := s.readIncident(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	records := []streams.Feedback{s.about(ctx, &i.Incident)}
	earlier := []subject{aboutIncident(i.Stream, i.ID)}
	if i.Kind == streams.KindGroup {
		members, err := s.members(ctx, &i.Incident)
		if err != nil {
			return nil, err
		}
		ids := map[string]bool{}
		for k := range members {
			ids[members[k].ID] = true
			part := s.about(ctx, &members[k].Incident)
			part.PartOf = records[0].ID
			records = append(records, part)
		}
		earlier = append(earlier, aboutMembers(i.Stream, i.ID, ids))
	}
	out, err := s.judge(ctx, "incident", &in.Body, records, earlier)
	if err != nil {
		return nil, err
	}
	out.Body.Told = s.tells(&i)
	return out, nil
}

// members reads every member of a group from the store: the incident itself lists the largest only.
func (s *Server) members(ctx context.Context, group *streams.Incident) ([]streams.StoredIncident, error) {
	var out []streams.StoredIncident
	for q := (streams.IncidentQuery{Stream: group.Stream, Group: group.ID, Limit: 1000}); ; {
		page, err := s.deps.Incidents.Incidents(ctx, q)
		if err != nil {
			return nil, err
		}
		out = append(out, page.Items...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return out, nil
		}
	}
}

// judge completes records about one anomaly or incident, and the parts that follow it, into verdicts and writes them; what was
// said before is withdrawn, so that one verdict at most counts.
func (s *Server) judge(ctx context.Context, what string, body *VerdictBody, records []streams.Feedback, earlier []subject) (*givenVerdictOutput, error) {
	if err := body.check(records[0].To); err != nil {
		return nil, err
	}
	if err := s.inTime(body, records); err != nil {
		return nil, err
	}
	out := &givenVerdictOutput{Body: givenVerdict{ID: records[0].ID, Until: body.end(records[0].To), Replaces: []replacedVerdict{}, Parts: len(records) - 1}}
	var all []streams.Feedback
	at := records[0].At
	ended := map[string]*streams.Incident{}
	for k := range records {
		ended[records[k].Incident] = records[k].About
	}
	for _, about := range earlier {
		replaced, err := s.standing(ctx, about)
		if err != nil {
			return nil, err
		}
		for k := range replaced {
			v := &replaced[k]
			w := s.withdrawal(ctx, v, ended)
			w.At = at
			all = append(all, w)
			if v.Incident == records[0].Incident {
				out.Body.Replaces = append(out.Body.Replaces, replacedVerdict{ID: v.ID, Verdict: v.Verdict, Who: v.Who, At: v.At})
			}
		}
	}
	if len(all) > 0 {
		at = at.Add(time.Microsecond) // By time, too, what it replaces is taken back before.
	}
	for _, f := range records {
		f.At, f.Action, f.Verdict, f.Comment, f.Until = at, streams.ActionVerdict, body.Verdict, body.Comment, body.end(f.To)
		all = append(all, f)
	}
	if err := s.give(ctx, all); err != nil {
		return nil, err
	}
	s.metrics.verdicts.WithLabelValues(records[0].Stream, body.Verdict).Inc()
	object := records[0].Incident
	if object == "" {
		object = records[0].Anomaly
	}
	s.audit(ctx, what+".verdict", object, body.Verdict+" until "+utc(out.Body.Until)+": "+body.Comment)
	return out, nil
}

// inTime refuses a verdict that has ended for every detector it is about: nothing would come of it. What this process does not
// know of it lets pass.
func (s *Server) inTime(body *VerdictBody, records []streams.Feedback) error {
	var refused error
	for k := range records {
		f := &records[k]
		if f.Entity == "" && f.Anomaly == "" && len(records) > 1 {
			continue // A group: its members have the detectors.
		}
		status, known := s.deps.Statuses.Status(f.Stream, f.Entity)
		end := body.end(f.To)
		if !known || end.After(status.LastEvent) {
			return nil
		}
		field := "body.for_hours"
		if body.Until != nil {
			field = "body.until"
		}
		refused = problem(http.StatusUnprocessableEntity, "validation failed",
			badField(field, "too short: the verdict would end at "+utc(end)+", and its detector has seen events up to "+utc(status.LastEvent), end))
	}
	return refused
}

// withdrawal takes a verdict back in the caller's name. ended has the incidents by id that have ended.
func (s *Server) withdrawal(ctx context.Context, v *streams.StoredVerdict, ended map[string]*streams.Incident) streams.Feedback {
	f := s.said(ctx)
	f.About = ended[v.Incident]
	f.Action, f.Withdraw, f.Until = streams.ActionWithdraw, v.ID, v.Until
	f.Stream, f.Entity, f.Incident, f.Anomaly, f.From, f.To = v.Stream, v.Entity, v.Incident, v.Anomaly, v.From, v.To
	return f
}

func (s *Server) listVerdicts(ctx context.Context, in *verdictsInput) (*verdictsOutput, error) {
	store, err := s.incidents()
	if err != nil {
		return nil, err
	}
	stream, err := scope(ctx, in.Stream)
	if err != nil {
		return nil, err
	}
	page, err := store.Verdicts(ctx, streams.VerdictQuery{
		Stream: stream, State: in.State, Verdict: in.Verdict, Incident: in.Incident, Anomaly: in.Anomaly, TopLevel: in.TopLevel,
		Limit: in.Limit, Cursor: in.Cursor,
	})
	if err != nil {
		return nil, err
	}
	out := &verdictsOutput{}
	out.Body.Items, out.Body.Limit = list(page.Items), in.Limit
	if page.Next != "" {
		out.Body.NextCursor = &page.Next
	}
	return out, nil
}

func (s *Server) withdrawVerdict(ctx context.Context, in *verdictInput) (*withdrawnOutput, error) {
	if err := s.mayGive(""); err != nil {
		return nil, err
	}
	v, err := s.verdict(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if v.State == streams.VerdictWithdrawn {
		return nil, problem(http.StatusConflict, "the verdict is withdrawn already")
	}
	parts, err := s.standing(ctx, partsOf(v.Stream, v.ID))
	if err != nil {
		return nil, err
	}
	ended, err := s.ended(ctx, v.Incident)
	if err != nil {
		return nil, err
	}
	records := []streams.Feedback{s.withdrawal(ctx, &v, ended)}
	for k := range parts {
		part := s.withdrawal(ctx, &parts[k], ended)
		part.PartOf = records[0].ID
		records = append(records, part)
	}
	if err := s.give(ctx, records); err != nil {
		return nil, err
	}
	s.audit(ctx, "verdict.withdraw", v.ID, v.Verdict)
	out := &withdrawnOutput{}
	out.Body.ID, out.Body.Parts = records[0].ID, len(parts)
	return out, nil
}

// ended returns by id what has ended of an incident and the members of a group: nothing where there is no incident any more.
func (s *Server) ended(ctx context.Context, id string) (map[string]*streams.Incident, error) {
	out := map[string]*streams.Incident{}
	if id == "" {
		return out, nil
	}
	i, err := s.readIncident(ctx, id)
	if errors.Is(err, streams.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	all := []streams.StoredIncident{i}
	if i.Kind == streams.KindGroup {
		members, err := s.members(ctx, &i.Incident)
		if err != nil {
			return nil, err
		}
		all = append(all, members...)
	}
	for k := range all {
		if !all[k].Open() {
			out[all[k].ID] = &all[k].Incident
		}
	}
	return out, nil
}
