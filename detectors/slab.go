package detectors

// resize returns a slice of n elements that uses the old memory if that is long enough. The elements are not cleared.
func resize[T any](old []T, n int) []T {
	if cap(old) < n {
		return make([]T, n)
	}
	return old[:n]
}

// grow returns the slice with n more elements at its end, cleared or not.
func grow[T any](old []T, n int) []T {
	if cap(old) >= len(old)+n {
		return old[:len(old)+n]
	}
	return append(old, make([]T, n)...)
}
