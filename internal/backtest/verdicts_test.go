//go:build fixtures

package backtest

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"anomalystream/internal/evaluate"
	"anomalystream/processors"
	"anomalystream/streams"
)

// Verdicts of the experiment that call the same guilty features expected before they call them noise, and what the second
// half must come to over all sets.
const (
	expectedFirst = 2
	leastFall     = 30 // Per cent.
	mostRecall    = 2  // Points.
)

// trial is one labelled stream in the experiment: the halves of its judged rows.
type trial struct {
	name          string
	without, with evaluate.Counts // Of the second half.
	verdicts      map[string]int  // Given in the first half, by kind.
}

// TestVerdicts measures what verdicts change: the first half of the judged rows of each labelled stream is judged by its
// labels, an episode of anomalies after the other as it ends, and the second half is measured with and without these
// verdicts. It prints the table of docs/incidents.md, with the sums over the seeds. EVAL_DIR names the folder with data/, SEEDS
// lists the seeds, 0 by default; SETS chooses sets, without a gate. With LATE=1 there is no gate either: all verdicts are given after
// the first half, each on the strongest anomaly of its episode alone, as by somebody who goes through the list of anomalies.
func TestVerdicts(t *testing.T) {
	root := os.Getenv("EVAL_DIR")
	if root == "" {
		t.Fatal("EVAL_DIR is not set")
	}
	var all []trial
	seeds := strings.Fields(cmp.Or(os.Getenv("SEEDS"), "0"))
	sets := strings.Fields(cmp.Or(os.Getenv("SETS"), "nab asd cloud skab batadal smd regime"))
	t.Log("| set | verdicts real/expected/noise | false episodes | with | change % | false alarms % | with | events | recall | with | change, points |")
	seen := map[string]bool{}
	for _, d := range domains() {
		if seen[d.set] || !slices.Contains(sets, d.set) {
			continue
		}
		seen[d.set] = true
		var trials []trial
		for _, text := range seeds {
			seed, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				t.Fatalf("SEEDS: %v", err)
			}
			trials = append(trials, d.trials(t, filepath.Join(root, "data", d.set), seed)...)
		}
		t.Log(row(d.set, trials))
		all = append(all, trials...)
	}
	t.Log(row("all", all))
	if os.Getenv("SETS") != "" || os.Getenv("LATE") != "" {
		return
	}
	a, b := pool(all)
	if fall := 100 * float64(a.FalseEpisodes-b.FalseEpisodes) / float64(a.FalseEpisodes); fall < leastFall {
		t.Errorf("false episodes fall by %.0f %%, want %d", fall, leastFall)
	}
	if lost := 100 * float64(a.Detected-b.Detected) / float64(a.Events); lost > mostRecall {
		t.Errorf("event recall falls by %.1f points, want at most %d", lost, mostRecall)
	}
}

