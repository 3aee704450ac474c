package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
)

// channel is a feed with its ways to WebSocket clients; server-sent events need nothing of their own.
type channel struct {
	feed    *feed
	sockets *sockets // They get frames.
	singles *sockets // They get single items.
}

func (s *Server) newChannel(f *feed) *channel {
	return &channel{
		feed: f, sockets: newSockets(f, s.metrics, maxBacklog, s.allowedOrigin), singles: newSockets(f, s.metrics, maxSingles, s.allowedOrigin),
	}
}

// channels are those that this process has.
func (s *Server) channels() []*channel {
	if s.bursts == nil {
		return []*channel{s.alerts}
	}
	return []*channel{s.alerts, s.bursts}
}

// liveRoutes registers the routes that stay open; they are outside huma, which answers once.
func (s *Server) liveRoutes() {
	s.livePair(s.alerts, "/ws/alerts", "/api/alerts")
	s.livePair(s.bursts, "/ws/incidents", "/api/incidents/live")
	alerts, incidents := anomalyCargo(s.deps.History), incidentCargo(s.deps.Incidents)
	s.describeLive(&alerts, "/ws/alerts", "websocket-alerts", "WebSocket of live anomalies", "Frames as JSON text, one per message: see the protocol in the documentation of package api.")
	s.describeLive(&alerts, "/api/alerts", "stream-alerts", "Server-sent events of live anomalies", "One anomaly per event; the event's id resumes with Last-Event-ID.")
	s.describeLive(&incidents, "/ws/incidents", "websocket-incidents", "WebSocket of live incidents", "Frames as those of anomalies. Each item is a revision of an incident: a higher one replaces a lower one.")
	s.describeLive(&incidents, "/api/incidents/live", "stream-incidents", "Server-sent events of live incidents", "One revision of an incident per event; the event's id resumes with Last-Event-ID.")
}

// livePair registers the two routes of a channel.
func (s *Server) livePair(on *channel, socket, events string) {
	s.echo.GET(socket, func(c echo.Context) error {
		l, err := s.enter(c, on, formatFrames)
		if err != nil {
			return err
		}
		if !c.IsWebSocket() {
			c.Response().Header().Set("Upgrade", "websocket")
			return problem(http.StatusUpgradeRequired, "connect with a WebSocket client, or read GET "+events)
		}
		sockets := on.sockets
		if l.key.format == formatSingle {
			sockets = on.singles
		}
		return s.bounded(func() error { return sockets.serve(c, l) })
	})
	s.echo.GET(events, func(c echo.Context) error {
		l, err := s.enter(c, on, formatEvents)
		if err != nil {
			return err
		}
		return s.bounded(func() error { return s.eventStream(c, l) })
	})
}

// enter reads what a live client asks for.
func (s *Server) enter(c echo.Context, on *channel, format byte) (live, error) {
	r := c.Request()
	who := whoOf(r.Context())
	if err := s.allow(who, RoleRead); err != nil {
		return live{}, err
	}
	if on == nil {
		_, err := s.incidents()
		return live{}, err
	}
	q := r.URL.Query()
	if id := r.Header.Get("Last-Event-ID"); id != "" && format == formatEvents {
		q.Set("since", id)
	}
	key, from, errs := parseLive(q, format, &on.feed.cargo, who, func(name string) bool { return s.definition(name) != nil })
	if len(errs) > 0 {
		return live{}, problem(http.StatusUnprocessableEntity, "validation failed", errs...)
	}
	return live{on: on, key: key, from: from}, nil
}

// bounded serves a live client unless there are too many.
func (s *Server) bounded(serve func() error) error {
	if s.clients.Add(1) > int64(s.config.MaxClients) {
		s.clients.Add(-1)
		s.metrics.refused.WithLabelValues("clients").Inc()
		return problem(http.StatusServiceUnavailable, "too many live clients")
	}
	defer s.clients.Add(-1)
	return serve()
}

// describeLive documents a live route in the OpenAPI.
func (s *Server) describeLive(carry *cargo, path, id, summary, text string) {
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
		{Name: "since", In: "query", Description: "Resume: a cursor, " + carry.named + ", or an RFC 3339 time.", Schema: str},
	}
	if carry.extras {
		parameters = append(parameters, &huma.Param{Name: "include", In: "query", Description: "rollups, detectors, or both separated by a comma.", Schema: str})
	}
	parameters = append(parameters, &huma.Param{Name: "access_token", In: "query", Description: "The bearer token, for browsers that cannot set headers here.", Schema: str})
	answers := map[string]*huma.Response{"default": {
		Description: "Error", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: &huma.Schema{Ref: "#/components/schemas/ErrorModel"}}},
	}}
	if path[:4] == "/ws/" {
		parameters = append(parameters, &huma.Param{
			Name: "batch", In: "query", Description: "false: one bare " + carry.one + " per message instead of frames.",
			Schema: &huma.Schema{Type: huma.TypeBoolean, Default: true},
		})
		answers["101"] = &huma.Response{Description: "The connection becomes a WebSocket."}
	} else {
		answers["200"] = &huma.Response{Description: "The stream.", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: str}}}
	}
	s.huma.OpenAPI().AddOperation(&huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Description: text + " Needs the role read.",
		Tags: []string{carry.tag}, Parameters: parameters, Responses: answers, Security: []map[string][]string{{"bearer": {}}, {}},
	})
}
