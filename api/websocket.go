package api

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gorilla/websocket"
	"github.com/labstack/echo/v4"
	"github.com/olahol/melody"
)

// Close codes beyond those of RFC 6455.
const closeSlow = 4008

// Limits of one WebSocket connection.
const (
	maxBacklog     = 128  // Frames waiting to be written: twelve seconds of them, longer than a write may take.
	maxSingles     = 1024 // Messages waiting to be written where each holds one anomaly.
	maxClientBytes = 4096 // Of one message of a client.
	maxClientTalk  = 100  // Messages a client may send: none is needed.
	closeWait      = 2 * time.Second
)

// sockets serves the WebSocket route for one format of messages.
type sockets struct {
	melody   *melody.Melody
	backlog  int           // Messages that may wait to be written before a client counts as slow.
	farewell time.Duration // How long a close frame waits for the client to take what it had before.
	feed     *feed
	metrics  *metrics
	stopping atomic.Bool
	running  sync.WaitGroup // Handlers and cuts: http.Server.Shutdown does not wait for hijacked connections.
}

// socket is one WebSocket client.
type socket struct {
	session *melody.Session
	owner   *sockets
	waiting atomic.Int64  // Messages queued and not yet written.
	room    chan struct{} // Signals that something was written.
	talk    atomic.Int64
	closing atomic.Bool
	stop    func()
	done    context.CancelFunc
	joined  chan struct{} // Closed when stop is set.
}

const (
	socketKey = "anomalystream.socket"
	goodbye   = "server stops: connect again with since"
)

func newSockets(f *feed, m *metrics, backlog int, allowed func(*http.Request) bool) *sockets {
	w := &sockets{melody: melody.New(), feed: f, metrics: m, backlog: backlog, farewell: closeWait}
	w.melody.Config.MaxMessageSize = maxClientBytes
	w.melody.Config.MessageBufferSize = backlog + max(backlog/2, 2*maxBacklog) // Room for one more send beyond the backlog.
	w.melody.Config.PingPeriod = 20 * time.Second
	w.melody.Config.PongWait = 50 * time.Second
	w.melody.Config.WriteWait = 10 * time.Second
	w.melody.Upgrader.CheckOrigin = allowed
	w.melody.Upgrader.HandshakeTimeout = 5 * time.Second
	w.melody.Upgrader.Subprotocols = []string{subprotocol}
	w.melody.HandleConnect(w.connect)
	w.melody.HandleDisconnect(w.disconnect)
	w.melody.Upgrader.Error = func(rw http.ResponseWriter, _ *http.Request, status int, _ error) {
		writeProblem(rw, &huma.ErrorModel{Status: status, Detail: "this is no WebSocket handshake of version 13"})
	}
	w.melody.HandleSentMessage(func(s *melody.Session, _ []byte) {
		if c := socketOf(s); c != nil {
			c.waiting.Add(-1)
			signal(c.room)
		}
	})
	listen := func(s *melody.Session, _ []byte) {
		if c := socketOf(s); c != nil && c.talk.Add(1) > maxClientTalk {
			c.close(websocket.ClosePolicyViolation, "clients have nothing to say here", "talk")
		}
	}
	w.melody.HandleMessage(listen)
	w.melody.HandleMessageBinary(listen)
	// Closing the session inside this handler would call it again without end; see socket.close.
	w.melody.HandleError(func(s *melody.Session, err error) {
		if c := socketOf(s); c != nil && err == melody.ErrMessageBufferFull {
			c.cut("reads too slowly")
		}
	})
	return w
}

// live is what the route decided before the upgrade.
type live struct {
	on   *channel
	key  groupKey
	from *since
}

// serve upgrades the request and stays until the connection ends.
func (w *sockets) serve(c echo.Context, l live) error {
	w.running.Add(1)
	defer w.running.Done()
	gauge := w.metrics.clients.WithLabelValues("websocket")
	gauge.Inc()
	defer gauge.Dec()
	err := w.melody.HandleRequestWithKeys(c.Response(), c.Request(), map[string]any{socketKey: &l})
	if errors.Is(err, melody.ErrClosed) {
		return problem(http.StatusServiceUnavailable, "the server stops: connect again")
	}
	return err // Of a refused upgrade, which has been answered.
}

func socketOf(s *melody.Session) *socket {
	v, _ := s.Get(socketKey)
	c, _ := v.(*socket)
	return c
}

// connect runs before the session's writer does, so the subscription gets a goroutine of its own.
func (w *sockets) connect(s *melody.Session) {
	v, _ := s.Get(socketKey)
	l := v.(*live)
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.Request.Context()))
	c := &socket{session: s, owner: w, done: cancel, room: make(chan struct{}, 1), joined: make(chan struct{})}
	s.Set(socketKey, c)
	if w.stopping.Load() { // It came between the check and the farewell to all.
		c.close(websocket.CloseGoingAway, goodbye, "stop")
	}
	w.running.Go(func() {
		defer close(c.joined)
		c.stop = w.feed.subscribe(ctx, l.key, l.from, c)
	})
}

func (w *sockets) disconnect(s *melody.Session) {
	c := socketOf(s)
	c.closing.Store(true)
	c.done()
	<-c.joined
	c.stop()
}

// send queues messages; a client with too many unwritten ones is cut.
func (c *socket) send(messages [][]byte) {
	if c.closing.Load() {
		return
	}
	if c.waiting.Load() > int64(c.owner.backlog) {
		c.cut("reads too slowly")
		return
	}
	for _, m := range messages {
		c.waiting.Add(1)
		// A message that found no room has cut the client: what came after the hole must not reach it.
		if c.session.Write(m) != nil || c.closing.Load() {
			return
		}
	}
}

func (c *socket) drain(ctx context.Context) bool {
	for c.waiting.Load() > maxBacklog/2 {
		select {
		case <-ctx.Done():
			return false
		case <-c.room:
		}
	}
	return true
}

func (c *socket) cut(string) {
	c.close(closeSlow, "reads too slowly: connect again with since", "slow")
}

// close ends the connection from outside the session: first politely, as far as the client still takes anything, then for
// good. It returns at once.
func (c *socket) close(code int, text, reason string) {
	if !c.closing.CompareAndSwap(false, true) {
		return
	}
	c.owner.metrics.cut.WithLabelValues(reason).Inc()
	c.owner.running.Go(func() {
		conn := c.session.WebsocketConnection()
		// WriteControl waits for a frame that is being written, and gives up at its deadline.
		_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, text), time.Now().Add(c.owner.farewell))
		time.Sleep(100 * time.Millisecond) // Let the close frame out before the socket goes.
		_ = conn.Close()
	})
}

// shutdown tells every client that the server goes away and waits until they are gone; those that are still there when the
// context ends are dropped.
func (w *sockets) shutdown(ctx context.Context) {
	w.stopping.Store(true)
	sessions, _ := w.melody.Sessions() // None is no error.
	_ = w.melody.CloseWithMsg(melody.FormatCloseMessage(websocket.CloseGoingAway, goodbye))
	done := make(chan struct{})
	go func() {
		w.running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		for _, s := range sessions {
			_ = s.WebsocketConnection().Close()
		}
		<-done
	}
}
