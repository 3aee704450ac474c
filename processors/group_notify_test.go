package processors_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"anomalystream/internal/kafkatest"
	"anomalystream/processors"
	"anomalystream/processors/checkpoint"
	"anomalystream/processors/routes"
	"anomalystream/streams"
)

// notifyRoutes are two routes of one installation: one waits, repeats and is limited, the other tells everything of one stream.
func notifyRoutes() []*routes.Route {
	all := []string{streams.NotifyOpened, streams.NotifyWorsened, streams.NotifyRecovered}
	return []*routes.Route{
		{Name: "team", On: all, Wait: 300 * time.Millisecond, Repeat: 700 * time.Millisecond, Limit: 5, Per: time.Second},
		{Name: "pager", On: all, Match: routes.Match{Streams: []string{"pay*"}}, Per: time.Hour},
	}
}

func notifyConfig(brokers []string, instance string, session time.Duration, log *slog.Logger) (processors.NotifyConfig, error) {
	d := sensors(streams.KeyRecord)
	c, err := groupConfig(d, brokers, instance, session, log)
	return processors.NotifyConfig{GroupConfig: c.GroupConfig, Routes: notifyRoutes(), TickEvery: 50 * time.Millisecond}, err
}

// notifyRunners are the groups and the ticker.
func notifyRunners(c processors.NotifyConfig) (groups []runner, ticker *processors.Ticker, err error) {
	journal, err := processors.NewNotifyJournalGroup(c)
	if err != nil {
		return nil, nil, err
	}
	group, err := processors.NewNotifyGroup(c)
	if err != nil {
		return nil, nil, err
	}
	ticker, err = processors.NewNotifyTicker(c)
	return []runner{journal, group}, ticker, err
}

// ensureNotify creates the topics.
func ensureNotify(t testing.TB, brokers []string) {
	t.Helper()
	c, err := checkpoint.Kafka{Brokers: brokers, Hasher: streams.NewHasher}.Sarama()
	if err != nil {
		t.Fatal(err)
	}
	ensure(t, sensors(streams.KeyRecord), brokers, c)
}

// change is a record of an incident.
func change(stream, id string, revision int64, what string) *kgo.Record {
	i := streams.Incident{
		ID: id, Revision: revision, Change: what, Stream: stream, Entity: "e", Kind: streams.KindModel, Status: streams.StatusOpen,
		Start: time.Unix(1_700_000_000, 0).UTC(), Sentence: "it is odd",
	}
	if what == streams.ChangeRecovered || what == streams.ChangeAcknowledged {
		i.Status = what
	}
	b, err := streams.MarshalIncident(&i)
	if err != nil {
		panic(err)
	}
	return &kgo.Record{Topic: names.Incidents(), Key: []byte(id), Value: b, Partition: streams.Partition([]byte(id), 4)}
}

// planned returns the messages of the notifications topic by key; one that was written twice must have the same bytes.
func planned(t testing.TB, c *kafkatest.Client) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, r := range c.ReadAll(names.Notifications()) {
		n, err := streams.UnmarshalNotification(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := out[n.Key]; ok && other != string(r.Value) || string(r.Key) != n.Route {
			t.Errorf("two messages have the key %s, or one of route %s has the record key %s:\n%s\n%s", n.Key, n.Route, r.Key, other, r.Value)
		}
		out[n.Key] = string(r.Value)
	}
	return out
}

// recompute plans the messages again from what the group has read of the journals, one signal after the other.
func recompute(t testing.TB, c *kafkatest.Client) map[string]string {
	t.Helper()
	committed := c.Committed(names.NotifyGroup(), names.NotifyJournal())
	states, out := map[string]*routes.State{}, map[string]string{}
	last := map[string]int64{} // By route and source partition: what is not newer is a repetition.
	for _, r := range c.ReadAll(names.NotifyJournal()) {
		if r.Offset >= committed[r.Partition] {
			continue
		}
		i := slices.IndexFunc(notifyRoutes(), func(route *routes.Route) bool { return route.Name == string(r.Key) })
		route := notifyRoutes()[i]
		if states[route.Name] == nil {
			states[route.Name] = routes.NewState()
		}
		signal := routes.Signal{At: r.Timestamp}
		if kind, _ := r.Header(streams.HeaderRecord); kind == streams.RecordIncident {
			partition, _ := r.Header(streams.HeaderSourcePartition)
			offset, _ := r.Header(streams.HeaderSourceOffset)
			var at int64
			fmt.Sscan(offset, &at)
			if key := route.Name + "/" + partition; at < last[key] {
				continue
			} else {
				last[key] = at + 1
			}
			incident, err := streams.UnmarshalIncident(r.Value)
			if err != nil {
				t.Fatal(err)
			}
			signal.Incident, signal.Body = incident, r.Value
		}
		for _, n := range route.Step(states[route.Name], signal) {
			b, err := streams.MarshalNotification(&n)
			if err != nil {
				t.Fatal(err)
			}
			out[n.Key] = string(b)
		}
	}
	return out
}

