package streams

import (
	"bytes"
	"hash"
)

// NewHasher returns the one hash function that places keys on partitions, for emitters, processors and views alike.
//
// It is the function of Kafka's own clients (murmur2, without the sign bit), so a key written by a Java producer, or by
// any other with the default of Kafka, lies on the partition where we look for it. Only the part of a key before its
// first zero byte counts: a key's sub-keys, made by appending a zero byte and more, share its partition. The sign bit is
// cleared because goka negates negative hashes, which leaves the smallest integer negative.
//
// The hash is taken of everything written since Reset. It is not safe for concurrent use.
func NewHasher() hash.Hash32 { return &hasher{} }

// Partition is the partition of a key among n partitions: what NewHasher leads every client to.
func Partition(key []byte, n int32) int32 {
	return int32(murmur2(hashed(key))&0x7fffffff) % n
}

type hasher struct{ key []byte }

func (h *hasher) Write(p []byte) (int, error) {
	h.key = append(h.key, p...)
	return len(p), nil
}

func (h *hasher) Sum32() uint32  { return murmur2(hashed(h.key)) & 0x7fffffff }
func (h *hasher) Reset()         { h.key = h.key[:0] }
func (h *hasher) Size() int      { return 4 }
func (h *hasher) BlockSize() int { return 4 }

func (h *hasher) Sum(b []byte) []byte {
	s := h.Sum32()
	return append(b, byte(s>>24), byte(s>>16), byte(s>>8), byte(s))
}

// hashed is the part of a key that decides its partition.
func hashed(key []byte) []byte {
	if i := bytes.IndexByte(key, 0); i >= 0 {
		return key[:i]
	}
	return key
}

// murmur2 is the 32-bit MurmurHash2 of Austin Appleby with the seed that Kafka uses.
func murmur2(b []byte) uint32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
		r    = 24
	)
	h := seed ^ uint32(len(b))
	for len(b) >= 4 {
		k := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
		k *= m
		k ^= k >> r
		k *= m
		h *= m
		h ^= k
		b = b[4:]
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(b[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return h
}
