// Package sink fills the store and answers questions about history. The store is Postgres, or SQLite where nothing is to be
// installed; both pass one conformance suite.
//
// Everything is idempotent: an anomaly is known by its id and event time, a rollup by detector key and minute, a status by
// detector key. So a batch that is written twice, by two sinks or after a crash, changes nothing.
package sink
