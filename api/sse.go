package api

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

// eventClient is one client of the server-sent events route.
type eventClient struct {
	out     chan []byte
	room    chan struct{} // Signals that something was written.
	slow    chan struct{} // Closed when the client fell behind.
	cutOnce sync.Once
}

// send queues messages; a client whose queue is full is cut.
func (c *eventClient) send(messages [][]byte) {
	for _, m := range messages {
		select {
		case <-c.slow:
			return // What came after a hole would move the client's cursor beyond it.
		default:
		}
		select {
		case c.out <- m:
		default:
			c.cut("reads too slowly")
			return
		}
	}
}

func (c *eventClient) drain(ctx context.Context) bool {
	for len(c.out) > maxBacklog/2 {
		select {
		case <-ctx.Done():
			return false
		case <-c.room:
		}
	}
	return true
}

func (c *eventClient) cut(string) { c.cutOnce.Do(func() { close(c.slow) }) }

// eventStream serves server-sent events until the client or the server goes.
func (s *Server) eventStream(c echo.Context, l live) error {
	gauge := s.metrics.clients.WithLabelValues("events")
	gauge.Inc()
	defer gauge.Dec()
	ctx, cancel := context.WithCancel(c.Request().Context())
	defer cancel()
	h := c.Response().Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	control := http.NewResponseController(c.Response())
	c.Response().WriteHeader(http.StatusOK)

	client := &eventClient{out: make(chan []byte, maxBacklog+256), room: make(chan struct{}, 1), slow: make(chan struct{})}
	stopped := make(chan func(), 1)
	go func() { stopped <- l.on.feed.subscribe(ctx, l.key, l.from, client) }()
	defer func() { cancel(); (<-stopped)() }()

	write := func(b []byte) error {
		_ = control.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Response().Write(b); err != nil {
			return err
		}
		return control.Flush()
	}
	if write([]byte("retry: 1000\n\n")) != nil {
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.stopping:
			_ = write([]byte("event: closing\ndata: {\"reason\":\"server stops\"}\n\n"))
			return nil
		case <-client.slow:
			s.metrics.cut.WithLabelValues("slow").Inc()
			_ = write([]byte("event: closing\ndata: {\"reason\":\"reads too slowly\"}\n\n"))
			return nil
		case b := <-client.out:
			if write(b) != nil {
				return nil
			}
			signal(client.room)
		}
	}
}
