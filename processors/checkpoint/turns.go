package checkpoint

import "context"

// turns is a lock that is handed over in the order of asking. A sync.Mutex would let a sweep, which asks again at once, have
// it for a millisecond at a time while messages wait.
type turns chan struct{}

func newTurns() turns { return make(turns, 1) }

// Lock waits for its turn: the runtime serves those who wait to send in order.
func (t turns) Lock() { t <- struct{}{} }

// Unlock lets the next one have its turn.
func (t turns) Unlock() { <-t }

// LockContext waits for its turn until the context ends.
func (t turns) LockContext(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
