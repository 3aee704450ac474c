package incidents

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"anomalystream/streams"
)

// TestFeedback acknowledges, comments, judges, takes back and resolves, each once.
func TestFeedback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.see("a", severe)[0].ID
	w.want("model opened a")
	say := func(feedback, action string, change func(*streams.Feedback)) *streams.Incident {
		t.Helper()
		f := &streams.Feedback{ID: feedback, Action: action, Stream: "web", Entity: "a", Incident: id, Who: "ann", At: w.now}
		if change != nil {
			change(f)
		}
		got := w.step(Signal{Feedback: f})
		if again := w.step(Signal{Feedback: f}); len(again) > 0 {
			t.Fatalf("a repetition tells %+v", again)
		}
		if len(got) != 1 {
			t.Fatalf("%s tells %+v", action, got)
		}
		return &got[0]
	}
	verdict := func(v string) func(*streams.Feedback) { return func(f *streams.Feedback) { f.Verdict = v } }
	check := func(got *streams.Incident, change, status, verdict string, acts int) {
		t.Helper()
		want := []any{change, status, verdict, acts}
		if diff := cmp.Diff(want, []any{got.Change, got.Status, got.Verdict, len(got.Acts)}); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	}
	check(say("1", streams.ActionAcknowledge, nil), "acknowledged", "acknowledged", "", 1)
	check(say("2", streams.ActionComment, func(f *streams.Feedback) { f.Comment = "looking" }), "commented", "acknowledged", "", 2)
	check(say("3", streams.ActionVerdict, verdict(streams.VerdictNoise)), "judged", "acknowledged", "noise", 3)
	check(say("4", streams.ActionVerdict, verdict(streams.VerdictReal)), "judged", "acknowledged", "real", 4)
	check(say("5", streams.ActionWithdraw, func(f *streams.Feedback) { f.Withdraw = "4" }), "judged", "acknowledged", "noise", 5)
	check(say("6", streams.ActionWithdraw, func(f *streams.Feedback) { f.Withdraw = "3" }), "judged", "acknowledged", "", 6)
	w.minute("a")
	w.told = nil
	resolved := say("7", streams.ActionResolve, nil)
	check(resolved, "resolved", "resolved", "", 7)
	if resolved.End == nil || !resolved.End.Equal(w.now) {
		t.Errorf("it ended at %v, want %v", resolved.End, w.now)
	}
	check(say("8", streams.ActionResolve, nil), "commented", "resolved", "", 8)
	ended := say("9", streams.ActionVerdict, verdict(streams.VerdictExpected))
	check(ended, "judged", "resolved", "expected", 9)
	if len(ended.Features) != 2 || ended.Peak == nil {
		t.Errorf("what has ended lost what it was: %+v", ended)
	}
	w.told = nil
	for n, f := range []*streams.Feedback{
		{ID: "x", Action: streams.ActionResolve, Stream: "web", Incident: "nobody knows it"},
		{ID: "y", Action: streams.ActionVerdict, Verdict: streams.VerdictReal, Stream: "web", Entity: "a", Anomaly: "web-0-1"},
	} {
		if got := w.step(Signal{Feedback: f}); len(got) > 0 {
			t.Errorf("%d tells %+v", n, got)
		}
	}
	w.see("a", severe)
	w.want("model opened a")
}

// TestFeedbackOnGroups resolves a group and leaves its members alone.
func TestFeedbackOnGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, e := range []string{"a", "b", "c"} {
		w.see(e, severe)
	}
	group := w.state.Groups[0].Incident.ID
	w.told = nil
	for n := range 60 {
		w.step(Signal{Feedback: &streams.Feedback{ID: string(rune('A' + n)), Action: streams.ActionComment, Stream: "web", Incident: group, Who: "ann", At: w.now}})
	}
	if acts := w.told[59].Acts; len(acts) != streams.MaxActs {
		t.Errorf("%d acts", len(acts))
	}
	w.told = nil
	w.step(Signal{Feedback: &streams.Feedback{ID: "resolve", Action: streams.ActionResolve, Stream: "web", Incident: group, Who: "ann", At: w.now}})
	w.want("group resolved")
	for range 7 {
		w.minute("a", "b", "c")
	}
	w.want("model recovered a", "model recovered b", "model recovered c")
	if open := w.state.Open(); len(open) > 0 {
		t.Errorf("%v last", open)
	}
}
