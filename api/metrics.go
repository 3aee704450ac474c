package api

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are the API's own figures. Nothing is labelled by entity, id or raw path.
type metrics struct {
	requests  *prometheus.HistogramVec
	anomalies feedMetrics
	incidents feedMetrics
	clients   *prometheus.GaugeVec
	cut       *prometheus.CounterVec
	refused   *prometheus.CounterVec
	verdicts  *prometheus.CounterVec
	precision *prometheus.GaugeVec
}

// feedMetrics are the figures of one feed.
type feedMetrics struct {
	delivered  *prometheus.CounterVec
	duplicates prometheus.Counter
	reconciled prometheus.Counter
	replayed   prometheus.Counter
	flush      prometheus.Histogram
}

// newFeedMetrics names the figures of a feed: of anomalies, or of incidents, which are told by a word in each name.
func newFeedMetrics(auto promauto.Factory, word, items string) feedMetrics {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Name: "anomalystream_api_" + word + "feed_" + name, Help: help}
	}
	return feedMetrics{
		delivered:  auto.NewCounterVec(counter(items+"_total", "Records taken into the live feed of "+items+", by stream."), []string{"stream"}),
		duplicates: auto.NewCounter(counter("duplicates_total", "Records the feed of "+items+" knew already: redeliveries.")),
		reconciled: auto.NewCounter(counter("reconciled_total", "Records that the store had and the topic of "+items+" did not bring.")),
		replayed:   auto.NewCounter(counter("replayed_total", "Records sent again to resuming clients of the feed of "+items+".")),
		flush: auto.NewHistogram(prometheus.HistogramOpts{
			Name: "anomalystream_api_" + word + "feed_flush_seconds", Help: "Time to hand one flush of " + items + " to every live client.",
			Buckets: []float64{.0001, .0005, .001, .005, .01, .05, .1},
		}),
	}
}

func newMetrics(r *prometheus.Registry) *metrics {
	auto := promauto.With(r)
	return &metrics{
		requests: auto.NewHistogramVec(prometheus.HistogramOpts{
			Name: "anomalystream_api_request_seconds", Help: "Time to answer a REST request, by route pattern, method and status.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
		}, []string{"route", "method", "status"}),
		anomalies: newFeedMetrics(auto, "", carryAnomalies),
		incidents: newFeedMetrics(auto, "incident_", carryIncidents),
		clients: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "anomalystream_api_live_clients", Help: "Live connections, by transport.",
		}, []string{"transport"}),
		cut: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "anomalystream_api_live_clients_cut_total", Help: "Live connections the server closed, by reason.",
		}, []string{"reason"}),
		refused: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "anomalystream_api_refused_total", Help: "Requests refused before they were handled, by reason.",
		}, []string{"reason"}),
		verdicts: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "anomalystream_api_verdicts_total", Help: "Verdicts given through this process, by stream and verdict.",
		}, []string{"stream", "verdict"}),
		precision: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "anomalystream_api_verdict_precision", Help: "Share of real trouble among what people judged, by stream; absent before any verdict.",
		}, []string{"stream"}),
	}
}

// precisionEvery is how often the precision of the verdicts is looked up for the metrics.
const precisionEvery = 15 * time.Second

// precisionLoop keeps the gauge of precision up to date until the context ends.
func (s *Server) precisionLoop(ctx context.Context) {
	if s.deps.Incidents == nil {
		return
	}
	tick := time.NewTicker(precisionEvery)
	defer tick.Stop()
	for {
		judged, err := s.deps.Incidents.Judged(ctx)
		if err != nil {
			s.log.Debug("counting verdicts for the metrics", "error", err)
		} else {
			s.metrics.precision.Reset() // A stream whose verdicts were withdrawn has none.
			for stream, counts := range judged {
				if p, ok := counts.Precision(); ok {
					s.metrics.precision.WithLabelValues(stream).Set(p)
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
