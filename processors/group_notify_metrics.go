package processors

import "github.com/prometheus/client_golang/prometheus"

// NotifyMetrics are the measurements of the groups that plan notifications, by route.
type NotifyMetrics struct {
	planned *prometheus.CounterVec
	held    *prometheus.CounterVec
	open    *prometheus.GaugeVec
	rejects *prometheus.CounterVec
}

// NewNotifyMetrics makes the metrics and registers them; a nil registry leaves them unregistered.
func NewNotifyMetrics(registry prometheus.Registerer) *NotifyMetrics {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "anomalystream", Subsystem: "notify", Name: name, Help: help}
	}
	m := &NotifyMetrics{
		planned: prometheus.NewCounterVec(prometheus.CounterOpts(opts("planned_total", "Messages planned, by route and event.")), []string{"route", "event"}),
		held:    prometheus.NewCounterVec(prometheus.CounterOpts(opts("held_back_total", "Messages that the rate limit of the route held back for its digest.")), []string{"route"}),
		open:    prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("open_incidents", "Incidents that the route follows.")), []string{"route"}),
		rejects: prometheus.NewCounterVec(prometheus.CounterOpts(opts("rejects_total", "Records that became dead letters while planning, by reason code.")), []string{"code"}),
	}
	if registry != nil {
		registry.MustRegister(m.planned, m.held, m.open, m.rejects)
	}
	return m
}
