//go:build kafka

package processors_test

import (
	"flag"
	"testing"
	"time"

	"anomalystream/internal/kafkatest"
	"anomalystream/internal/realkafka"
)

var (
	tortureBrokerKills = flag.Int("torture.broker-kills", 1, "brokers killed and started again")
	tortureBrokerStop  = flag.Duration("torture.broker-stop", 10*time.Second, "how long one broker is stopped in order, 0 for not at all")
)

// TestTortureOnKafka does to a stream on a real cluster of three brokers what TestTorture does on the in-process broker, and
// stops and kills brokers too.
func TestTortureOnKafka(t *testing.T) {
	cluster := realkafka.Start(t, 3)
	x := newTorture(t, kafkatest.Dial(t, cluster.Brokers()...))
	broker := func(end func(int), away time.Duration) func() {
		return func() {
			i := x.random.IntN(3)
			end(i)
			kafkatest.Elapse(away)
			cluster.Restart(i)
			cluster.Await(3)
		}
	}
	if *tortureBrokerStop > 0 {
		x.add(1, "broker stops", broker(cluster.Stop, *tortureBrokerStop))
	}
	x.add(*tortureBrokerKills, "broker kills", broker(cluster.Kill, 2*time.Second))
	x.run()
}
