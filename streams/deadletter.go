package streams

import (
	"fmt"
	"time"
)

// DeadLetter is the record of the dead-letters topic: a record that could not be processed, as it was, and why.
type DeadLetter struct {
	Stream    string    `json:"stream"` // Stream whose processor refused it.
	Source    Position  `json:"source"`
	Key       []byte    `json:"key"`   // Base64 in JSON; null for a null key.
	Value     []byte    `json:"value"` // Base64 in JSON; null for a tombstone.
	Headers   []Header  `json:"headers"`
	Timestamp time.Time `json:"timestamp"` // The record's own timestamp.
	Stage     string    `json:"stage"`     // "decode", "sink", "notify" ...
	Code      string    `json:"code"`      // One of the Code constants.
	Reason    string    `json:"reason"`    // Text that names field and position.
}

// Header is one record header.
type Header struct {
	Key   string `json:"key"`
	Value []byte `json:"value"`
}

// Reason codes of dead letters: stable, for metrics and filters.
const (
	CodeTombstone    = "tombstone"      // The record has no value.
	CodeOversize     = "oversize"       // The value exceeds the configured size.
	CodeNotJSON      = "not_json"       // The value is no JSON text, or not UTF-8.
	CodeNotObject    = "not_object"     // The value is JSON but no object.
	CodeTooDeep      = "too_deep"       // Objects and arrays are nested beyond reason.
	CodeDuplicate    = "duplicate_name" // An object names a field twice.
	CodeMissingField = "missing_field"
	CodeWrongType    = "wrong_type"
	CodeNotFinite    = "not_finite"       // NaN, an infinity, or a number beyond float64.
	CodeOutOfRange   = "out_of_range"     // A finite number too large to compute with.
	CodeMissingKey   = "missing_key"      // No record key, or no key field.
	CodeBadKey       = "bad_key"          // Key is not UTF-8, empty, or too long.
	CodeBadTime      = "bad_time"         // The timestamp cannot be read.
	CodeAbsurdTime   = "absurd_time"      // The timestamp is outside the accepted years.
	CodeNoFeatures   = "no_features"      // A wildcard stream found no numeric field.
	CodeShape        = "shape_changed"    // A wildcard stream's event lacks or adds features of its key's first event.
	CodePanic        = "panic"            // Applying the record panicked: a mistake of ours.
	CodeUnreadable   = "state_unreadable" // The saved state of the record's key cannot be read; it has to be reset.
	CodeRefused      = "refused"          // The store refused the row.
	CodeLate         = "late"             // The event came too late to be scored; topic "late" alone has these.
	CodeUndelivered  = "undelivered"      // A notification could not be delivered.
)

// Reject says why a record was refused; the processor turns it into a DeadLetter.
type Reject struct {
	Code   string
	Field  string // Offending field or path, "" where none.
	Reason string
}

// Error returns the code and the reason.
func (r *Reject) Error() string {
	if r.Field != "" {
		return fmt.Sprintf("%s: field %q: %s", r.Code, r.Field, r.Reason)
	}
	return r.Code + ": " + r.Reason
}
