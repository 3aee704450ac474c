package api

import "github.com/danielgtaylor/huma/v2"

// descriptions of the vocabulary of package streams, which knows nothing of OpenAPI, by schema and property.
var descriptions = map[string]map[string]string{
	"StoredAnomaly": {
		"id":            "Stream, partition and offset of the event: the same after every redelivery.",
		"stream":        "Name of the stream.",
		"entity":        "Host, card, device ...; empty where one detector serves the whole stream.",
		"timestamp":     "Time of the event, UTC.",
		"kind":          "model: the detectors voted for it. rule: a hard range was breached.",
		"score":         "Score of the ensemble, 0.6 to 1.",
		"severity":      "Mean distance of the detectors' scores from normal, 0 to 30; ranks inside a stream.",
		"alert_score":   "Comparable across streams.",
		"features":      "Raw values as received, by name.",
		"votes":         "Detectors that voted for anomaly.",
		"voters":        "Detectors that could vote.",
		"needed":        "Votes that make an anomaly.",
		"detectors":     "What each detector said, in configuration order.",
		"replay":        "The event was replayed or backfilled: it notified nobody.",
		"suppressed_by": "Rule, window or verdict that silences it.",
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
	},
	"Position": {"topic": "Kafka topic.", "partition": "Partition.", "offset": "Offset."},
	"DetectorStatus": {
		"stream": "Name of the stream.", "entity": "Entity; empty for the stream's own detector.",
		"phase": "warm-up: no scores yet. ready. degraded: some detectors failed to fit.", "seen": "Events applied.", "scored": "Events with a score.",
		"anomalies": "Events flagged.", "warmup_have": "Events of the warm-up so far.", "warmup_need": "Events the warm-up takes.",
		"ready_in_seconds": "Expected time until the warm-up ends; null when ready or unknown.", "generation": "Number of fits so far.",
		"last_fit": "Event time of the last fit.", "window_rows": "Training rows held.", "window_size": "Training rows at most.",
		"requested_rate": "False-alarm rate asked for.", "realised_rate": "Share flagged among the last scored events; null before any.",
		"threshold": "Threshold now; null during the warm-up.", "mean_score": "Mean score of all scored events.", "max_score": "Highest score.",
		"regime_changes": "How often the regime rule fired.", "last_event": "Time of the newest event.",
		"features": "What was seen of each feature in the training window.", "detectors": "Names, in configuration order.",
		"failures": "Detectors that failed to fit, with the reason.", "checkpoint_at": "When this status was written.", "state_bytes": "Size of the saved state.",
	},
	"LastAnomaly":   {"id": "Its id.", "timestamp": "Time of its event.", "score": "Its score."},
	"FeatureRange":  {"name": "Name of the feature.", "min": "Smallest value.", "median": "Median.", "max": "Largest value."},
	"FeatureRollup": {"name": "Name of the feature.", "min": "Smallest value.", "mean": "Mean.", "max": "Largest value."},
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
