package sink

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics measure the sink.
type metrics struct {
	rows       *prometheus.CounterVec
	duplicates prometheus.Counter
	batches    prometheus.Counter
	retries    prometheus.Counter
	refused    prometheus.Counter
	newest     prometheus.Gauge
	lag        *prometheus.GaugeVec
	seconds    prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	opts := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "anomalystream", Subsystem: "sink", Name: name, Help: help}
	}
	m := &metrics{
		rows:       prometheus.NewCounterVec(opts("rows_total", "Rows written, by table."), []string{"table"}),
		duplicates: prometheus.NewCounter(opts("duplicates_total", "Anomalies that the store had already, or that a person has deleted.")),
		batches:    prometheus.NewCounter(opts("batches_total", "Batches written.")),
		retries:    prometheus.NewCounter(opts("retries_total", "Writes repeated because the store did not answer.")),
		refused:    prometheus.NewCounter(opts("refused_total", "Records the store will never take.")),
		newest:     prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "anomalystream", Subsystem: "sink", Name: "newest_timestamp_seconds", Help: "Event time of the anomaly stored last, Unix seconds."}),
		lag:        prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "anomalystream", Subsystem: "sink", Name: "lag_records", Help: "Records of a partition that are not stored yet, at the last write."}, []string{"topic", "partition"}),
		seconds:    prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "anomalystream", Subsystem: "sink", Name: "write_seconds", Help: "Time of a write, waits for the store included.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 15)}),
	}
	if r != nil {
		r.MustRegister(m.rows, m.duplicates, m.batches, m.retries, m.refused, m.newest, m.lag, m.seconds)
	}
	return m
}

func (m *metrics) wrote(b *Batch, w Written, took time.Duration) {
	m.batches.Inc()
	m.seconds.Observe(took.Seconds())
	m.rows.WithLabelValues("anomalies").Add(float64(w.Anomalies))
	m.rows.WithLabelValues("rollups").Add(float64(w.Rollups))
	m.rows.WithLabelValues("detectors").Add(float64(w.Detectors))
	m.rows.WithLabelValues("dead_letters").Add(float64(w.Letters))
	m.rows.WithLabelValues("incidents").Add(float64(w.Incidents))
	m.rows.WithLabelValues("feedback").Add(float64(w.Feedback))
	m.duplicates.Add(float64(len(b.Anomalies) - w.Anomalies))
	if n := len(b.Anomalies); n > 0 {
		m.newest.Set(float64(b.Anomalies[n-1].Timestamp.Unix()))
	}
	for _, p := range b.Progress {
		m.lag.WithLabelValues(p.Topic, strconv.Itoa(int(p.Partition))).Set(float64(p.HighWater - p.Next))
	}
}
