package notify

import "time"

// Failure says why a receiver did not take a message.
type Failure struct {
	Permanent bool          // Trying again will not help.
	After     time.Duration // The receiver asks not to be tried again before; 0 where it says nothing.
	Err       error
}

// Error returns the cause.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Pauses between attempts.
const (
	firstPause   = time.Second
	longestPause = 5 * time.Minute
	longestAsked = time.Hour // However long a receiver asks for.
)

// pause is the wait after the n-th failed attempt, n from 1.
func pause(n int, asked time.Duration) time.Duration {
	own := min(firstPause<<min(n-1, 16), longestPause)
	return max(own, min(asked, longestAsked))
}