// events counts messages by route and event.
func events(t testing.TB, messages map[string]string) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, m := range messages {
		n, err := streams.UnmarshalNotification([]byte(m))
		if err != nil {
			t.Fatal(err)
		}
		out[n.Route+" "+n.Event]++
	}
	return out
}

// TestNotifyFromTopicToTopic plans messages of incidents over a restart; history, records that are none and other streams lead
// to none.
func TestNotifyFromTopicToTopic(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Start(t)
	ensureNotify(t, broker.Brokers())
	broker.Produce(change("payments", "old", 1, streams.ChangeOpened))
	c, err := notifyConfig(broker.Brokers(), "", 30*time.Second, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c.Routes = notifyRoutes()
	c.Routes[0].Limit, c.Routes[0].Repeat = 0, 0
	run := func(produce func()) {
		groups, ticker, err := notifyRunners(c)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var ticking errgroup.Group
		ticking.Go(func() error { return ticker.Run(ctx) })
		stop := work(t, groups...)
		produce()
		stop()
		cancel()
		if err := ticking.Wait(); err != nil {
			t.Error(err)
		}
	}
	await := func(want map[string]int) {
		t.Helper()
		kafkatest.Eventually(t, kafkatest.Deadline, func() error {
			if got := events(t, planned(t, broker.Client)); !maps.Equal(got, want) {
				return fmt.Errorf("planned %v, want %v", got, want)
			}
			return nil
		})
	}
	run(func() {
		broken := change("payments", "broken", 1, streams.ChangeOpened)
		broken.Value = broken.Value[:20]
		tombstone := change("payments", "gone", 1, streams.ChangeOpened)
		tombstone.Value = nil
		broker.Produce(broken, tombstone, change("payments", "a", 1, streams.ChangeOpened), change("web", "b", 1, streams.ChangeOpened))
		await(map[string]int{"team opened": 2, "pager opened": 1})
	})
	run(func() {
		broker.Produce(change("payments", "a", 2, streams.ChangeRecovered), change("payments", "old", 2, streams.ChangeRecovered))
		await(map[string]int{"team opened": 2, "pager opened": 1, "team recovered": 2, "pager recovered": 2})
	})
	letters := broker.ReadAll(names.DeadLetters())
	if len(letters) != 1 {
		t.Fatalf("%d dead letters, want the one of the broken record", len(letters))
	}
	letter, err := streams.UnmarshalDeadLetter(letters[0].Value)
	if err != nil || letter.Stage != "notify" || letter.Code != streams.CodeNotJSON || letter.Source.Topic != names.Incidents() {
		t.Errorf("got the dead letter %+v, %v", letter, err)
	}
}

// TestNotifyStorm sends ten thousand incidents through the groups: the limit lets twenty messages pass in each span, digests
// count the rest, and nothing stops.
func TestNotifyStorm(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Start(t)
	ensureNotify(t, broker.Brokers())
	c, err := notifyConfig(broker.Brokers(), "", 30*time.Second, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c.Interval = time.Second
	c.Routes = notifyRoutes()[:1]
	c.Routes[0].Wait, c.Routes[0].Repeat, c.Routes[0].Limit, c.Routes[0].Per = 0, time.Hour, 20, 4*time.Second
	groups, ticker, err := notifyRunners(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var ticking errgroup.Group
	ticking.Go(func() error { return ticker.Run(ctx) })
	defer func() { cancel(); _ = ticking.Wait() }()
	work(t, groups...)
	var records []*kgo.Record
	for i := range 10_000 {
		records = append(records, change("payments", fmt.Sprintf("i%d", i), 1, streams.ChangeOpened))
	}
	broker.Produce(records...)
	told := 0
	kafkatest.Eventually(t, 3*kafkatest.Deadline, func() error {
		told = 0
		for _, m := range planned(t, broker.Client) {
			n, err := streams.UnmarshalNotification([]byte(m))
			if err != nil {
				t.Fatal(err)
			}
			if told++; n.Digest != nil {
				told += n.Digest.Counts.Total() - 1
			}
		}
		if told < len(records) {
			return fmt.Errorf("%d of %d incidents are told or counted", told, len(records))
		}
		return nil
	})
	if got := events(t, planned(t, broker.Client)); told != len(records) || got["team opened"] > 20*(1+got["team digest"]) {
		t.Errorf("told or counted %d incidents by %v", told, got)
	}
}
