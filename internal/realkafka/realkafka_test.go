//go:build kafka

package realkafka

import "testing"

// TestClusterSurvivesAKill proves the kit itself: a broker can be killed and comes back.
func TestClusterSurvivesAKill(t *testing.T) {
	c := Start(t, 3)
	c.Kill(2)
	c.Restart(2)
	c.Await(3)
}
