package notify

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the measurements of all routes of a process.
type Metrics struct {
	delivered   *prometheus.CounterVec
	failed      *prometheus.CounterVec
	undelivered *prometheus.CounterVec
	repeated    *prometheus.CounterVec
	oldest      *oldest
}

// NewMetrics makes the metrics and registers them; a nil registry leaves them unregistered.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "anomalystream", Subsystem: "notify", Name: name, Help: help}, []string{"route"})
	}
	m := &Metrics{
		delivered:   counter("delivered_total", "Messages that a receiver has taken."),
		failed:      counter("failed_attempts_total", "Attempts to deliver that failed."),
		undelivered: counter("undelivered_total", "Messages given up: they are dead letters."),
		repeated:    counter("duplicates_total", "Messages that were in the topic twice and were delivered once."),
		oldest: &oldest{
			desc:   prometheus.NewDesc("anomalystream_notify_oldest_undelivered_seconds", "Age of the oldest message that is being delivered, 0 where there is none.", []string{"route"}, nil),
			routes: map[string]*atomic.Int64{},
		},
	}
	if registry != nil {
		registry.MustRegister(m.delivered, m.failed, m.undelivered, m.repeated, m.oldest)
	}
	return m
}

// route makes the metrics of a route, at zero.
func (m *Metrics) route(name string) *routeMetrics {
	waiting := &atomic.Int64{}
	m.oldest.routes[name] = waiting
	return &routeMetrics{
		delivered: m.delivered.WithLabelValues(name), failed: m.failed.WithLabelValues(name),
		undelivered: m.undelivered.WithLabelValues(name), repeated: m.repeated.WithLabelValues(name), waiting: waiting,
	}
}

// routeMetrics are those of one route.
type routeMetrics struct {
	delivered, failed, undelivered, repeated prometheus.Counter
	waiting                                  *atomic.Int64 // When the message being delivered was planned, Unix nanoseconds; 0 for none.
}

// oldest computes ages when it is asked.
type oldest struct {
	desc   *prometheus.Desc
	routes map[string]*atomic.Int64 // Complete before anything is collected.
}

// Describe implements prometheus.Collector.
func (o *oldest) Describe(out chan<- *prometheus.Desc) { out <- o.desc }

// Collect implements prometheus.Collector.
func (o *oldest) Collect(out chan<- prometheus.Metric) {
	for name, planned := range o.routes {
		age := 0.0
		if at := planned.Load(); at != 0 {
			age = max(time.Since(time.Unix(0, at)).Seconds(), 0)
		}
		out <- prometheus.MustNewConstMetric(o.desc, prometheus.GaugeValue, age, name)
	}
}
