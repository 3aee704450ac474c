package checkpoint_test

import (
	"testing"

	"anomalystream/internal/kafkatest"
)

// TestGroupGoesOnWhereItStopped runs a group, stops it in order, writes more and runs it again.
func TestGroupGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	s := newSystem(t, start(t).Client, 4)
	c := options(t, s.Brokers())
	keys := names(20)
	r := run(t, c)
	s.numbers(100, keys...)
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	r.end()
	before := s.Total("out")

	s.numbers(55, keys...)
	r = run(t, c)
	s.AwaitCommitted("ledger", "in", kafkatest.Deadline)
	r.end()
	if v := judge(t, s.Client); !v.ok() || v.want != 20*15 || v.duplicates != 0 {
		t.Errorf("got %v, want 300 wanted and no duplicates after orderly stops", v)
	}
	if before != 200 {
		t.Errorf("got %d outputs before the restart, want 200", before)
	}
}
