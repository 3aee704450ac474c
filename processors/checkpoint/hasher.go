package checkpoint

import (
	"hash"
	"hash/fnv"
)

// Hasher returns the hash that places keys on partitions, for every emitter, processor and view: FNV-1a without the sign bit.
// Kafka clients take the hash as a signed number and differ in how they make it positive; without the sign bit they agree.
func Hasher() hash.Hash32 { return unsigned{fnv.New32a()} }

type unsigned struct{ hash.Hash32 }

// Sum32 returns the hash, at most the largest int32.
func (h unsigned) Sum32() uint32 { return h.Hash32.Sum32() & 0x7fff_ffff }

// Partition returns the partition of a key among n.
func Partition(key string, n int32) int32 {
	h := uint32(2166136261)
	for i := range len(key) {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return int32(h&0x7fff_ffff) % n
}
