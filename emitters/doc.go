// Package emitters brings events to source topics: seeded simulators with labelled faults, readers of CSV and JSON Lines
// files, the loops that emit and replay them at a chosen pace, and the publisher that checks and writes events.
package emitters
