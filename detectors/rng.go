package detectors

import "math/bits"

// rng is the xoshiro256++ generator of Blackman and Vigna. It lives here, not in the standard library, because a model
// is rebuilt from its seed after a restart: the sequence must stay the same over every version of Go.
type rng struct{ s [4]uint64 }

// newRNG seeds a generator by splitmix64, as its authors recommend. Streams of one seed are independent.
func newRNG(seed, stream uint64) rng {
	var r rng
	x := seed ^ stream*0xd1342543de82ef95
	for i := range r.s {
		x += 0x9e3779b97f4a7c15
		z := x
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		r.s[i] = z ^ z>>31
	}
	return r
}

// next returns 64 random bits.
func (r *rng) next() uint64 {
	s := &r.s
	result := bits.RotateLeft64(s[0]+s[3], 23) + s[0]
	t := s[1] << 17
	s[2] ^= s[0]
	s[3] ^= s[1]
	s[1] ^= s[2]
	s[0] ^= s[3]
	s[2] ^= t
	s[3] = bits.RotateLeft64(s[3], 45)
	return result
}

// float returns a number in [0, 1), a multiple of 2^-53.
func (r *rng) float() float64 { return float64(r.next()>>11) * 0x1p-53 }

// below returns a number in [0, n), n > 0, by Lemire's multiplication. The bias of n/2^64 cannot be observed.
func (r *rng) below(n int) int {
	hi, _ := bits.Mul64(r.next(), uint64(n))
	return int(hi)
}
