package processors

import "math"

// rows is a ring of stored rows: what models are fitted on. It grows until it is full, since most keys of a wide stream stay
// small. Rows are float64, or float32 in the compact profile, where half the memory counts for more than the last digits.
type rows struct {
	width, keep int
	narrow      bool
	f64         []float64
	f32         []float32
}

func newRows(width, keep int, narrow bool) rows {
	return rows{width: width, keep: keep, narrow: narrow}
}

// stored returns how many numbers are kept.
func (r *rows) stored() int { return max(len(r.f64), len(r.f32)) }

// at is where the row of event number i stands.
func (r *rows) at(i int64) int { return int(i%int64(r.keep)) * r.width }

// put stores the row of event number i; i-1 was stored before.
func (r *rows) put(i int64, row []float64) {
	at := r.at(i)
	full := at < r.stored()
	switch {
	case !r.narrow && full:
		copy(r.f64[at:], row)
	case !r.narrow:
		r.f64 = append(r.f64, row...)
	case full:
		for j, v := range row {
			r.f32[at+j] = float32Of(v)
		}
	default:
		for _, v := range row {
			r.f32 = append(r.f32, float32Of(v))
		}
	}
}

// float32Of rounds without an infinity.
func float32Of(v float64) float32 { return float32(min(max(v, -math.MaxFloat32), math.MaxFloat32)) }

// get copies columns [from, from+len(out)) of the row of event number i.
func (r *rows) get(i int64, from int, out []float64) {
	at := r.at(i) + from
	if !r.narrow {
		copy(out, r.f64[at:])
		return
	}
	for j, v := range r.f32[at : at+len(out)] {
		out[j] = float64(v)
	}
}

// value returns one number of the row of event number i.
func (r *rows) value(i int64, column int) float64 {
	at := r.at(i) + column
	if r.narrow {
		return float64(r.f32[at])
	}
	return r.f64[at]
}
