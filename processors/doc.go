// Package processors turns events into anomalies, anomalies into incidents, and incidents into notifications.
//
// Its core is Engine.Step: it scores an event by what its key has learned from earlier events, and then learns it. Step is a
// pure function of state and event, so production, replays and backtests are one code path. The other files without a prefix
// belong to it, format*.go to the saved form of its State.
//
// Around it stand the goka groups, in group_*.go. Each reads one topic, applies something pure to the state of a key, and writes
// what comes of it effectively once, as package checkpoint explains:
//
//	RepartitionGroup    source topic                  → repartition topic, keyed by detector key
//	DetectorGroup       source or repartition topic   → anomalies, rollups, detectors, late, dead-letters
//	JournalGroup        anomalies, rollups, feedback  → journal, keyed by stream
//	IncidentGroup       journal                       → incidents
//	NotifyJournalGroup  incidents                     → journal of the routes, keyed by route
//	NotifyGroup         journal of the routes         → notifications
//
// Each can run in several processes, which share the partitions of its input. What cannot be read becomes a dead letter and
// stops nothing.
package processors
