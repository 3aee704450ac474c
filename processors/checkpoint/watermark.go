package checkpoint

import (
	"slices"
	"sync"
)

// watermark follows the messages of a partition from delivery to acknowledgement, and knows how far they are acknowledged
// without a gap. goka reports each message when all its output is acknowledged, in any order; sarama would commit the highest.
type watermark struct {
	mu      sync.Mutex
	offsets []int64 // Delivered and not below the mark, in order; offsets may have gaps.
	done    []bool
	head    int   // Of the first entry that counts.
	next    int64 // The offset after the last one delivered.
	seen    bool
}

// begin notes the delivery of an offset; offsets come in order.
func (w *watermark) begin(offset int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offsets = append(w.offsets, offset)
	w.done = append(w.done, false)
	w.next, w.seen = offset+1, true
}

// ack notes that everything an offset led to is acknowledged.
func (w *watermark) ack(offset int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i, ok := slices.BinarySearch(w.offsets[w.head:], offset)
	if !ok {
		return
	}
	w.done[w.head+i] = true
	for w.head < len(w.done) && w.done[w.head] {
		w.head++
	}
	if w.head > 1024 && 2*w.head > len(w.offsets) {
		w.offsets = append(w.offsets[:0], w.offsets[w.head:]...)
		w.done = append(w.done[:0], w.done[w.head:]...)
		w.head = 0
	}
}

// mark returns the offset below which everything delivered is acknowledged; ok is false before anything was delivered.
func (w *watermark) mark() (offset int64, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.head < len(w.offsets) {
		return w.offsets[w.head], true
	}
	return w.next, w.seen
}
