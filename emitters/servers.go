package emitters

import (
	"math"
	"math/rand/v2"
)

// Faults of server metrics.
const (
	FaultIncident = "incident"     // Processor, memory, latency and errors all suffer for about an hour.
	FaultOutage   = "outage_spike" // Requests fail at once while the machine idles.
	FaultLeak     = "slow_leak"    // Memory fills up until the service is restarted.
)

// servers simulates stream server_metrics: a reading of every host each five simulated minutes.
type servers struct {
	hosts []*host
	turn  int
}

type host struct {
	name    string
	rng     *rand.Rand
	trouble trouble
	hour    float64 // Simulated time of day.
	load    wander
	drift   wander

	cpu, memory, latency, errors float64 // What the host is like at average load.
	swing                        float64 // Share of the load that follows the day.
}

const readingHours = 5.0 / 60 // Simulated time between two readings of a host or device.

func newServers(cfg SimulatorConfig) *servers {
	w := &servers{}
	for i, name := range []string{"web-1", "web-2", "api-1", "db-1"} {
		rng := source(cfg.Seed, cfg.Stream, name)
		w.hosts = append(w.hosts, &host{
			name: name, rng: rng, hour: 24 * rng.Float64(),
			trouble: newTrouble(cfg, i, []fault{{FaultIncident, 12}, {FaultOutage, 4}, {FaultLeak, 30}}),
			cpu:     34 + 12*rng.Float64(), memory: 45 + 15*rng.Float64(), latency: 25 + 60*rng.Float64(), errors: 0.001 + 0.002*rng.Float64(),
			swing: 0.5 + 0.3*rng.Float64(),
		})
	}
	return w
}

func (w *servers) next(b []byte) (string, []byte, string) {
	h := w.hosts[w.turn]
	w.turn = (w.turn + 1) % len(w.hosts)
	truth, progress := h.trouble.step(h.rng)
	cpu, memory, latency, errors := h.read(truth, progress)
	b = appendText(b, "host", h.name)
	b = appendNumber(b, "cpu_percent", cpu, 2)
	b = appendNumber(b, "memory_percent", memory, 2)
	b = appendNumber(b, "latency_ms", latency, 2)
	return h.name, appendNumber(b, "error_rate", errors, 5), truth
}

// read returns the metrics of the next reading. The load drives all of them: processor directly, latency like a queue,
// memory with inertia, errors when it is high.
func (h *host) read(truth string, progress float64) (cpu, memory, latency, errors float64) {
	h.hour = math.Mod(h.hour+readingHours, 24)
	load := clamp(1+0.4*h.swing*daily(h.hour)+0.14*h.load.step(h.rng, 0.8), 0.2, 2.2)
	cpu = h.cpu * load * (1 + 0.05*h.rng.NormFloat64())
	memory = h.memory + 6*(load-1) + 2*h.drift.step(h.rng, 0.97) + 0.4*h.rng.NormFloat64()
	busy := clamp(cpu/100, 0, 0.95)
	latency = h.latency * (1 + 0.8*busy/(1-busy)) * lognormal(h.rng, 0.15)
	if h.rng.Float64() < 0.02 {
		latency *= min(pareto(h.rng, 3), 5)
	}
	errors = h.errors * (1 + 2*busy*busy) * lognormal(h.rng, 0.35)
	switch truth {
	case FaultIncident:
		rise := min(1, 3*progress) // At its height after a third of the time.
		cpu += rise * (88 + 6*h.rng.Float64() - cpu)
		memory += rise * (14 + 3*h.rng.Float64())
		latency *= 1 + rise*(4+3*h.rng.Float64())
		errors = errors*(1+20*rise) + 0.02*rise*h.rng.Float64()
	case FaultOutage:
		cpu *= 0.15
		latency = h.latency * (15 + 10*h.rng.Float64())
		errors = 0.5 + 0.4*h.rng.Float64()
	case FaultLeak:
		memory += progress * (97 - memory)
		late := max(0, progress-0.6)
		latency *= 1 + 6*late
		errors *= 1 + 20*late
	}
	return clamp(cpu, 0.5, 100), clamp(memory, 1, 100), latency, clamp(errors, 0, 1)
}
