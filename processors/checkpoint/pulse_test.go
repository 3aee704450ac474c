package checkpoint

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestPulseFindsAStandstill lets the clock pass with the pulse running, and then without it, as after a stop signal.
func TestPulseFindsAStandstill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPulse(10 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		go p.run(ctx, func() { t.Error("a standstill was reported while the pulse ran") })
		time.Sleep(time.Hour)
		if !p.beats() {
			t.Error("no pulse while it ran")
		}
		cancel()
		synctest.Wait()
		time.Sleep(4 * time.Second)
		if !p.beats() {
			t.Error("a pause of less than half a session counts as standstill")
		}
		time.Sleep(2 * time.Second)
		if p.beats() {
			t.Error("a standstill was not found")
		}
		told := make(chan struct{})
		go p.run(t.Context(), func() { close(told) })
		<-told
	})
}
