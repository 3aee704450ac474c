package api

import (
	"cmp"
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

// window is a maintenance window and where it comes from.
type window struct {
	streams.Window
	Origin string `json:"origin,omitempty" readOnly:"true" doc:"Its place in the configuration, such as maintenance.0 or streams.NAME.maintenance.0; api for one set at run time."`
}

// windowList is the maintenance windows of all streams.
type windowList struct {
	Items   []window `json:"items" maxItems:"1000" doc:"Events inside a window are scored and stored, and their anomalies notify nobody."`
	Changed bool     `json:"changed,omitempty" readOnly:"true" doc:"Set at run time, so the configuration's do not hold."`
}

// originAPI is the origin of windows set at run time.
const originAPI = "api"

func newWindows(items []streams.Window, changed bool) windowList {
	out := windowList{Items: make([]window, len(items)), Changed: changed}
	for i, w := range items {
		out.Items[i] = window{w, cmp.Or(w.Origin, originAPI)}
	}
	return out
}

// plain returns the windows without their origin.
func (l *windowList) plain() []streams.Window {
	out := make([]streams.Window, len(l.Items))
	for i := range l.Items {
		out[i] = l.Items[i].Window
	}
	return out
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
	route(s, RoleAdmin, huma.Operation{
		OperationID: "reset-rules", Method: http.MethodDelete, Path: "/api/streams/{stream}/rules", Tags: []string{tagStreams}, DefaultStatus: http.StatusOK,
		Summary: "Going back to the rules of the configuration", Description: "Forgets the rules set at run time: those of the configuration hold again, and are the answer. The audit keeps who did it.",
	}, s.resetRules)
	route(s, RoleRead, huma.Operation{
		OperationID: "get-maintenance", Method: http.MethodGet, Path: "/api/maintenance", Tags: []string{tagStreams},
		Summary: "Reading maintenance windows", Description: "The windows that hold now, of the streams that the caller may see.",
	}, s.getMaintenance)
	route(s, RoleAdmin, huma.Operation{
		OperationID: "put-maintenance", Method: http.MethodPut, Path: "/api/maintenance", Tags: []string{tagStreams},
		Summary: "Replacing maintenance windows", Description: "Replaces the windows of all streams, at once and in every process. They go before those of the configuration. " +
			"A calendar is given as text (ical). The audit keeps who did it.",
	}, s.putMaintenance)
	route(s, RoleAdmin, huma.Operation{
		OperationID: "reset-maintenance", Method: http.MethodDelete, Path: "/api/maintenance", Tags: []string{tagStreams}, DefaultStatus: http.StatusOK,
		Summary: "Going back to the windows of the configuration", Description: "Forgets the windows set at run time: those of the configuration hold again, and are the answer. The audit keeps who did it.",
	}, s.resetMaintenance)
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
			return newWindows(windows, true)
		}
	}
	return newWindows(s.config.Maintenance, false)
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
	s.audit(ctx, "stream.rules", d.Name, changesOf(before.Items, in.Body.Items, nameOfRule))
	return &rulesOutput{ruleList{in.Body.Items, true}}, nil
}

func (s *Server) resetRules(ctx context.Context, in *StreamInput) (*rulesOutput, error) {
	d, err := s.stream(ctx, in.Stream)
	if err != nil {
		return nil, err
	}
	if s.deps.Control == nil {
		return nil, problem(http.StatusNotImplemented, "this process cannot change streams")
	}
	before := s.rules(d)
	if err := s.deps.Control.ResetRules(ctx, d.Name); err != nil {
		return nil, err
	}
	now := ruleList{Items: list(d.Rules)}
	s.audit(ctx, "stream.rules.reset", d.Name, changesOf(before.Items, now.Items, nameOfRule))
	return &rulesOutput{now}, nil
}

func (s *Server) getMaintenance(ctx context.Context, _ *struct{}) (*windowsOutput, error) {
	out := s.windows()
	who := whoOf(ctx)
	out.Items = slices.DeleteFunc(out.Items, func(w window) bool {
		return len(w.Streams) > 0 && !slices.ContainsFunc(w.Streams, who.sees)
	})
	return &windowsOutput{out}, nil
}

// maySetWindows refuses callers who see a part of what windows are about, and processes that cannot change anything.
func (s *Server) maySetWindows(ctx context.Context) error {
	if len(whoOf(ctx).streams) > 0 {
		return problem(http.StatusForbidden, "windows are of all streams, and this token sees some streams only")
	}
	if s.deps.Control == nil {
		return problem(http.StatusNotImplemented, "this process cannot change streams")
	}
	return nil
}

func (s *Server) putMaintenance(ctx context.Context, in *putWindowsInput) (*windowsOutput, error) {
	if err := s.maySetWindows(ctx); err != nil {
		return nil, err
	}
	windows := in.Body.plain()
	problems := guards.CheckWindows(windows)
	for i := range problems {
		problems[i].Path = strings.Replace(problems[i].Path, ".ical_file", ".ical", 1) // Here it is no file.
		problems[i].Message = strings.Replace(problems[i].Message, "or ical_file", "or ical", 1)
	}
	size := 0
	for i, w := range windows {
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
	if err := s.deps.Control.SetMaintenance(ctx, windows); err != nil {
		return nil, err
	}
	s.audit(ctx, "maintenance", "", changesOf(before.plain(), windows, nameOfWindow))
	return &windowsOutput{newWindows(windows, true)}, nil
}

func (s *Server) resetMaintenance(ctx context.Context, _ *struct{}) (*windowsOutput, error) {
	if err := s.maySetWindows(ctx); err != nil {
		return nil, err
	}
	before := s.windows()
	if err := s.deps.Control.ResetMaintenance(ctx); err != nil {
		return nil, err
	}
	s.audit(ctx, "maintenance.reset", "", changesOf(before.plain(), s.config.Maintenance, nameOfWindow))
	return &windowsOutput{newWindows(s.config.Maintenance, false)}, nil
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
