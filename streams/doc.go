// Package streams is the vocabulary of anomalystream: events, anomalies and everything else that travels on a topic,
// the names of topics and groups, stream definitions, and the codecs between values and bytes.
//
// It knows no technology: no Kafka client, no database, no HTTP. Every other package speaks in its terms.
package streams
