package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"anomalystream/streams"
)

// Server is the API. Make it with New, feed it with the Deliver methods, and run it once.
type Server struct {
	config  Config
	deps    Deps
	log     *slog.Logger
	echo    *echo.Echo
	huma    huma.API
	http    *http.Server
	admin   *http.Server
	feed    *feed    // Of anomalies.
	alerts  *channel // The way of anomalies to live clients.
	bursts  *channel // The way of incidents; nil where this process has none.
	series  *liveSeries
	metrics *metrics
	assets  map[string]bool // Paths of fixed files.
	tokens  []knownToken
	oidc    *identityProvider
	limits  *limits
	open    bool // Everyone is let in.
	started time.Time
	clients atomic.Int64
	probes  singleflight.Group
	totals  cache[streams.AnomalyQuery, count]
	stats   cache[string, []streams.StreamStats]
	recent  recent

	listener  net.Listener
	adminL    net.Listener
	stopping  chan struct{} // Closed when the server stops.
	stopOnce  sync.Once
	registry  *prometheus.Registry
	readyGate atomic.Bool
}

// New checks the configuration, opens the listeners and registers the metrics. Nothing is served before Run.
func New(c Config, d Deps) (*Server, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if d.History == nil || d.Statuses == nil {
		return nil, errors.New("api: history and statuses are required")
	}
	s := &Server{
		config: c, deps: d, log: c.Log, tokens: knownTokens(c.Tokens), limits: newLimits(c.RateLimit),
		open: len(c.Tokens) == 0 && c.OIDC.Issuer == "", started: c.Now(), stopping: make(chan struct{}), registry: d.Registry,
		series: newLiveSeries(), assets: map[string]bool{},
	}
	if c.OIDC.Issuer != "" {
		s.oidc = newIdentityProvider(c.OIDC, c.Log)
	}
	if s.registry == nil {
		s.registry = prometheus.NewRegistry()
	}
	s.metrics = newMetrics(s.registry)
	s.feed = newFeed(c, anomalyCargo(d.History), d.Statuses, d.FeedLoaded, s.metrics.anomalies)
	s.alerts = s.newChannel(s.feed)
	if d.Incidents != nil {
		s.bursts = s.newChannel(newFeed(c, incidentCargo(d.Incidents), d.Statuses, d.IncidentsLoaded, s.metrics.incidents))
	}

	s.echo = echo.New()
	s.echo.HideBanner, s.echo.HidePort = true, true
	s.echo.IPExtractor = echo.ExtractIPDirect()
	s.echo.HTTPErrorHandler = s.errorHandler
	s.echo.Use(s.deadlines, s.observe, secure, s.origins, s.authenticate, s.limit, s.body, s.readable, middleware.GzipWithConfig(middleware.GzipConfig{
		MinLength: 1400,
		Skipper:   func(c echo.Context) bool { return liveRoute(c.Path()) || s.assets[c.Path()] },
	}))
	err := s.routes()
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if s.listener, err = net.Listen("tcp", c.Addr); err != nil {
		return nil, fmt.Errorf("api: listening on %s: %w", c.Addr, err)
	}
	s.http = &http.Server{
		Handler: routePath(s.echo), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 90 * time.Second, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}
	if c.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			_ = s.listener.Close()
			return nil, fmt.Errorf("api: reading the TLS certificate and key: %w", err)
		}
		s.http.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	if c.AdminAddr != "" {
		if s.adminL, err = net.Listen("tcp", c.AdminAddr); err != nil {
			_ = s.listener.Close()
			return nil, fmt.Errorf("api: listening on admin address %s: %w", c.AdminAddr, err)
		}
		s.admin = &http.Server{Handler: s.adminHandler(), ReadHeaderTimeout: 5 * time.Second}
	}
	return s, nil
}

// Addr is the address the server listens on, with the real port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// AdminAddr is the admin address, "" for none.
func (s *Server) AdminAddr() string {
	if s.adminL == nil {
		return ""
	}
	return s.adminL.Addr().String()
}

// URL is where a browser on this machine finds the page.
func (s *Server) URL() string {
	scheme := "http"
	if s.config.TLSCert != "" {
		scheme = "https"
	}
	host, port, _ := net.SplitHostPort(s.Addr())
	if ip := net.ParseIP(host); ip != nil && (ip.IsUnspecified() || ip.IsLoopback()) {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// Run serves until the context ends, then stops gracefully: no new requests, open ones finish, live clients are told to
// connect again. It returns nil after a stop and the error that ended serving otherwise. It runs once.
func (s *Server) Run(ctx context.Context) error {
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var running sync.WaitGroup
	for _, ch := range s.channels() {
		running.Go(func() { ch.feed.run(background) })
		running.Go(func() { ch.feed.reconcileLoop(background) })
	}
	running.Go(func() { s.precisionLoop(background) })

	s.readyGate.Store(true)
	failed := make(chan error, 2)
	serve := func(what string, f func() error) {
		running.Go(func() {
			if err := f(); err != nil && !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("api: serving %s: %w", what, err)
			}
		})
	}
	serve(s.Addr(), func() error {
		if s.config.TLSCert != "" {
			return s.http.ServeTLS(s.listener, "", "")
		}
		return s.http.Serve(s.listener)
	})
	if s.admin != nil {
		serve(s.AdminAddr(), func() error { return s.admin.Serve(s.adminL) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.readyGate.Store(false)
	s.stop()
	cancel()
	running.Wait()
	return err
}

func (s *Server) stop() {
	s.stopOnce.Do(func() { close(s.stopping) })
	ctx, cancel := context.WithTimeout(context.Background(), s.config.ShutdownGrace)
	defer cancel()
	var sockets sync.WaitGroup
	for _, ch := range s.channels() {
		ch.feed.flush() // What is pending still goes out.
		sockets.Go(func() { ch.sockets.shutdown(ctx) })
		sockets.Go(func() { ch.singles.shutdown(ctx) })
	}
	sockets.Wait()
	if err := s.http.Shutdown(ctx); err != nil {
		s.log.Warn("requests were still running at shutdown", "error", err)
		_ = s.http.Close()
	}
	if s.admin != nil {
		_ = s.admin.Close()
	}
}

// DeliverAnomaly takes a record of the anomalies topic: its value, partition and offset, and when it was written. Records
// of a partition must come in order. Bring the last FeedHistory records of each partition first, then the live ones: they
// let clients resume exactly after a restart. It never waits for clients.
func (s *Server) DeliverAnomaly(a streams.Anomaly, partition int32, offset int64, written time.Time) error {
	e, err := anomalyEntry(&a)
	if err == nil {
		s.feed.offer(e, partition, offset, written)
	}
	return err
}

// DeliverIncident takes a record of the incidents topic, as DeliverAnomaly does of its own. Without Deps.Incidents it does
// nothing.
func (s *Server) DeliverIncident(i streams.Incident, partition int32, offset int64, written time.Time) error {
	if s.bursts == nil {
		return nil
	}
	e, err := incidentEntry(&i)
	if err == nil {
		s.bursts.feed.offer(e, partition, offset, written)
	}
	return err
}

// DeliverRollup takes a record of the rollups topic, live ones only. It never waits for clients.
func (s *Server) DeliverRollup(r streams.Rollup) {
	s.series.add(&r, s.config.Now())
	s.feed.offerRollup(r)
}
