package streams

import (
	"testing"

	"pgregory.net/rapid"
)

// TestMurmur2 holds the hash to the values in the test of Kafka's Java client (UtilsTest.testMurmur2).
func TestMurmur2(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("murmur2(%q): got %d, want %d", key, got, want)
		}
	}
}

func TestHasherAgreesWithPartition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOf(rapid.ByteRange(1, 255)).Draw(t, "key")
		n := rapid.Int32Range(1, 1000).Draw(t, "n")
		h := NewHasher()
		h.Write([]byte("earlier"))
		h.Reset()
		h.Write(key)
		want := Partition(key, n)
		if got := int32(h.Sum32()) % n; got != want || got < 0 {
			t.Fatalf("hasher: got partition %d, want %d", got, want)
		}
		sub := append(append([]byte{}, key...), 0, 'c', '1')
		if got := Partition(sub, n); got != want {
			t.Fatalf("sub-key: got partition %d, want its key's %d", got, want)
		}
	})
}
