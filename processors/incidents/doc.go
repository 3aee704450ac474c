// Package incidents turns what a stream's detectors and sources do into incidents: bursts of anomalies, the same trouble of many
// entities at once, and sources that fall silent.
//
// It is a pure computation. Engine.Step applies one signal (an anomaly, a rollup, feedback, a tick) to the State of a stream and
// returns the revisions of incidents it causes. The same signals in the same order give the same revisions with the same bytes,
// so whoever keeps the order of the signals can compute everything again after a crash.
//
// # Time
//
// Nothing here reads a clock. A detector key has a time of its own: that of its newest event, as its rollups tell, plus what
// ticks say has passed since it was last heard of. So a key that stops sending still recovers, and one that is read late or
// at high speed is judged by its own events alone.
package incidents
