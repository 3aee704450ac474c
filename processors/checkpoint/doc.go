// Package checkpoint gives goka processors effectively-once state and output. It knows nothing of what the state is.
//
// The state of every key lives in memory. A key's snapshot (state, positions applied, output not acknowledged yet) is written
// to the group's table now and then, and offsets are committed only up to what is both in a snapshot and acknowledged. After
// a crash the events since then are read again: those in the snapshot change nothing, the others give the same bytes again.
// README.md states the guarantee, its limits and how it works.
package checkpoint
