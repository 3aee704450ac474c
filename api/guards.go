package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"anomalystream/streams"
	"anomalystream/streams/guards"
)

// maxCalendars bounds the calendars of all windows together: they travel in one record.
const maxCalendars = 512 << 10

// ruleList is the rules of a stream.
type ruleList struct {
	Items   []streams.Rule `json:"items" maxItems:"1000" doc:"What holds whatever the models find; later rules go before earlier ones."`
	Changed bool           `json:"changed,omitempty" readOnly:"true" doc:"Set at run time, so the configuration's do not hold."`
}

type rulesOutput struct{ Body ruleList }

type putRulesInput struct {
	StreamInput
	Body ruleList
}

// windowList is the maintenance windows of all streams.
type windowList struct {
	Items   []streams.Window `json:"items" maxItems:"1000" doc:"Events inside a window are scored and stored, and their anomalies notify nobody."`
	Changed bool             `json:"changed,omitempty" readOnly:"true" doc:"Set at run time, so the configuration's do not hold."`
}

type windowsOutput struct{ Body windowList }

type putWindowsInput struct{ Body windowList }

func (s *Server) guardRoutes() {
	route(s, RoleRead, huma.Operation{
		OperationID: "get-rules", Method: http.MethodGet, Path: "/api/streams/{stream}/rules", Tags: []string{tagStreams},
		Summary: "Reading rules", Description: "The rules of a stream that hold now.",
	}, s.getRules)
	route(s, RoleAdmin, huma.Operation{
		OperationID: "put-rules", Method: http.MethodPut, Path: "/api/streams/{stream}/rules", Tags: []string{tagStreams},
		Summary: "Replacing rules", Description: "Replaces all rules of a stream, at once and in every process. They go before those of the configuration. The audit keeps who did it.",
	}, s.putRules)
	route(s, RoleRead, huma.Operation{
		OperationID: "get-maintenance", Method: http.MethodGet, Path: "/api/maintenance", Tags: []string{tagStreams},
		Summary: "Reading maintenance windows", Description: "The windows that hold now, of the streams that the caller may see.",
	}, s.getMaintenance)
	route(s, RoleAdmin, huma.Operation{
		OperationID: "put-maintenance", Method: http.MethodPut, Path: "/api/maintenance", Tags: []string{tagStreams},
		Summary: "Replacing maintenance windows", Description: "Replaces the windows of all streams, at once and in every process. They go before those of the configuration. " +
			"A calendar is given as text (ical). The audit keeps who did it.",
	}, s.putMaintenance)
}

// rules are those that hold now: a change at run time goes before the configuration.
func (s *Server) rules(d *streams.Definition) ruleList {
	if s.deps.Control != nil {
		if rules, ok := s.deps.Control.Rules(d.Name); ok {
			return ruleList{list(rules), true}
		}
	}
	return ruleList{list(d.Rules), false}
}

func (s *Server) windows() windowList {
	if s.deps.Control != nil {
		if windows, ok := s.deps.Control.Maintenance(); ok {
			return windowList{list(windows), true}
		}
	}
	return windowList{list(s.config.Maintenance), false}
}

func (s *Server) getRules(ctx context.Context, in *StreamInput) (*rulesOutput, error) {
	d, err := s.stream(ctx, in.Stream)
	if err != nil {
		return nil, err
	}
	return &rulesOutput{s.rules(d)}, nil
}

func (s *Server) putRules(ctx context.Context, in *putRulesInput) (*rulesOutput, error) {
	d, err := s.stream(ctx, in.Stream)
	if err != nil {
		return nil, err
	}
	if s.deps.Control == nil {
		return nil, problem(http.StatusNotImplemented, "this process cannot change streams")
	}
	if err := refused(guards.CheckRules(d, in.Body.Items)); err != nil {
		return nil, err
	}
	before := s.rules(d)
	if err := s.deps.Control.SetRules(ctx, d.Name, in.Body.Items); err != nil {
		return nil, err
	}
	name := func(r streams.Rule) string { return r.Name }
	s.audit(ctx, "stream.rules", d.Name, changed(names(before.Items, name), names(in.Body.Items, name)))
	return &rulesOutput{ruleList{in.Body.Items, true}}, nil
}

func (s *Server) getMaintenance(ctx context.Context, _ *struct{}) (*windowsOutput, error) {
	out := s.windows()
	who := whoOf(ctx)
	out.Items = slices.DeleteFunc(slices.Clone(out.Items), func(w streams.Window) bool {
		return len(w.Streams) > 0 && !slices.ContainsFunc(w.Streams, who.sees)
	})
	return &windowsOutput{out}, nil
}

func (s *Server) putMaintenance(ctx context.Context, in *putWindowsInput) (*windowsOutput, error) {
	if len(whoOf(ctx).streams) > 0 {
		return nil, problem(http.StatusForbidden, "windows are of all streams, and this token sees some streams only")
	}
	if s.deps.Control == nil {
		return nil, problem(http.StatusNotImplemented, "this process cannot change streams")
	}
	problems := guards.CheckWindows(in.Body.Items)
	size := 0
	for i, w := range in.Body.Items {
		size += len(w.ICal)
		for _, name := range w.Streams {
			if s.definition(name) == nil {
				problems = append(problems, guards.Problem{Path: strconv.Itoa(i) + ".streams", Message: fmt.Sprintf("found %q, which is no stream", name)})
			}
		}
	}
	if size > maxCalendars {
		problems = append(problems, guards.Problem{Message: fmt.Sprintf("the calendars have %d bytes together, expected at most %d", size, maxCalendars)})
	}
	if err := refused(problems); err != nil {
		return nil, err
	}
	before := s.windows()
	if err := s.deps.Control.SetMaintenance(ctx, in.Body.Items); err != nil {
		return nil, err
	}
	name := func(w streams.Window) string { return w.Name }
	s.audit(ctx, "maintenance", "", changed(names(before.Items, name), names(in.Body.Items, name)))
	return &windowsOutput{windowList{in.Body.Items, true}}, nil
}

// refused makes an error of everything wrong with the items of a body, and nil of nothing.
func refused(problems []guards.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	errs := make([]error, len(problems))
	for i, p := range problems {
		location := "body.items"
		if index, field, named := strings.Cut(p.Path, "."); named {
			location += "[" + index + "]." + field
		} else if p.Path != "" {
			location += "[" + index + "]"
		}
		errs[i] = badField(location, p.Message, nil)
	}
	return problem(http.StatusUnprocessableEntity, "validation failed", errs...)
}

func names[T any](items []T, name func(T) string) []string {
	out := make([]string, len(items))
	for i := range items {
		out[i] = name(items[i])
	}
	return out
}

// changed tells the audit what a list was and is.
func changed(before, after []string) string {
	return fmt.Sprintf("from %d (%s) to %d (%s)", len(before), strings.Join(before, ", "), len(after), strings.Join(after, ", "))
}
