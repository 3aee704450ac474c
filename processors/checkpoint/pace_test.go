package checkpoint

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestPaceKeepsToTheBandwidth writes at 1000 bytes a second.
func TestPaceKeepsToTheBandwidth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pace{started: time.Now(), bandwidth: 1000}
		if got := p.pause(); got > 0 {
			t.Errorf("got a pause of %s before anything was written", got)
		}
		p.written.Add(3000)
		if got := p.pause(); got != 3*time.Second {
			t.Errorf("got a pause of %s after 3000 bytes, want 3s", got)
		}
		time.Sleep(5 * time.Second)
		if got := p.pause(); got > 0 {
			t.Errorf("got a pause of %s after 5 s, want none", got)
		}
	})
}
