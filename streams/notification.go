package streams

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// Notification is the record of the notifications topic: one message of one route, planned and not delivered yet.
type Notification struct {
	Key      string            `json:"key"` // NotificationKey: the same for every delivery of this message, and for no other.
	Route    string            `json:"route"`
	Event    string            `json:"event"`    // One of the Notify constants.
	At       time.Time         `json:"at"`       // Processing time at which it was planned, UTC.
	Repeat   int               `json:"repeat"`   // Of a repetition: its number, from 1.
	Labels   map[string]string `json:"labels"`   // Of the incident's stream; empty for a digest.
	Incident *Incident         `json:"incident"` // Null for a digest.
	Digest   *Digest           `json:"digest"`   // Null for everything else.
}

// Events of notifications.
const (
	NotifyOpened    = "opened"
	NotifyWorsened  = "worsened"
	NotifyRecovered = "recovered" // It recovered, or somebody resolved it.
	NotifyRepeated  = "repeated"  // It is still going on and nobody has acknowledged it.
	NotifyDigest    = "digest"    // What the rate limit of the route held back.
)

// Digest tells what the rate limit of a route held back.
type Digest struct {
	From    time.Time     `json:"from"` // Processing times between which it was held back, UTC.
	To      time.Time     `json:"to"`
	Counts  DigestCounts  `json:"counts"`
	Largest []DigestEntry `json:"largest"` // At most MaxDigestEntries, the highest alert score first.
}

// DigestCounts counts the messages held back, by event.
type DigestCounts struct {
	Opened    int `json:"opened"`
	Worsened  int `json:"worsened"`
	Recovered int `json:"recovered"`
	Repeated  int `json:"repeated"`
}

// Total is the number of messages held back.
func (c DigestCounts) Total() int { return c.Opened + c.Worsened + c.Recovered + c.Repeated }

// MaxDigestEntries bounds the incidents that a digest names.
const MaxDigestEntries = 20

// DigestEntry is one message held back.
type DigestEntry struct {
	Incident  string  `json:"incident"` // Its id.
	Event     string  `json:"event"`
	Stream    string  `json:"stream"`
	Entity    string  `json:"entity"`
	PeakAlert float64 `json:"peak_alert_score"`
	Sentence  string  `json:"sentence"` // At most 300 characters.
}

// NotificationKey makes the idempotency key of a message of what identifies it: 32 hexadecimal digits, fit for a header.
func NotificationKey(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}
