package checkpoint

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the measurements of all groups of a process, by group and never by key.
type Metrics struct {
	restarts      *prometheus.CounterVec
	running       *prometheus.GaugeVec
	keys          *prometheus.GaugeVec
	unreadable    *prometheus.GaugeVec
	partitions    *prometheus.GaugeVec
	uncommitted   *prometheus.GaugeVec
	lag           *prometheus.GaugeVec
	checkpointed  *prometheus.GaugeVec
	sweepSeconds  *prometheus.HistogramVec
	snapshots     *prometheus.CounterVec
	snapshotBytes *prometheus.CounterVec
	skipped       *prometheus.CounterVec
	stale         *prometheus.CounterVec
	lost          *prometheus.CounterVec
	refused       *prometheus.CounterVec
}

// NewMetrics makes the metrics and registers them; a nil registry leaves them unregistered.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	label := []string{"group"}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "anomalystream", Subsystem: "group", Name: name, Help: help}, append(label, labels...))
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "anomalystream", Subsystem: "group", Name: name, Help: help}, label)
	}
	m := &Metrics{
		restarts:      counter("restarts_total", "Times the processor of the group ended and was built again."),
		running:       gauge("running", "1 while the group reads its input, else 0."),
		keys:          gauge("keys", "Keys whose state this process holds."),
		unreadable:    gauge("unreadable_keys", "Keys whose state cannot be read; their messages are refused."),
		partitions:    gauge("partitions", "Partitions of the input that this process reads."),
		uncommitted:   gauge("uncommitted_messages", "Messages read since the committed offsets: what a crash would read again."),
		lag:           gauge("lag_messages", "Messages in the input that were not read yet, at the last checkpoint."),
		checkpointed:  gauge("last_checkpoint_timestamp_seconds", "When the last checkpoint ended, in Unix seconds."),
		snapshots:     counter("snapshots_total", "Snapshots of keys written."),
		snapshotBytes: counter("snapshot_bytes_total", "Bytes of snapshots written."),
		skipped:       counter("skipped_messages_total", "Messages that had been applied before."),
		stale:         counter("stale_snapshots_total", "Snapshots ignored in recovery because the key had applied more."),
		lost:          counter("lost_messages_total", "Messages deleted from the input by its retention before they were read."),
		refused:       counter("refused_messages_total", "Messages that were not applied, by reason code.", "code"),
		sweepSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "anomalystream", Subsystem: "group", Name: "checkpoint_seconds", Help: "Duration of a checkpoint.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		}, label),
	}
	if registry != nil {
		registry.MustRegister(m.restarts, m.running, m.keys, m.unreadable, m.partitions, m.uncommitted, m.lag, m.checkpointed,
			m.sweepSeconds, m.snapshots, m.snapshotBytes, m.skipped, m.stale, m.lost, m.refused)
	}
	return m
}

// groupMetrics are the metrics of one group.
type groupMetrics struct {
	restarts, snapshots, snapshotBytes, skipped, stale, lost            prometheus.Counter
	running, keys, unreadable, partitions, uncommitted, lag, checkpoint prometheus.Gauge
	sweepSeconds                                                        prometheus.Observer
	refused                                                             *prometheus.CounterVec
}

func (m *Metrics) group(name string) groupMetrics {
	return groupMetrics{
		restarts: m.restarts.WithLabelValues(name), snapshots: m.snapshots.WithLabelValues(name),
		snapshotBytes: m.snapshotBytes.WithLabelValues(name), skipped: m.skipped.WithLabelValues(name),
		stale: m.stale.WithLabelValues(name), lost: m.lost.WithLabelValues(name),
		running: m.running.WithLabelValues(name), keys: m.keys.WithLabelValues(name),
		unreadable: m.unreadable.WithLabelValues(name), partitions: m.partitions.WithLabelValues(name),
		uncommitted: m.uncommitted.WithLabelValues(name), lag: m.lag.WithLabelValues(name),
		checkpoint: m.checkpointed.WithLabelValues(name), sweepSeconds: m.sweepSeconds.WithLabelValues(name),
		refused: m.refused.MustCurryWith(prometheus.Labels{"group": name}),
	}
}
