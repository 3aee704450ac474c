package checkpoint

import (
	"testing"
	"testing/synctest"
)

// TestTurnsAreTakenInOrder lets three ask for the lock one after the other while it is held, and one of them twice.
func TestTurnsAreTakenInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lock := newTurns()
		lock.Lock()
		var order []int
		for i := range 3 {
			go func() {
				lock.Lock()
				order = append(order, i)
				lock.Unlock()
				if i == 0 {
					lock.Lock()
					order = append(order, 9)
					lock.Unlock()
				}
			}()
			synctest.Wait()
		}
		lock.Unlock()
		synctest.Wait()
		if len(order) != 4 || order[0] != 0 || order[1] != 1 || order[2] != 2 || order[3] != 9 {
			t.Errorf("got turns %v, want 0 1 2 9", order)
		}
	})
}
