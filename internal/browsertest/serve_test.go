//go:build browser

package browsertest

import (
	"context"
	"log/slog"
	"time"

	"anomalystream/api"
	"anomalystream/streams"
)

// serving is one run of the server over a world.
type serving struct {
	server *api.Server
	stop   func() error
}

// serve starts a server on this address over the world; tokens nil lets everyone in.
func serve(ctx context.Context, w *world, addr string, tokens []api.Token) (*serving, error) {
	var definitions []streams.Definition
	for _, s := range w.sources {
		definitions = append(definitions, s.definition)
	}
	server, err := api.New(api.Config{
		Addr: addr, Streams: definitions, Tokens: tokens, Heartbeat: time.Second, Log: slog.New(slog.DiscardHandler),
		Maintenance: []streams.Window{{Name: "<b>backup</b>", Streams: []string{"server_metrics"}, Cron: "0 2 * * *", Duration: "2h", Timezone: "Europe/Berlin", Origin: "maintenance.0"}},
	}, api.Deps{History: w, Statuses: w, Incidents: w, Feedback: w})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	w.attach(server)
	return &serving{server: server, stop: func() error {
		w.attach(nil)
		cancel()
		return <-done
	}}, nil
}
