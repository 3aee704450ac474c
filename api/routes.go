package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"anomalystream/streams"
)

// Tags of the documentation, in its order.
const (
	tagAnomalies = "anomalies"
	tagIncidents = "incidents"
	tagStreams   = "streams"
	tagEvents    = "events"
	tagOperation = "operation"
)

// describe returns huma's settings: strict, without its own pages, hooks and schema links.
func describe(version string) huma.Config {
	c := huma.DefaultConfig("anomalystream", version)
	c.Info.Description = "Real-time anomaly detection over Kafka streams. Live anomalies come over GET /ws/alerts (WebSocket) " +
		"and GET /api/alerts (server-sent events); their protocol is described at those paths. Errors are RFC 9457 problems " +
		"that list every bad field. Lists take limit and either offset or cursor."
	c.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	c.Tags = []*huma.Tag{
		{Name: tagAnomalies, Description: "What was found, and why."},
		{Name: tagIncidents, Description: "What people handle: bursts of anomalies and silences, and what was said about them."},
		{Name: tagStreams, Description: "What is watched, and how well."},
		{Name: tagEvents, Description: "Sending events and asking for their score."},
		{Name: tagOperation, Description: "Health and audit."},
	}
	c.DocsPath = ""
	c.SchemasPath = ""
	c.CreateHooks = nil
	c.RejectUnknownQueryParameters = true
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", Description: "A configured token, or a JWT of the identity provider. Not needed on loopback without tokens."},
	}
	return c
}

// route registers one operation. The role is the least one that may use it, "" for everyone.
func route[I, O any](s *Server, role string, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	op.MaxBodyBytes = s.config.MaxBody
	if role != "" {
		op.Security = []map[string][]string{{"bearer": {}}, {}}
		op.Description += " Needs the role " + role + "."
	}
	huma.Register(s.huma, op, func(ctx context.Context, in *I) (*O, error) {
		if role != "" {
			if err := s.allow(whoOf(ctx), role); err != nil {
				return nil, err
			}
		}
		out, err := handle(ctx, in)
		if err != nil {
			return nil, s.fault(ctx, op.Summary, err)
		}
		return out, nil
	})
}

func (s *Server) routes() error {
	s.huma = humaecho.NewV4(s.echo, describe(s.config.Version))
	s.anomalyRoutes()
	s.incidentRoutes()
	s.feedbackRoutes()
	s.verdictRoutes()
	s.streamRoutes()
	s.eventRoutes()
	s.operationRoutes()
	s.liveRoutes()
	if err := s.pageRoutes(); err != nil {
		return err
	}
	schemas := s.huma.OpenAPI().Components.Schemas
	correctSchemas(schemas)
	describeSchemas(schemas)
	return nil
}

// stream returns the definition of a configured stream that the caller may see.
func (s *Server) stream(ctx context.Context, name string) (*streams.Definition, error) {
	d := s.definition(name)
	if d == nil {
		return nil, problem(http.StatusNotFound, "no such stream")
	}
	if !whoOf(ctx).sees(name) {
		return nil, problem(http.StatusForbidden, "not a stream of this token")
	}
	return d, nil
}

func (s *Server) definition(name string) *streams.Definition {
	for i := range s.config.Streams {
		if s.config.Streams[i].Name == name {
			return &s.config.Streams[i]
		}
	}
	return nil
}

// liveRoutes registers the routes that stay open; they are outside huma, which answers once.
func (s *Server) liveRoutes() {
	enter := func(c echo.Context, format byte) (live, error) {
		r := c.Request()
		who := whoOf(r.Context())
		if err := s.allow(who, RoleRead); err != nil {
			return live{}, err
		}
		q := r.URL.Query()
		if id := r.Header.Get("Last-Event-ID"); id != "" && format == formatEvents {
			q.Set("since", id)
		}
		key, from, errs := parseLive(q, format, who, func(name string) bool { return s.definition(name) != nil })
		if len(errs) > 0 {
			return live{}, problem(http.StatusUnprocessableEntity, "validation failed", errs...)
		}
		return live{key: key, from: from}, nil
	}
	bounded := func(c echo.Context, serve func() error) error {
		if s.clients.Add(1) > int64(s.config.MaxClients) {
			s.clients.Add(-1)
			s.metrics.refused.WithLabelValues("clients").Inc()
			return problem(http.StatusServiceUnavailable, "too many live clients")
		}
		defer s.clients.Add(-1)
		return serve()
	}
	s.echo.GET("/ws/alerts", func(c echo.Context) error {
		l, err := enter(c, formatFrames)
		if err != nil {
			return err
		}
		if !c.IsWebSocket() {
			c.Response().Header().Set("Upgrade", "websocket")
			return problem(http.StatusUpgradeRequired, "connect with a WebSocket client, or read GET /api/alerts")
		}
		sockets := s.sockets
		if l.key.format == formatSingle {
			sockets = s.singles
		}
		return bounded(c, func() error { return sockets.serve(c, l) })
	})
	s.echo.GET("/api/alerts", func(c echo.Context) error {
		l, err := enter(c, formatEvents)
		if err != nil {
			return err
		}
		return bounded(c, func() error { return s.eventStream(c, l) })
	})
	s.describeLive("/ws/alerts", "WebSocket of live anomalies", "Frames as JSON text, one per message: see the protocol in the documentation of package api.")
	s.describeLive("/api/alerts", "Server-sent events of live anomalies", "One anomaly per event; the event's id resumes with Last-Event-ID.")
}

// describeLive documents a live route in the OpenAPI.
func (s *Server) describeLive(path, summary, text string) {
	number := func(limit float64) *huma.Schema {
		zero := 0.0
		return &huma.Schema{Type: huma.TypeNumber, Minimum: &zero, Maximum: &limit}
	}
	str := &huma.Schema{Type: huma.TypeString}
	parameters := []*huma.Param{
		{Name: "stream", In: "query", Description: "Only these streams, separated by commas.", Schema: str},
		{Name: "entity", In: "query", Description: "Only this entity.", Schema: str},
		{Name: "min_score", In: "query", Schema: number(1)},
		{Name: "min_severity", In: "query", Schema: number(30)},
		{Name: "since", In: "query", Description: "Resume: a cursor, an anomaly's id, or an RFC 3339 time.", Schema: str},
		{Name: "include", In: "query", Description: "rollups, detectors, or both separated by a comma.", Schema: str},
		{Name: "access_token", In: "query", Description: "The bearer token, for browsers that cannot set headers here.", Schema: str},
	}
	ok := map[string]*huma.Response{"default": {
		Description: "Error", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: &huma.Schema{Ref: "#/components/schemas/ErrorModel"}}},
	}}
	if path == "/ws/alerts" {
		parameters = append(parameters, &huma.Param{
			Name: "batch", In: "query", Description: "false: one bare anomaly per message instead of frames.",
			Schema: &huma.Schema{Type: huma.TypeBoolean, Default: true},
		})
		ok["101"] = &huma.Response{Description: "The connection becomes a WebSocket."}
	} else {
		ok["200"] = &huma.Response{Description: "The stream.", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: str}}}
	}
	s.huma.OpenAPI().AddOperation(&huma.Operation{
		OperationID: map[string]string{"/ws/alerts": "websocket-alerts", "/api/alerts": "stream-alerts"}[path],
		Method:      http.MethodGet, Path: path, Summary: summary, Description: text + " Needs the role read.",
		Tags: []string{tagAnomalies}, Parameters: parameters, Responses: ok, Security: []map[string][]string{{"bearer": {}}, {}},
	})
}
