package emitters

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"anomalystream/internal/retry"
)

// Pace is how fast events are sent. Its zero value sends as fast as Kafka takes them.
type Pace struct {
	PerSecond float64 // Events per second; 0 for no limit.
	Realtime  bool    // As far apart as the event times are.
}

// ParsePace reads "max", "realtime", or events per second such as "1000/s".
func ParsePace(s string) (Pace, error) {
	switch s {
	case "max":
		return Pace{}, nil
	case "realtime":
		return Pace{Realtime: true}, nil
	}
	v, err := strconv.ParseFloat(strings.TrimSuffix(s, "/s"), 64)
	if err != nil || !(v > 0) || math.IsInf(v, 0) {
		return Pace{}, fmt.Errorf("reading rate: found %q, expected max, realtime, or events per second such as 1000/s", s)
	}
	return Pace{PerSecond: v}, nil
}

// String is what ParsePace reads.
func (p Pace) String() string {
	switch {
	case p.Realtime:
		return "realtime"
	case p.PerSecond > 0:
		return strconv.FormatFloat(p.PerSecond, 'g', -1, 64) + "/s"
	}
	return "max"
}

// linger is how long events that are due may wait for others to share a write with.
const linger = 20 * time.Millisecond

// ticker says how many events are due.
type ticker struct {
	perSecond float64
	start     time.Time
	sent      int64
}

// due waits until events are due and returns how many, at most most.
func (t *ticker) due(ctx context.Context, most int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if t.perSecond <= 0 {
		t.sent += int64(most)
		return most, nil
	}
	for {
		n := int64(t.perSecond*time.Since(t.start).Seconds()) - t.sent
		if n > 0 {
			n = min(n, int64(most))
			t.sent += n
			return int(n), nil
		}
		next := time.Duration(float64(t.sent+1) / t.perSecond * float64(time.Second))
		if err := retry.Sleep(ctx, max(next-time.Since(t.start), linger)); err != nil {
			return 0, err
		}
	}
}
