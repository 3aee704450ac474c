package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"anomalystream/streams"
)

// maxEvents bounds the events of one request.
const maxEvents = 10000

type eventsInput struct {
	StreamInput
	Key      string `query:"key" maxLength:"1000" doc:"Record key of every event: the entity, where the stream's key is record."`
	KeyField string `query:"key_field" maxLength:"250" doc:"Field of each event to take the record key from."`
	Body     json.RawMessage
}

// eventResult is the outcome of one event.
type eventResult struct {
	Position *streams.Position `json:"position" doc:"Where the event was written; null when it was refused."`
	Code     string            `json:"code,omitempty" doc:"Why it was refused: a reason code as in dead letters."`
	Reason   string            `json:"reason,omitempty"`
}

type eventsOutput struct {
	Body struct {
		Accepted int           `json:"accepted"`
		Refused  int           `json:"refused"`
		Results  []eventResult `json:"results" doc:"One for each event, in order."`
	}
}

type scoreInput struct {
	StreamInput
	Entity string `query:"entity" maxLength:"1000" doc:"Whose detector judges, - for the stream's own; without it the event's own key field tells."`
	Body   json.RawMessage
}

type scoreOutput struct{ Body Score }

func (s *Server) eventRoutes() {
	event := &huma.Schema{Type: huma.TypeObject, Description: "An event: the fields that the stream's configuration names.",
		AdditionalProperties: true, Examples: []any{map[string]any{"timestamp": "2026-01-02T03:04:05Z", "host": "web-1", "cpu_percent": 42.5}}}
	lowest, most := 1, maxEvents
	many := &huma.Schema{Type: huma.TypeArray, Items: event, MinItems: &lowest, MaxItems: &most}
	body := func(schema *huma.Schema) *huma.RequestBody {
		return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}
	}
	route(s, RoleIngest, huma.Operation{
		OperationID: "send-events", Method: http.MethodPost, Path: "/api/streams/{stream}/events", Tags: []string{tagEvents},
		Summary: "Sending events", Description: "Checks one event (an object) or many (a list) and writes the good ones to the stream's topic. " +
			"Where the stream's key is record, the record key is the parameter key, else the field key_field, else the first text or number " +
			"among the event's fields entity, key, host, card, device and id.",
		DefaultStatus: http.StatusAccepted, RequestBody: body(&huma.Schema{OneOf: []*huma.Schema{event, many}}),
	}, s.sendEvents)
	route(s, RoleRead, huma.Operation{
		OperationID: "score-event", Method: http.MethodPost, Path: "/api/streams/{stream}/score", Tags: []string{tagEvents},
		Summary: "Scoring an event", Description: "What would this event score now? Nothing is stored or learned.",
		RequestBody: body(event),
	}, s.scoreEvent)
}

func (s *Server) sendEvents(ctx context.Context, in *eventsInput) (*eventsOutput, error) {
	d, err := s.stream(ctx, in.Stream)
	if err != nil {
		return nil, err
	}
	if s.deps.Publisher == nil {
		return nil, problem(http.StatusNotImplemented, "this process does not take events")
	}
	if in.Key != "" && in.KeyField != "" {
		return nil, problem(http.StatusUnprocessableEntity, "validation failed", badField("query.key_field", "not together with key", in.KeyField))
	}
	events := []json.RawMessage{in.Body}
	if trimmed := bytes.TrimSpace(in.Body); len(trimmed) > 0 && trimmed[0] == '[' {
		if err := json.Unmarshal(trimmed, &events); err != nil {
			return nil, problem(http.StatusUnprocessableEntity, "validation failed", badField("body", "not a list of events", nil))
		}
	}
	records := make([]Record, len(events))
	var missing []error
	for i, e := range events {
		key, ok := in.Key, in.Key != ""
		if !ok {
			key, ok = recordKey(e, in.KeyField)
		}
		if !ok && d.Key == streams.KeyRecord {
			missing = append(missing, badField(fmt.Sprintf("body[%d]", i), "no record key: give key or key_field", nil))
		}
		records[i] = Record{Value: bytes.TrimSpace(e)}
		if ok {
			records[i].Key = &key
		}
	}
	if len(missing) > 0 {
		return nil, problem(http.StatusUnprocessableEntity, "validation failed", missing...)
	}
	published, err := s.deps.Publisher.Publish(ctx, d.Name, records)
	if err != nil {
		return nil, err
	}
	out := &eventsOutput{}
	out.Body.Results = make([]eventResult, len(published))
	var refused []error
	for i, p := range published {
		if p.Reject == nil {
			out.Body.Accepted++
			out.Body.Results[i].Position = &p.Position
			continue
		}
		out.Body.Refused++
		out.Body.Results[i].Code, out.Body.Results[i].Reason = p.Reject.Code, p.Reject.Reason
		refused = append(refused, rejected(fmt.Sprintf("body[%d]", i), p.Reject))
	}
	if out.Body.Accepted == 0 {
		return nil, problem(http.StatusUnprocessableEntity, "no event was accepted", refused...)
	}
	return out, nil
}

func rejected(location string, r *streams.Reject) error {
	if r.Field != "" {
		location += "." + r.Field
	}
	return badField(location, r.Code+": "+r.Reason, nil)
}

// keyFields are the names under which producers usually send what identifies the source of an event.
var keyFields = [...]string{"entity", "key", "host", "card", "device", "id"}

// recordKey finds the record key of an event: in the named field, or without a name in one of keyFields.
func recordKey(event json.RawMessage, field string) (string, bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(event, &fields) != nil {
		return "", false
	}
	names := keyFields[:]
	if field != "" {
		names = []string{field}
	}
	for _, name := range names {
		raw, ok := fields[name]
		if !ok {
			continue
		}
		var text string
		if json.Unmarshal(raw, &text) == nil && text != "" {
			return text, true
		}
		var number json.Number
		if json.Unmarshal(raw, &number) == nil && number != "" {
			return number.String(), true
		}
	}
	return "", false
}

// eventEntity tells whose event it is by the stream's key rule, "" for the stream's own detector.
func eventEntity(d *streams.Definition, event json.RawMessage) string {
	field := d.Key
	switch d.Key {
	case streams.KeyStream:
		return ""
	case streams.KeyRecord:
		field = ""
	}
	entity, _ := recordKey(event, field)
	return entity
}

func (s *Server) scoreEvent(ctx context.Context, in *scoreInput) (*scoreOutput, error) {
	d, err := s.stream(ctx, in.Stream)
	if err != nil {
		return nil, err
	}
	if s.deps.Scorer == nil {
		return nil, problem(http.StatusNotImplemented, "this process does not hold the detectors")
	}
	entity := ownEntity(in.Entity)
	if in.Entity == "" {
		entity = eventEntity(d, in.Body)
	}
	score, err := s.deps.Scorer.Score(ctx, d.Name, entity, in.Body)
	var reject *streams.Reject
	switch {
	case errors.As(err, &reject):
		return nil, problem(http.StatusUnprocessableEntity, "the event cannot be read", rejected("body", reject))
	case errors.Is(err, ErrUnknownEntity):
		return nil, problem(http.StatusNotFound, "no detector of this entity here")
	case err != nil:
		return nil, err
	}
	score.Detectors = list(score.Detectors)
	if score.Why != nil {
		why := *score.Why
		why.Contributions = list(why.Contributions)
		score.Why = &why
	}
	return &scoreOutput{Body: score}, nil
}
