package checkpoint_test

import (
	"fmt"
	"testing"

	"anomalystream/internal/kafkatest"
	"anomalystream/processors/checkpoint"
)

// verdict compares what a group wrote with what a sequential computation over the input gives.
type verdict struct {
	want, missing, extra, differing, duplicates int
}

func (v verdict) ok() bool { return v.missing == 0 && v.extra == 0 && v.differing == 0 }

func (v verdict) String() string {
	return fmt.Sprintf("want %d, missing %d, extra %d, differing %d, duplicates %d", v.want, v.missing, v.extra, v.differing, v.duplicates)
}

// judge recomputes everything from the input topic and compares. Outputs are identified by the position they start with.
func judge(t testing.TB, c *kafkatest.Client) verdict {
	t.Helper()
	return judgeOrders(t, c, nil)
}

// judgeOrders is judge where keys were intervened in: orders has the orders of each key and where they took effect.
func judgeOrders(t testing.TB, c *kafkatest.Client, orders map[string][]order) verdict {
	t.Helper()
	want := map[string]string{}
	app := newLedger(0)
	states := map[string]*account{}
	for _, r := range c.ReadAll("in") {
		for _, o := range orders[string(r.Key)] {
			if a := states[string(r.Key)]; a != nil && a.count == o.after {
				a.obey(o.id)
			}
		}
		for topic, value := range sequential(app, states, r) {
			want[topic+" "+identity(value)] = value
		}
	}
	got := map[string]map[string]int{}
	for _, topic := range []string{"out", "dead"} {
		for _, r := range c.ReadAll(topic) {
			id := topic + " " + identity(string(r.Value))
			if got[id] == nil {
				got[id] = map[string]int{}
			}
			got[id][string(r.Value)]++
		}
	}
	v := verdict{want: len(want)}
	for id, value := range want {
		variants := got[id]
		switch {
		case len(variants) == 0:
			v.missing++
		case len(variants) > 1 || variants[value] == 0:
			v.differing++
			if v.differing <= 3 {
				t.Logf("%s: want %.300q, got %.600s", id, value, fmt.Sprint(variants))
			}
		default:
			v.duplicates += variants[value] - 1
		}
	}
	for id := range got {
		if _, ok := want[id]; !ok {
			v.extra++
		}
	}
	return v
}

// sequential applies one record as a process that never fails would, and returns what it writes by topic.
func sequential(app checkpoint.App[*account], states map[string]*account, r kafkatest.Record) map[string]string {
	position := checkpoint.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
	m := &checkpoint.Message{Position: position, Source: position, Key: r.Key, Value: r.Value, Timestamp: r.Timestamp}
	out := &checkpoint.Outputs{}
	if key, ok := app.Key(m, out); ok {
		if states[key] == nil {
			states[key] = app.New(key)
		}
		if string(m.Value) == "boom" {
			app.Refuse(m, checkpoint.CodePanic, "the message says boom", out)
		} else {
			app.Apply(states[key], m, out)
		}
	}
	written := map[string]string{}
	for _, o := range out.All() {
		written[o.Topic] = string(o.Value)
	}
	return written
}

// identity is the position an output starts with.
func identity(value string) string {
	var partition, offset int64
	_, _ = fmt.Sscanf(value, "%d/%d", &partition, &offset)
	return fmt.Sprintf("%d/%d", partition, offset)
}
