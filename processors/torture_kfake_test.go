//go:build unix

package processors_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"anomalystream/internal/kafkatest"
)

// TestTorture kills, pauses and removes two processes of a stream under load with malformed records, while the in-process
// broker refuses records now and then, and compares every anomaly and dead letter with a sequential computation.
func TestTorture(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Start(t)
	x := newTorture(t, broker.Client)
	topics := []string{names.Anomalies(), names.DeadLetters(), names.DetectorTable(x.d.Name), names.Repartition(x.d.Name)}
	x.add(*tortureFaults, "refusals", func() {
		broker.FailProduce(topics[x.random.IntN(len(topics))], 1+x.random.IntN(3), kerr.NotLeaderForPartition)
	})
	x.run()
}
