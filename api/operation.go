package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"anomalystream/streams"
)

// partOut is the state of one part of the system.
type partOut struct {
	Name   string  `json:"name"`
	Status string  `json:"status" enum:"ok,unavailable"`
	TookMS float64 `json:"took_ms" doc:"Time of the check in milliseconds."`
}

// healthOut is the answer of a health check.
type healthOut struct {
	Status  string    `json:"status" enum:"ok,unavailable"`
	Version string    `json:"version"`
	Uptime  float64   `json:"uptime_seconds"`
	Parts   []partOut `json:"parts"`
}

type healthOutput struct {
	Status int
	Body   healthOut
}

type auditInput struct {
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

type auditOutput struct {
	Body struct {
		Items []streams.Audit `json:"items" doc:"Newest first."`
	}
}

type whoOutput struct {
	Body struct {
		Name    string   `json:"name"`
		Role    string   `json:"role" enum:"read,ingest,admin"`
		Streams []string `json:"streams" doc:"Streams it may see; empty for all."`
	}
}

func (s *Server) operationRoutes() {
	probe := func(id, path, summary, text string, parts func() []Part) {
		op := huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Tags: []string{tagOperation}, Summary: summary, Description: text}
		ref := &huma.Schema{Ref: "#/components/schemas/HealthOut"}
		op.Responses = map[string]*huma.Response{"503": {
			Description: "A part does not serve.", Content: map[string]*huma.MediaType{"application/json": {Schema: ref}},
		}}
		route(s, "", op, func(ctx context.Context, _ *struct{}) (*healthOutput, error) {
			// Probes are public: callers at the same time share one check, so that they cannot wear out the database.
			out, _, _ := s.probes.Do(id, func() (any, error) { return s.check(context.WithoutCancel(ctx), parts()), nil })
			return out.(*healthOutput), nil
		})
	}
	store := Part{Name: "database", Ready: func(ctx context.Context) error { return s.deps.History.Ping(ctx) }}
	probe("livez", "/livez", "Checking life", "Answers as long as the process does.", func() []Part { return nil })
	probe("health", "/health", "Checking health", "Alive, and the database answers; 503 while it does not.", func() []Part { return []Part{store} })
	probe("readyz", "/readyz", "Checking readiness", "Views have recovered, the database answers, processors run; 503 until then and while stopping.", func() []Part {
		return append([]Part{
			{Name: "server", Ready: func(context.Context) error {
				if !s.readyGate.Load() {
					return errors.New("starting or stopping")
				}
				return nil
			}},
			store,
			{Name: "views", Ready: func(context.Context) error {
				if !s.deps.Statuses.Recovered() {
					return errors.New("reading the detectors topic")
				}
				return nil
			}},
			{Name: "feed", Ready: func(context.Context) error {
				for _, ch := range s.channels() {
					if !ch.feed.loaded() {
						return errors.New("reading the " + ch.feed.cargo.items + " topic")
					}
				}
				return nil
			}},
		}, s.deps.Health...)
	})
	route(s, RoleAdmin, huma.Operation{
		OperationID: "list-audit", Method: http.MethodGet, Path: "/api/audit", Tags: []string{tagOperation},
		Summary: "Listing the audit", Description: "Every change: who, what, when.",
	}, func(ctx context.Context, in *auditInput) (*auditOutput, error) {
		if s.deps.Audits == nil {
			return nil, problem(http.StatusNotImplemented, "this process keeps no audit")
		}
		rows, err := s.deps.Audits.Audits(ctx, in.Limit)
		if err != nil {
			return nil, err
		}
		out := &auditOutput{}
		out.Body.Items = list(rows)
		return out, nil
	})
	route(s, RoleRead, huma.Operation{
		OperationID: "who-am-i", Method: http.MethodGet, Path: "/api/me", Tags: []string{tagOperation},
		Summary: "Reading who I am", Description: "Name, role and streams of the caller.",
	}, func(ctx context.Context, _ *struct{}) (*whoOutput, error) {
		who := whoOf(ctx)
		out := &whoOutput{}
		out.Body.Name, out.Body.Role, out.Body.Streams = who.name, who.role(), list(who.streams)
		return out, nil
	})
	// Compression is the middleware's: twice is once too much for a scraper.
	figures := promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{DisableCompression: true})
	s.echo.GET("/metrics", func(c echo.Context) error {
		if err := s.allow(whoOf(c.Request().Context()), RoleRead); err != nil {
			return err
		}
		figures.ServeHTTP(c.Response(), c.Request())
		return nil
	})
}

// check asks all parts at once, each for two seconds at most. What went wrong is logged, not told: probes are public.
func (s *Server) check(ctx context.Context, parts []Part) *healthOutput {
	out := &healthOutput{Status: http.StatusOK, Body: healthOut{
		Status: "ok", Version: s.config.Version, Uptime: s.config.Now().Sub(s.started).Seconds(), Parts: make([]partOut, len(parts)),
	}}
	var wg sync.WaitGroup
	for i, p := range parts {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
			defer cancel()
			started := time.Now()
			err := p.Ready(ctx)
			out.Body.Parts[i] = partOut{Name: p.Name, Status: "ok", TookMS: float64(time.Since(started).Microseconds()) / 1000}
			if err != nil {
				out.Body.Parts[i].Status = "unavailable"
				s.log.Debug("a part is not ready", "part", p.Name, "error", err)
			}
		})
	}
	wg.Wait()
	for _, p := range out.Body.Parts {
		if p.Status != "ok" {
			out.Status, out.Body.Status = http.StatusServiceUnavailable, "unavailable"
		}
	}
	return out
}

// audit records a change that was made; if that fails the change stands and the log has it.
func (s *Server) audit(ctx context.Context, action, object, detail string) {
	a := streams.Audit{At: s.config.Now().UTC(), Who: whoOf(ctx).name, Action: action, Object: object, Detail: detail}
	s.log.Info("audit", "who", a.Who, "action", a.Action, "object", a.Object, "detail", a.Detail, "request_id", requestID(ctx))
	if s.deps.Audits == nil {
		return
	}
	if err := s.deps.Audits.Record(ctx, a); err != nil {
		s.log.Error("recording a change in the audit", "error", err, "request_id", requestID(ctx))
	}
}

// adminHandler serves profiles and metrics on the admin address, which is for operators only and has no tokens.
func (s *Server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	return mux
}
