package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"anomalystream/streams"
)

// commentBody is what somebody says beside an act. Bodies are of named types, or the description would repeat them.
type commentBody struct {
	Comment string `json:"comment,omitempty" nullable:"true" maxLength:"1000" doc:"For the others who read it."`
}

type actInput struct {
	IncidentInput
	Body *commentBody // A pointer: it may be left out.
}

type commentInput struct {
	IncidentInput
	Body struct {
		Comment string `json:"comment" minLength:"1" maxLength:"1000" doc:"What there is to say."`
	}
}

// given tells what was written to the feedback topic.
type given struct {
	ID   string `json:"id" doc:"Id of the feedback. It takes effect a moment later."`
	Told bool   `json:"told" doc:"Whether a new revision of the incident tells of it. False where the incident ended longer ago than its topic keeps it: then the store alone shows what was said."`
}

type givenOutput struct{ Body given }

func (s *Server) feedbackRoutes() {
	post := func(id, path, summary, text string) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: http.MethodPost, Path: path, Tags: []string{tagIncidents}, Summary: summary,
			Description: text + " The audit keeps who did it.", DefaultStatus: http.StatusAccepted,
		}
	}
	route(s, RoleIngest, post("acknowledge-incident", "/api/incidents/{id}/acknowledge", "Acknowledging an incident", "Says that somebody takes care. 409 where it has ended."),
		func(ctx context.Context, in *actInput) (*givenOutput, error) {
			return s.act(ctx, in.ID, streams.ActionAcknowledge, in.comment())
		})
	route(s, RoleIngest, post("resolve-incident", "/api/incidents/{id}/resolve", "Resolving an incident", "Ends it. 409 where it has ended."),
		func(ctx context.Context, in *actInput) (*givenOutput, error) {
			return s.act(ctx, in.ID, streams.ActionResolve, in.comment())
		})
	route(s, RoleIngest, post("comment-incident", "/api/incidents/{id}/comment", "Commenting an incident", "Adds a comment, also to one that has ended."),
		func(ctx context.Context, in *commentInput) (*givenOutput, error) {
			return s.act(ctx, in.ID, streams.ActionComment, in.Body.Comment)
		})
}

func (in *actInput) comment() string {
	if in.Body == nil {
		return ""
	}
	return in.Body.Comment
}

// act writes what somebody does about an incident.
func (s *Server) act(ctx context.Context, id, action, comment string) (*givenOutput, error) {
	if err := s.mayGive(comment); err != nil {
		return nil, err
	}
	i, err := s.readIncident(ctx, id)
	if err != nil {
		return nil, err
	}
	if action != streams.ActionComment && !i.Open() {
		return nil, problem(http.StatusConflict, "the incident has ended: it is "+i.Status)
	}
	f := s.about(ctx, &i.Incident)
	f.Action, f.Comment = action, comment
	if err := s.give(ctx, []streams.Feedback{f}); err != nil {
		return nil, err
	}
	s.audit(ctx, "incident."+action, i.ID, comment)
	return &givenOutput{Body: given{ID: f.ID, Told: s.tells(&i)}}, nil
}

// tells reports whether the topic still has an incident, so that a new revision tells what is said about it.
func (s *Server) tells(i *streams.StoredIncident) bool {
	if i.Open() || i.EndedAt == nil {
		return true
	}
	d := s.definition(i.Stream)
	return d != nil && s.config.Now().Sub(*i.EndedAt) < d.Incidents.Retention
}

// mayGive refuses what no topic takes, and everything where this process cannot write.
func (s *Server) mayGive(comment string) error {
	if s.deps.Feedback == nil {
		return problem(http.StatusNotImplemented, "this process does not take feedback")
	}
	if strings.ContainsRune(comment, 0) {
		return problem(http.StatusUnprocessableEntity, "validation failed", badField("body.comment", "not readable text", nil))
	}
	return nil
}

// about is feedback of the caller about an incident. A group has neither an entity nor an anomaly of its own. One that has ended
// goes with it: whoever makes its next revision need not remember it.
func (s *Server) about(ctx context.Context, i *streams.Incident) streams.Feedback {
	f := s.said(ctx)
	f.Stream, f.Entity, f.Kind, f.Incident, f.From, f.To = i.Stream, i.Entity, i.Kind, i.ID, i.Start, i.Latest
	if f.Lasting = i.Open(); !f.Lasting {
		f.About = i
	}
	if i.Peak != nil && i.Kind != streams.KindGroup {
		f.Describe(i.Peak)
		f.Alert = i.PeakAlert // The peak is the most severe of the anomalies judged, not always the rarest.
	}
	return f
}

// said is feedback of the caller, now, with a new id.
func (s *Server) said(ctx context.Context) streams.Feedback {
	var id [12]byte
	_, _ = rand.Read(id[:]) // Never fails: the runtime ends the process instead.
	// The store keeps microseconds; a time must not differ between it and the topic.
	return streams.Feedback{ID: hex.EncodeToString(id[:]), Who: whoOf(ctx).name, At: s.config.Now().UTC().Truncate(time.Microsecond)}
}

// give writes records and returns once Kafka has them.
func (s *Server) give(ctx context.Context, records []streams.Feedback) error {
	if err := s.deps.Feedback.Give(ctx, records); err != nil {
		return err
	}
	s.recent.add(records)
	return nil
}
