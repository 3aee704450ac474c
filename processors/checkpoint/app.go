package checkpoint

import "time"

// App is the application of a group: what the state of a key is and what a message does to it. A group makes one App per
// partition and makes one call at a time, so an App may keep buffers.
//
// The guarantee rests on what an App promises: Apply depends on the state and the message alone (no clock, no randomness, no
// map order), writes the same bytes each time, and Restore(Append(state)) behaves as the state does.
type App[S any] interface {
	// Key reads a message and names the key whose state it belongs to. With ok false the message belongs to none, and what
	// Key wrote to out is all that comes of it. For a key of state, Apply or Refuse follows at once, or nothing where
	// the message was applied before.
	Key(m *Message, out *Outputs) (key string, ok bool)
	// New returns the state of a key never seen.
	New(key string) S
	// Apply applies the message Key read last. It may panic: the message is then refused with CodePanic and the state is
	// what it was before.
	Apply(state S, m *Message, out *Outputs)
	// Refuse writes what becomes of a message that cannot be applied; code is one of the Code constants of this package.
	Refuse(m *Message, code, reason string, out *Outputs)
	// Append appends the state's snapshot to b. Restore makes the state of it, and returns an error for a snapshot it cannot
	// read. Restore may keep the payload.
	Append(b []byte, state S) []byte
	Restore(key string, payload []byte) (S, error)
	// Report is called with each snapshot of a key and may write a status of it; size is the snapshot's in bytes. What it
	// writes is not part of the guarantee: after a crash it may be missing, or differ.
	Report(key string, state S, size int, out *Outputs)
}

// Reasons why a group refuses a message; they become reason codes of dead letters.
const (
	CodePanic      = "panic"            // Applying the message panicked.
	CodeUnreadable = "state_unreadable" // The key's snapshot cannot be read; nothing is applied to it until it is reset.
)

// Output is one record to write.
type Output struct {
	Topic     string
	Key       string
	Value     []byte // nil for a tombstone.
	Headers   map[string][]byte
	Timestamp time.Time // Of the record, in milliseconds; zero for the time of writing.
}

// Outputs collects records to write. The values must not be changed afterwards.
type Outputs struct{ list []Output }

// Emit adds a record.
func (o *Outputs) Emit(topic, key string, value []byte) {
	o.list = append(o.list, Output{Topic: topic, Key: key, Value: value})
}

// Add adds a record with headers or a timestamp of its own.
func (o *Outputs) Add(record Output) { o.list = append(o.list, record) }

// All returns the records added so far, in order.
func (o *Outputs) All() []Output { return o.list }

// truncate drops the records after the first n.
func (o *Outputs) truncate(n int) {
	clear(o.list[n:])
	o.list = o.list[:n]
}
