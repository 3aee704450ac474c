// Package api serves anomalystream to people and programs: REST, WebSocket and server-sent events over HTTP, and the live
// page. It reads only through the small interfaces of Deps, so it knows no store, no Kafka client and no processor.
//
// # Live protocol
//
// GET /ws/alerts (WebSocket) and GET /api/alerts (server-sent events) push every anomaly as it is detected. Both take the
// same query parameters:
//
//	stream        only these streams: repeated, or separated by commas
//	entity        only this entity
//	min_score     only anomalies with at least this score
//	min_severity  only anomalies with at least this severity
//	since         resume: a frame's cursor, an anomaly's id, or an RFC 3339 time
//	include       "rollups" and/or "detectors", separated by commas: push these records too
//	batch         WebSocket only: false sends one bare anomaly per message instead of frames
//
// A WebSocket message is one frame, a JSON object:
//
//	{"seq":1001,"type":"hello","cursor":"...","resume":"live","heartbeat_seconds":15,"items":[]}
//	{"seq":1002,"type":"anomalies","cursor":"...","items":[{"id":"server_metrics-3-4711",...}]}
//	{"seq":1003,"type":"heartbeat","cursor":"...","time":"2026-01-02T03:04:05Z","items":[]}
//
// Every frame has items, and items are always anomalies: a client that knows nothing else reads items of each message.
// Frames are numbered without holes on a connection; a hole or a repetition is a fault of the network path. An "anomalies"
// frame holds what came in at most 100 ms, in order of arrival; "replayed":true marks those sent because of since. Further
// types are "rollups" (member rollups) and "detectors" (member detectors, their statuses), both only when included,
// "deleted" (member ids: anomalies that an administrator removed) and "gap" (member reason): more was missed than can be
// replayed, so fetch the rest with GET /api/anomalies. Clients ignore types they do not know.
//
// Resume: keep the cursor of the last frame (or the id of the last anomaly) and connect again with since. What was missed
// comes first, then the live anomalies: nothing is left out and nothing comes twice while the server that sent the cursor
// runs, and also after its restart when the feed starts with the recent past of the topic (FeedHistory). Beyond that memory
// the store fills the hole; there, and where after a restart only an id tells the place, up to two seconds before it may
// repeat, always with equal ids.
//
// GET /ws/incidents and GET /api/incidents/live push incidents in the same way, in frames of the type "incidents", without
// include. An item is one revision of an incident; since takes its id as ID@REVISION. A higher revision replaces a lower one,
// so a client keeps the highest: where the store fills a hole only the newest comes, and one that it has may come again.
//
// Close codes: 1001 the server stops (connect again), 1008 the client sends what it must not, 1009 a message of the client
// is too large, 4008 the client reads too slowly (connect again with since). Server-sent events carry one anomaly per event
// with its cursor as the event's id, so a browser's EventSource resumes by itself.
package api
