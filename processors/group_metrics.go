package processors

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the measurements of all groups of a process, by stream and never by entity.
type Metrics struct {
	events        *prometheus.CounterVec
	scored        *prometheus.CounterVec
	anomalies     *prometheus.CounterVec
	suppressed    *prometheus.CounterVec
	late          *prometheus.CounterVec
	rejects       *prometheus.CounterVec
	repartitioned *prometheus.CounterVec
	verdicts      *prometheus.CounterVec
	latency       *prometheus.HistogramVec
	fit           *prometheus.HistogramVec
	incidents     incidentMetrics
}

// incidentMetrics count incidents by stream and kind.
type incidentMetrics struct {
	opened *prometheus.CounterVec
	ended  *prometheus.CounterVec
	open   *prometheus.GaugeVec
}

// NewMetrics makes the metrics and registers them; a nil registry leaves them unregistered.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "anomalystream", Name: name, Help: help}, labels)
	}
	m := &Metrics{
		events:        counter("events_total", "Events applied to detectors.", "stream"),
		scored:        counter("scored_events_total", "Events that got a score.", "stream"),
		anomalies:     counter("anomalies_total", "Anomalies found.", "stream"),
		suppressed:    counter("suppressed_anomalies_total", "Anomalies that notify nobody: maintenance, a limit, a verdict.", "stream"),
		late:          counter("late_events_total", "Events older than the newest of their key by more than the stream allows.", "stream"),
		rejects:       counter("rejects_total", "Records that became dead letters, by reason code.", "stream", "code"),
		verdicts:      counter("verdicts_applied_total", "Verdicts, and withdrawals of them, that changed a detector.", "stream", "action", "verdict"),
		repartitioned: counter("repartitioned_total", "Records written to repartition topics.", "stream"),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "anomalystream", Name: "anomaly_latency_seconds", Help: "From the timestamp of the record to the anomaly being handed to the producer.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60, 300},
		}, []string{"stream"}),
		fit: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "anomalystream", Name: "fit_seconds", Help: "Duration of the steps that fitted models.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}, []string{"stream"}),
	}
	m.incidents = incidentMetrics{
		opened: counter("incidents_opened_total", "Incidents that opened.", "stream", "kind"),
		ended:  counter("incidents_ended_total", "Incidents that recovered or were resolved.", "stream", "kind"),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "anomalystream", Name: "incidents_open", Help: "Incidents that last, at the latest checkpoint.",
		}, []string{"stream", "kind"}),
	}
	if registry != nil {
		registry.MustRegister(m.incidents.opened, m.incidents.ended, m.incidents.open)
		registry.MustRegister(m.events, m.scored, m.anomalies, m.suppressed, m.late, m.rejects, m.repartitioned, m.verdicts, m.latency, m.fit)
	}
	return m
}
