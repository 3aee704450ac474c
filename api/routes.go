package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

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
	c.Formats = map[string]huma.Format{"application/json": format(), "json": format()}
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
	s.guardRoutes()
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
