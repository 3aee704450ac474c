package emitters

import (
	"math"
	"math/rand/v2"
)

// Faults of IoT sensors.
const (
	FaultEquipment = "equipment_fault" // A bearing wears out: vibration and temperature climb together.
	FaultStuck     = "stuck_sensor"    // The chip for temperature and humidity hangs: it reports the ends of its ranges.
)

// devices simulates stream iot_sensors: a reading of every device each five simulated minutes.
type devices struct {
	all  []*device
	turn int
}

type device struct {
	name    string
	rng     *rand.Rand
	trouble trouble
	hour    float64
	ambient wander
	load    wander

	temperature, vibration, pressure, humidity float64 // At average load and noon.
}

func newDevices(cfg SimulatorConfig) *devices {
	w := &devices{}
	for i, name := range []string{"pump-1", "pump-2", "compressor-1", "fan-1"} {
		rng := source(cfg.Seed, cfg.Stream, name)
		w.all = append(w.all, &device{
			name: name, rng: rng, hour: 24 * rng.Float64(),
			trouble:     newTrouble(cfg, i, []fault{{FaultEquipment, 24}, {FaultStuck, 10}}),
			temperature: 48 + 14*rng.Float64(), vibration: 1.5 + 1.5*rng.Float64(), pressure: 4 + 3*rng.Float64(), humidity: 42 + 10*rng.Float64(),
		})
	}
	return w
}

func (w *devices) next(b []byte) (string, []byte, string) {
	d := w.all[w.turn]
	w.turn = (w.turn + 1) % len(w.all)
	truth, progress := d.trouble.step(d.rng)
	temperature, vibration, pressure, humidity := d.read(truth, progress)
	b = appendText(b, "device", d.name)
	b = appendNumber(b, "temperature", temperature, 2)
	b = appendNumber(b, "vibration", vibration, 3)
	b = appendNumber(b, "pressure", pressure, 3)
	return d.name, appendNumber(b, "humidity", humidity, 1), truth
}

// read returns the next reading. Warmth of the surroundings and load of the machine drive the sensors: vibration and
// pressure follow the load, temperature both, humidity falls when the air warms up.
func (d *device) read(truth string, progress float64) (temperature, vibration, pressure, humidity float64) {
	d.hour = math.Mod(d.hour+readingHours, 24)
	warmth := 2.5*daily(d.hour) + 0.8*d.ambient.step(d.rng, 0.95)
	load := d.load.step(d.rng, 0.85)
	temperature = d.temperature + warmth + 1.8*load + 0.3*d.rng.NormFloat64()
	vibration = d.vibration * (1 + 0.12*load) * lognormal(d.rng, 0.06)
	pressure = d.pressure*(1+0.05*load) + 0.04*d.rng.NormFloat64()
	humidity = d.humidity - 1.6*warmth + d.rng.NormFloat64()
	switch truth {
	case FaultEquipment:
		vibration *= 1 + 2.5*progress + 0.3*progress*d.rng.NormFloat64()
		temperature += 22 * progress
	case FaultStuck:
		temperature, humidity = 125, 100
	}
	return temperature, max(vibration, 0.05), max(pressure, 0), clamp(humidity, 5, 100)
}
