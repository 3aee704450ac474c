// Package views holds typed read models over our topics: full local copies of compacted topics (what Kafka Streams calls a
// global table), and tails that follow a topic live.
//
// Views are eventually consistent. Each says whether it has recovered; before that it may miss rows, so /readyz waits.
package views