// trials tries every labelled stream of a set.
func (d domain) trials(t *testing.T, dir string, seed uint64) []trial {
	t.Helper()
	o := d.options(t, dir, seed)
	labels, err := readLabels(o.Labels, o.Sources)
	if err != nil {
		t.Fatal(err)
	}
	list := make([]trial, len(o.Sources))
	var group errgroup.Group
	group.SetLimit(2)
	for i, source := range o.Sources {
		if _, labelled := labels.by[source.Name]; !labelled { // Labels without an event are labels, too: there every alarm is false.
			continue
		}
		group.Go(func() (err error) {
			list[i], err = try(source, o.Setups[0].Definition, labels)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(list, func(x trial) bool { return x.name == "" })
}

// pool adds up the second halves without and with verdicts.
func pool(list []trial) (without, with evaluate.Counts) {
	for _, x := range list {
		for _, c := range []struct{ to, from *evaluate.Counts }{{&without, &x.without}, {&with, &x.with}} {
			c.to.FalseEpisodes += c.from.FalseEpisodes
			c.to.Events += c.from.Events
			c.to.FalseRows += c.from.FalseRows
			c.to.Normal += c.from.Normal
			c.to.Detected += c.from.Detected
		}
	}
	return without, with
}

// row is one of the document: verdicts, false episodes, and events found, of the second half without and with verdicts.
func row(name string, list []trial) string {
	a, b := pool(list)
	v := map[string]int{}
	for _, x := range list {
		for k, n := range x.verdicts {
			v[k] += n
		}
	}
	share := func(n, of int) float64 { return 100 * float64(n) / float64(max(of, 1)) }
	return fmt.Sprintf("| %s | %d/%d/%d | %d | %d | %+.0f | %.2f | %.2f | %d | %.1f | %.1f | %+.1f |", name, v[streams.VerdictReal], v[streams.VerdictExpected], v[streams.VerdictNoise],
		a.FalseEpisodes, b.FalseEpisodes, share(b.FalseEpisodes-a.FalseEpisodes, a.FalseEpisodes), share(a.FalseRows, a.Normal), share(b.FalseRows, b.Normal), a.Events, share(a.Detected, a.Events), share(b.Detected, b.Events), share(b.Detected-a.Detected, a.Events))
}

// try runs a stream to the middle of its judged rows, and on from there without and with verdicts.
func try(source Source, def *streams.Definition, l *labels) (trial, error) {
	d := *def
	in, err := source.Open(&d)
	if err != nil {
		return trial{}, err
	}
	defer in.Close()
	engine, err := processors.NewEngine(&d)
	if err != nil {
		return trial{}, err
	}
	decoder := streams.NewDecoder(&d, 0)
	var events []streams.Event
	for {
		rec, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return trial{}, err
		}
		ev, reject := decoder.Decode(rec)
		if reject != nil {
			return trial{}, reject
		}
		ev.Names, ev.Values = slices.Clone(ev.Names), slices.Clone(ev.Values)
		events = append(events, ev)
	}
	n := len(events)
	from := 200
	if l.meta != nil {
		if _, ok := l.meta.Streams[source.Name]; ok {
			from = l.meta.Stream(source.Name, nil, evaluate.Scores{}).From
		}
	}
	middle := (from + n) / 2
	out := trial{name: source.Name, verdicts: map[string]int{}}
	if out.without, err = half(engine, events, from, middle, l.by[source.Name], nil, nil); err != nil {
		return trial{}, err
	}
	out.with, err = half(engine, events, from, middle, l.by[source.Name], &judge{late: os.Getenv("LATE") != "", repeats: map[string]int{}}, &out)
	return out, err
}

// half runs a stream and measures its second half. A judge gives verdicts during the first.
func half(engine *processors.Engine, events []streams.Event, from, middle int, segments []evaluate.Segment, j *judge, out *trial) (evaluate.Counts, error) {
	s := engine.NewState(events[0].Entity)
	es := evaluate.Stream{}
	episode := map[int]*streams.Anomaly{}
	var said []*streams.Feedback
	last := 0
	for i := range events {
		if j != nil && len(episode) > 0 && (i-last > 10 || i == middle) {
			said = append(said, j.verdict(episode, segments))
			clear(episode)
		}
		if j != nil && (!j.late || i == middle) {
			for _, f := range said {
				if engine.Instruct(s, f) {
					out.verdicts[f.Verdict]++
				}
			}
			said = nil
		}
		r, reject := engine.Step(s, &events[i])
		if reject != nil {
			return evaluate.Counts{}, errors.New(reject.Reason)
		}
		flag := r.Anomaly != nil && r.Anomaly.Suppressed == ""
		if i < middle {
			if flag && i >= from {
				episode[i], last = r.Anomaly, i
			}
			continue
		}
		es.Flag, es.Score, es.Rank = append(es.Flag, flag), append(es.Score, r.Score), append(es.Rank, r.Score)
	}
	for _, seg := range segments {
		if seg.End >= middle && seg.Start < len(events) {
			es.Segments = append(es.Segments, evaluate.Segment{Start: max(seg.Start-middle, 0), End: min(seg.End, len(events)-1) - middle})
		}
	}
	return evaluate.Measure(&es, evaluate.Options{}), nil
}

// judge gives verdicts by labels: real for an episode that overlaps one, else expected, and noise where such episodes repeat.
type judge struct {
	late    bool
	given   int
	repeats map[string]int
}

func (j *judge) verdict(anomalies map[int]*streams.Anomaly, segments []evaluate.Segment) *streams.Feedback {
	episode := slices.Sorted(maps.Keys(anomalies))
	k := len(episode)
	peak := slices.MaxFunc(episode, func(a, b int) int { return cmp.Compare(anomalies[a].AlertScore, anomalies[b].AlertScore) })
	a := anomalies[peak]
	real := slices.ContainsFunc(segments, func(s evaluate.Segment) bool { return s.Start <= episode[k-1] && s.End >= episode[0] })
	j.given++
	f := &streams.Feedback{
		ID: fmt.Sprintf("v%04d", j.given), Action: streams.ActionVerdict, Stream: a.Stream, Entity: a.Entity,
		From: anomalies[episode[0]].Timestamp, To: anomalies[episode[k-1]].Timestamp,
		Until: a.Timestamp.Add(100 * 365 * 24 * time.Hour), At: a.Timestamp, Who: "labels",
	}
	if j.late {
		f.From, f.To = a.Timestamp, a.Timestamp
	}
	f.Describe(a)
	id := strings.Join(slices.Sorted(slices.Values(f.Guilty)), " ")
	switch {
	case real:
		f.Verdict = streams.VerdictReal
	case j.repeats[id] < expectedFirst:
		f.Verdict = streams.VerdictExpected
		j.repeats[id]++
	default:
		f.Verdict = streams.VerdictNoise
	}
	return f
}
