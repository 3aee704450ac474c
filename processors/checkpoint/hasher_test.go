package checkpoint_test

import (
	"testing"

	"github.com/IBM/sarama"
	"pgregory.net/rapid"

	"anomalystream/processors/checkpoint"
)

// TestHasherPlacesLikeEveryClient checks that the producer's partitioner, goka's rule and Partition agree for any key.
func TestHasherPlacesLikeEveryClient(t *testing.T) {
	t.Parallel()
	partitioner := sarama.NewCustomHashPartitioner(checkpoint.Hasher)("topic")
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.String().Draw(t, "key")
		n := rapid.Int32Range(1, 512).Draw(t, "partitions")
		got := checkpoint.Partition(key, n)
		want, err := partitioner.Partition(&sarama.ProducerMessage{Key: sarama.StringEncoder(key)}, n)
		if err != nil {
			t.Fatal(err)
		}
		h := checkpoint.Hasher()
		_, _ = h.Write([]byte(key))
		goka := int32(h.Sum32())
		if goka < 0 {
			t.Fatalf("key %q: hash %d has its sign bit set", key, goka)
		}
		if got != want || got != goka%n {
			t.Fatalf("key %q: got partition %d, want %d (producer) and %d (goka)", key, got, want, goka%n)
		}
	})
}
