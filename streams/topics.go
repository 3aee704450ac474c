package streams

// Topics names every topic and group of one installation; all names start with Prefix.
type Topics struct{ Prefix string }

// Anomalies is the topic with one record per anomalous event, keyed by detector key.
func (t Topics) Anomalies() string { return t.Prefix + "anomalies" }

// DeadLetters is the topic with what could not be processed.
func (t Topics) DeadLetters() string { return t.Prefix + "dead-letters" }

// Late is the topic with events that came too late to be scored, where a stream's policy says so.
func (t Topics) Late() string { return t.Prefix + "late" }

// Rollups is the topic with one record per detector key and minute.
func (t Topics) Rollups() string { return t.Prefix + "rollups" }

// Detectors is the compacted topic with one status record per detector key.
func (t Topics) Detectors() string { return t.Prefix + "detectors" }

// Incidents is the compacted topic with one record per incident.
func (t Topics) Incidents() string { return t.Prefix + "incidents" }

// Feedback is the compacted topic with what people say about anomalies and incidents, keyed like the detector.
func (t Topics) Feedback() string { return t.Prefix + "feedback" }

// Control is the compacted topic with changes made at run time (requested rate), keyed by stream.
func (t Topics) Control() string { return t.Prefix + "control" }

// Source is the topic a stream reads.
func (t Topics) Source(d *Definition) string { return t.Prefix + d.Topic }

// DetectorGroup is the consumer group of a stream's detector processors.
func (t Topics) DetectorGroup(stream string) string { return t.Prefix + "anomalystream-" + stream }

// DetectorTable is the changelog topic of that group: detector state by detector key.
func (t Topics) DetectorTable(stream string) string { return t.DetectorGroup(stream) + "-table" }

// RepartitionGroup is the consumer group that re-keys a stream's records.
func (t Topics) RepartitionGroup(stream string) string {
	return t.DetectorGroup(stream) + "-repartition"
}

// Repartition is the topic with a stream's records, keyed by detector key.
func (t Topics) Repartition(stream string) string { return t.RepartitionGroup(stream) }

// SinkGroup is the consumer group of the sinks.
func (t Topics) SinkGroup() string { return t.Prefix + "anomalystream-sink" }

// IncidentGroup is the consumer group of the incident processors.
func (t Topics) IncidentGroup() string { return t.Prefix + "anomalystream-incidents" }

// IncidentTable is the changelog topic of that group: the incidents of each stream.
func (t Topics) IncidentTable() string { return t.IncidentGroup() + "-table" }

// Journal is the topic that group reads, keyed by stream: anomalies, rollups, feedback and ticks in one order, so that what
// becomes of them is determined.
func (t Topics) Journal() string { return t.IncidentGroup() + "-journal" }

// JournalGroup is the consumer group that copies one of the topics into the journal.
func (t Topics) JournalGroup(topic string) string { return t.Journal() + "-" + topic }

// NotifyGroup is the consumer group that plans notifications.
func (t Topics) NotifyGroup() string { return t.Prefix + "anomalystream-notify" }

// NotifyTable is the changelog topic of that group: what each route has told and holds back.
func (t Topics) NotifyTable() string { return t.NotifyGroup() + "-table" }

// NotifyJournal is the topic that group reads, keyed by route: the incidents that concern a route, and ticks, in one order.
func (t Topics) NotifyJournal() string { return t.NotifyGroup() + "-journal" }

// NotifyJournalGroup is the consumer group that copies incidents into the journals of the routes.
func (t Topics) NotifyJournalGroup() string { return t.NotifyJournal() + "-incidents" }

// Notifications is the topic with the messages to deliver, keyed by route.
func (t Topics) Notifications() string { return t.Prefix + "notifications" }

// RouteGroup is the consumer group that delivers a route's messages.
func (t Topics) RouteGroup(route string) string { return t.NotifyGroup() + "-route-" + route }
