package main

import "anomalystream/streams"

// BuiltinStreams returns the definitions used when the configuration names no stream: server metrics, transactions and
// IoT sensors, as the emitters write them.
func BuiltinStreams() []*streams.Definition {
	return []*streams.Definition{
		builtin("server_metrics", "cpu_percent", "memory_percent", "latency_ms", "error_rate"),
		builtin("transactions", "amount", "hour_of_day", "tx_frequency"),
		builtin("iot_sensors", "temperature", "vibration", "pressure", "humidity"),
	}
}

func builtin(name string, features ...string) *streams.Definition {
	d := streams.DefaultDefinition(name)
	d.Time = "timestamp"
	for _, f := range features {
		d.Features = append(d.Features, newFeature(f))
	}
	for i := range d.Features {
		switch name {
		case "transactions": // A payment has no history of its own: its values alone say whether it is odd.
			d.Features[i].Transforms = []string{"value"}
		case "iot_sensors": // A sensor that hangs looks calm to every model.
			d.Features[i].Stuck = streams.StuckAuto
		}
	}
	return &d
}

func newFeature(name string) streams.Feature {
	return streams.Feature{Name: name, Path: name, Missing: streams.MissingReject, Direction: streams.DirectionBoth, Stuck: streams.StuckOff}
}
