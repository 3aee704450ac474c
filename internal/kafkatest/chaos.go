//go:build unix

package kafkatest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// Ring is a number of child processes that share the work of a group, and are troubled.
type Ring struct {
	t       testing.TB
	spawn   func(instance int) *Process
	members []*Process
	random  *rand.Rand
}

// NewRing starts n instances.
func NewRing(t testing.TB, n int, random *rand.Rand, spawn func(instance int) *Process) *Ring {
	r := &Ring{t: t, spawn: spawn, random: random}
	for i := range n {
		r.members = append(r.members, spawn(i))
	}
	return r
}

// Strike is one trouble.
type Strike struct {
	Name string
	Do   func()
}

// Kill ends a random instance as kill -9 does, and starts it again at once.
func (r *Ring) Kill() {
	i := r.random.IntN(len(r.members))
	r.members[i].Kill()
	r.members[i] = r.spawn(i)
}

// Pause stops a random instance for d and lets it go on: in the meantime others take its work.
func (r *Ring) Pause(d time.Duration) {
	p := r.members[r.random.IntN(len(r.members))]
	p.Pause()
	Elapse(d)
	p.Resume()
}

// Leave asks a random instance to end in order, waits until it has, and starts it again after d.
func (r *Ring) Leave(d time.Duration) {
	i := r.random.IntN(len(r.members))
	r.members[i].Terminate()
	select {
	case <-r.members[i].Exited():
	case <-time.After(2 * Deadline):
		r.t.Errorf("an instance did not end in order:\n%s", r.members[i].Output())
		r.members[i].Kill()
	}
	Elapse(d)
	r.members[i] = r.spawn(i)
}

// Trouble strikes in a random order with pauses of up to most in between, while load is called again and again, and returns
// when all strikes are done.
func (r *Ring) Trouble(strikes []Strike, most time.Duration, load func()) {
	r.random.Shuffle(len(strikes), func(i, j int) { strikes[i], strikes[j] = strikes[j], strikes[i] })
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, s := range strikes {
			Elapse(time.Duration(r.random.Int64N(int64(most))))
			r.t.Logf("strike: %s", s.Name)
			s.Do()
		}
	}()
	for {
		load()
		select {
		case <-done:
			return
		default:
		}
	}
}

// End asks all instances to end in order and waits until they have.
func (r *Ring) End() {
	for _, p := range r.members {
		p.Terminate()
	}
	for i, p := range r.members {
		select {
		case <-p.Exited():
		case <-time.After(3 * Deadline):
			r.t.Errorf("instance %d did not end in order:\n%s", i, p.Output())
		}
	}
}

// Outputs returns what the instances wrote last.
func (r *Ring) Outputs() string {
	var b strings.Builder
	for i, p := range r.members {
		fmt.Fprintf(&b, "instance %d:\n%s\n", i, p.Output())
	}
	return b.String()
}

// Elapse waits for d: trouble takes its time.
func Elapse(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}
