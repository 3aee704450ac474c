package api

import "github.com/danielgtaylor/huma/v2"

// descriptions of the vocabulary of package streams, which knows nothing of OpenAPI, by schema and property.
var descriptions = map[string]map[string]string{
	"StoredAnomaly": {
		"id":            "Stream, partition and offset of the event: the same after every redelivery.",
		"stream":        "Name of the stream.",
		"entity":        "Host, card, device ...; empty where one detector serves the whole stream.",
		"timestamp":     "Time of the event, UTC.",
		"kind":          "model: the detectors voted for it. rule: a hard range was breached. stuck: a feature has repeated one value for longer than its history allows.",
		"score":         "Score of the ensemble, 0.6 to 1; at least 0.6 where the kind is not model.",
		"severity":      "Mean distance of the detectors' scores from normal, 0 to 30; ranks inside a stream.",
		"alert_score":   "Comparable across streams.",
		"features":      "Raw values as received, by name.",
		"votes":         "Detectors that voted for anomaly.",
		"voters":        "Detectors that could vote.",
		"needed":        "Votes that make an anomaly.",
		"detectors":     "What each detector said, in configuration order.",
		"replay":        "The event was replayed or backfilled: it notified nobody.",
		"suppressed_by": "What silences it: window:NAME, limit:NAME, or a verdict.",
		"created_at":    "When it was stored, UTC.",
	},
	"DetectorVote": {
		"name": "Name of the detector.", "raw": "Its own score, in its own unit.",
		"score": "The same from 0 to 1: at least 0.6 exactly when it votes.", "vote": "Whether it voted for anomaly.",
	},
	"Explanation": {
		"sentence": "Why, in one sentence.", "contributions": "Share of each feature, largest first; they sum to 1.",
		"requested_rate": "False-alarm rate asked for.", "threshold": "Threshold on the common scale.", "statistic": "The value compared with it.",
		"generation": "Fit number of the models, from 1.", "trained_rows": "Rows they were trained on.",
		"trained_from": "Time of the oldest of them.", "trained_to": "Time of the newest of them.",
	},
	"Contribution": {
		"feature": "Name of the feature.", "share": "Its part in the anomaly, 0 to 1.", "value": "Its value in the event.",
		"expected": "Median of the training window.", "deviation": "Standard deviations from the mean of the training window.",
		"columns": "What the detectors saw of it; absent where that is the value alone.",
	},
	"ColumnDeviation": {"column": "The transform, such as value or diff.", "deviation": "Standard deviations of the column from its mean in the training window."},
	"Position":        {"topic": "Kafka topic.", "partition": "Partition.", "offset": "Offset."},
	"StoredIncident": {
		"id": "Of its first anomaly; the same in every revision.", "revision": "From 1; a higher one replaces a lower one.", "change": "What this revision tells: opened, extended, worsened, joined, acknowledged, commented, judged, resolved, recovered, or outlasted: it lasted for as long as an incident may.",
		"stream": "Name of the stream.", "entity": "Host, card, device ...; empty of a group, and where one detector serves the whole stream.",
		"kind":   "model, rule, stuck; silent: a source has stopped sending; group: several entities at the same time.",
		"status": "open; acknowledged: somebody takes care; resolved: somebody ended it; recovered: it ended by itself.",
		"group":  "Id of the group incident it is part of; empty for none.", "start": "Time of its first anomaly, of the last event before a silence, UTC.",
		"latest": "Time of its latest anomaly, UTC.", "end": "Event time at which it ended; null while it lasts.", "anomalies": "Number of its anomalies.",
		"peak_score": "Highest score of its anomalies.", "peak_severity": "Highest severity.", "peak_alert_score": "Highest alert score.",
		"features": "Guilty features, largest share first.", "members": "Of a group, at most 50; the largest first.", "member_count": "Members of a group.",
		"entity_count": "Entities of the stream seen lately, of which the members are part.", "flapping": "It opened and closed often.",
		"interval": "Of a silence: the expected time between events in seconds. Of a group the longest of its silences.", "sentence": "What happened, in one sentence.",
		"acts": "What people did, oldest first; at most the newest 50.", "verdict": "The newest verdict that was not withdrawn: real, expected or noise; empty for none.",
		"replay": "All its anomalies were replayed or backfilled: it notified nobody.", "suppressed_by": "Rule, window or verdict that silences it.",
		"opened_at": "When its first record was written, UTC.", "acknowledged_at": "When somebody first acknowledged it; null before.",
		"ended_at": "When the record that ended it was written; null while it lasts.", "created_at": "When it was first stored, UTC.", "updated_at": "When this revision was stored, UTC.",
	},
	"IncidentFeature": {"feature": "Name of the feature.", "share": "Its part, 0 to 1."},
	"IncidentMember": {
		"entity": "The member.", "incident": "Id of its own incident.", "anomalies": "Number of its anomalies.", "peak_alert_score": "Its highest alert score.", "open": "It still lasts.",
	},
	"IncidentAct": {
		"at": "When.", "who": "Name of the token or user.", "action": "acknowledge, resolve, comment, verdict or withdraw.", "verdict": "Of a verdict: real, expected or noise.", "comment": "What was said.",
	},
	"StoredVerdict": {
		"id": "Its id, which withdraws it.", "action": "verdict.", "verdict": "real: trouble. expected: fine, and the like is suppressed. noise: nothing.",
		"stream": "Name of the stream.", "entity": "Host, card, device ...; empty of a group, and where one detector serves the whole stream.",
		"incident": "Id of the incident it is about; absent for a single anomaly.", "anomaly": "Id of the anomaly it is about; of an incident's peak.",
		"from": "Time of the first row it is about, UTC.", "to": "Time of the last one.", "features": "Raw values of the anomaly.", "alert_score": "Its alert score; of an incident the highest.", "kind": "Kind of the anomaly or the incident; only in the topic.", "lasting": "The incident lasted when this was said; only in the topic.", "seen": "What the detectors saw of the guilty features; only in the topic.", "guilty": "Its guilty features.",
		"until": "Event time at which its effect ends, UTC.", "withdraws": "Absent.", "who": "Name of the token or user.",
		"part_of": "Id of the verdict on a group that gave it to this member.", "comment": "What was said.", "at": "When it was given.",
		"state":        "in_force; withdrawn: somebody took it back; expired: the stream's newest minute is past its end.",
		"withdrawn_by": "Who took it back; empty for nobody.", "withdrawn_at": "When; null for never.",
	},
	"VerdictCounts": {"real": "Trouble.", "expected": "Fine.", "noise": "Nothing."},
	"DetectorStatus": {
		"stream": "Name of the stream.", "entity": "Entity; empty for the stream's own detector.",
		"phase": "warm-up: no scores yet. ready. degraded: some detectors failed to fit.", "seen": "Events applied.", "scored": "Events with a score.",
		"anomalies": "Events flagged by the models.", "warmup_have": "Events of the warm-up so far.", "warmup_need": "Events the warm-up takes.",
		"ready_in_seconds": "Expected time until the warm-up ends; null when ready or unknown.", "generation": "Number of fits so far.",
		"last_fit": "Event time of the last fit.", "window_rows": "Training rows held.", "window_size": "Training rows at most.",
		"requested_rate": "False-alarm rate asked for.", "realised_rate": "Share flagged among the last scored events; null before any.",
		"threshold": "Threshold now; null during the warm-up.", "mean_score": "Mean score of all scored events.", "max_score": "Highest score.",
		"regime_changes": "How often the regime rule fired.", "last_event": "Time of the newest event.",
		"unlearned": "Events scored without being learned: during maintenance, or late.", "late": "Events older than the newest by more than the stream allows.",
		"rule_anomalies": "Anomalies of kind rule.", "stuck_anomalies": "Anomalies of kind stuck.", "suppressed": "Anomalies that notify nobody.",
		"features": "What was seen of each feature in the training window.", "detectors": "Names, in configuration order.",
		"failures": "Detectors that failed to fit, with the reason.", "verdicts": "Verdicts in force, oldest first.", "checkpoint_at": "When this status was written.", "state_bytes": "Size of the saved state.",
	},
	"VerdictForce":  {"id": "Its id.", "verdict": "real, expected or noise.", "until": "Event time at which it ends."},
	"LastAnomaly":   {"id": "Its id.", "timestamp": "Time of its event.", "score": "Its score."},
	"FeatureRange":  {"name": "Name of the feature.", "min": "Smallest value.", "median": "Median.", "max": "Largest value."},
	"FeatureRollup": {"name": "Name of the feature.", "min": "Smallest value.", "mean": "Mean.", "max": "Largest value."},
	"Rule": {
		"name": "Appears in anomalies; unique in the stream.", "field": "Feature it is about; empty for every feature.",
		"entity": "Pattern of entities: * stands for any characters, ? for one; empty for every entity.",
		"min":    "A value below is an anomaly of kind rule.", "max": "A value above is an anomaly of kind rule.",
		"direction": "both, up or down: replaces that of the feature.", "min_deviation": "Replaces that of the feature.",
		"min_relative_deviation": "Replaces that of the feature.",
		"max_anomalies":          "Of a key in an hour of event time; further ones are suppressed.",
	},
	"Window": {
		"name": "Appears in anomalies; unique.", "streams": "Names; none for all.",
		"entity": "Pattern of entities: * stands for any characters, ? for one; empty for every entity.",
		"cron":   "Five fields: when the window opens.", "duration": "With cron, for example 90m or 2d: how long it stays open.",
		"timezone": "IANA name, for cron and for calendar times without one; empty for UTC.",
		"from":     "RFC 3339, inclusive.", "to": "RFC 3339, exclusive.", "ical": "Text of an iCalendar file: the window is open during its events.",
		"ical_file": "Where the configuration took that text from; of no effect here.", "learn": "Whether the models learn what comes inside; true where it is not given.",
	},
	"Audit": {
		"at": "When.", "who": "Name of the token or user.", "action": "What was done, for example anomaly.delete.", "object": "Id of what was changed.", "detail": "More of it.",
	},
}

// describeSchemas adds the descriptions. A property that refers to another schema is described there.
func describeSchemas(registry huma.Registry) {
	for name, properties := range descriptions {
		schema := registry.Map()[name]
		for property, text := range properties {
			schema.Properties[property].Description = text
		}
	}
}
