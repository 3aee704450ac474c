package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/IBM/sarama"
	"golang.org/x/sync/errgroup"

	"anomalystream/internal/retry"
	"anomalystream/streams"
	"anomalystream/views"
)

// demoShow tells the person at the terminal what the demo does, and compares what was found with what was injected.
type demoShow struct {
	sys     *system
	out     io.Writer // Running commentary.
	stdout  io.Writer // Summary.
	truth   *truthBook
	started time.Time

	mu        sync.Mutex
	first     map[string]time.Duration // Time to the first anomaly shown, by stream.
	status    map[string]streams.DetectorStatus
	ready_    map[string]bool // Streams announced as ready.
	shown     map[string]bool // Ids of anomalies shown.
	incidents *demoIncidents
	fedFrom   time.Time
	fedTo     time.Time
}

func newDemoShow(a *app, sys *system, started time.Time, simulated bool) *demoShow {
	return &demoShow{
		sys: sys, out: a.stderr, stdout: a.stdout, truth: newTruthBook(sys.cfg.Streams.Definitions(), simulated), started: started,
		first: map[string]time.Duration{}, status: map[string]streams.DetectorStatus{}, ready_: map[string]bool{}, shown: map[string]bool{}, incidents: newDemoIncidents(),
	}
}

// line writes one line of commentary.
func (d *demoShow) line(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(d.out, format+"\n", args...)
}

func (d *demoShow) hello(c *demoCmd, url string) {
	d.line("anomalystream demo: one process, nothing installed. Stop it with Ctrl-C.\n")
	d.line("  page        %s/", url)
	d.line("  REST        %s/api/anomalies   described at %s/docs", url, url)
	d.line("  WebSocket   %s/ws/alerts", strings.Replace(url, "http", "ws", 1))
	d.line("  Kafka       %s   topics %s, %s ...", strings.Join(d.sys.kafka.Brokers, ","), strings.Join(d.sys.cfg.Streams.Names(), ", "), d.sys.topics.Anomalies())
	d.line("  streams     %s at %s\n", strings.Join(d.sys.cfg.Streams.Names(), ", "), c.Rate)
}

func (d *demoShow) ready() {
	d.mu.Lock()
	d.fedFrom = time.Now()
	d.mu.Unlock()
	need := 0
	for _, s := range d.sys.cfg.Streams.Definitions() {
		need = max(need, s.WarmUp)
	}
	d.line("ready after %.1f s; each detector now warms up on its first %d events", time.Since(d.started).Seconds(), need)
}

// follow reads the source topics, the statuses, the anomalies and the incidents while the demo runs.
func (d *demoShow) follow(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	tail := func(topic string, deliver func(*sarama.ConsumerMessage)) {
		group.Go(func() error {
			return views.NewTail(d.sys.kafka.Brokers, topic, d.sys.client(), 1<<40, deliver, d.sys.log).Run(ctx)
		})
	}
	for _, s := range d.sys.cfg.Streams.Definitions() {
		tail(d.sys.topics.Source(s), func(m *sarama.ConsumerMessage) { d.event(s, m) })
	}
	tail(d.sys.topics.Anomalies(), d.anomaly)
	tail(d.sys.topics.Incidents(), d.incident)
	tail(d.sys.topics.Detectors(), d.detector)
	group.Go(func() error { return d.progress(ctx) })
	return group.Wait()
}

// event notes what was injected.
func (d *demoShow) event(s *streams.Definition, m *sarama.ConsumerMessage) {
	truth := ""
	for _, h := range m.Headers {
		if string(h.Key) == streams.HeaderTruth {
			truth = string(h.Value)
		}
	}
	key := ""
	if s.Key == streams.KeyRecord {
		key = string(m.Key)
	}
	d.truth.event(s.Name, key, streams.Position{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset}, m.Timestamp, truth)
	d.mu.Lock()
	d.fedTo = time.Now()
	d.mu.Unlock()
}

// anomaly shows one readable line.
func (d *demoShow) anomaly(m *sarama.ConsumerMessage) {
	var a streams.Anomaly
	if err := json.Unmarshal(m.Value, &a); err != nil {
		d.line("an anomaly that cannot be read: %s", err)
		return
	}
	d.truth.anomaly(&a)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shown[a.ID] {
		return
	}
	d.shown[a.ID] = true
	if _, ok := d.first[a.Stream]; !ok {
		d.first[a.Stream] = time.Since(d.started)
	}
	fmt.Fprintf(d.out, "%s  ANOMALY  %s  score %s  %s\n", demoTime(a.Timestamp), streams.DetectorKey(a.Stream, a.Entity), score(a.Score), a.Why.Sentence)
}

// score shows a score with three digits, never rounded up.
func score(v float64) string { return strconv.FormatFloat(float64(int(v*1000))/1000, 'f', 3, 64) }

// detector notes the status of a detector key.
func (d *demoShow) detector(m *sarama.ConsumerMessage) {
	var s streams.DetectorStatus
	if json.Unmarshal(m.Value, &s) != nil {
		return
	}
	d.mu.Lock()
	d.status[s.Key()] = s
	d.mu.Unlock()
}

// totals sums up the detectors of a stream.
func (d *demoShow) totals(stream string) (seen int64, ready, keys, have, need int) {
	for _, s := range d.status {
		if s.Stream != stream {
			continue
		}
		seen += s.Seen
		keys++
		have, need = have+s.WarmUpHave, need+s.WarmUpNeed
		if s.Phase != streams.PhaseWarmUp {
			ready++
		}
	}
	return seen, ready, keys, have, need
}

// progress says now and then how far the warm-up is and how much traffic there is.
func (d *demoShow) progress(ctx context.Context) error {
	ticker := time.NewTicker(3 * time.Second)
	defer ticker.Stop()
	var before int64
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		d.mu.Lock()
		var total int64
		var warming []string
		for _, name := range d.sys.cfg.Streams.Names() {
			seen, ready, keys, have, need := d.totals(name)
			total += seen
			switch {
			case keys > 0 && ready == keys && !d.ready_[name]:
				d.ready_[name] = true
				fmt.Fprintf(d.out, "%s is ready: every event is scored from here on (%d detectors)\n", name, keys)
			case ready < keys:
				warming = append(warming, fmt.Sprintf("%s %d/%d", name, have, need))
			}
		}
		rate := float64(total-before) / time.Since(last).Seconds()
		before, last = total, time.Now()
		if len(warming) > 0 {
			fmt.Fprintf(d.out, "warming up: %s   %.0f events/s\n", strings.Join(warming, ", "), rate)
		} else if total > 0 && last.Second()%15 < 3 {
			fmt.Fprintf(d.out, "%d events scored or learned, %.0f events/s, %d anomalies\n", total, rate, len(d.shown))
		}
		d.mu.Unlock()
	}
}

// standstill is how long nothing may go on before the demo ends without the rest: some events may have been refused.
const standstill = 10 * time.Second

// drain waits until every event written has been read and applied, and its anomaly shown, however long that takes.
func (d *demoShow) drain(ctx context.Context, written int64) {
	before, moved := int64(-1), time.Now()
	_ = retry.Until(ctx, 100*time.Millisecond, func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		var seen, flagged int64
		for _, s := range d.status {
			seen += s.Seen
			flagged += s.Anomalies
		}
		read, shown := d.truth.events(), int64(len(d.shown))
		if now := read + seen + shown; now != before {
			before, moved = now, time.Now()
		}
		return read >= written && seen >= written && shown >= flagged || time.Since(moved) >= standstill
	})
}

// summary prints what was found against what was injected.
func (d *demoShow) summary(output string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	seconds := d.fedTo.Sub(d.fedFrom).Seconds()
	var list []demoSummary
	for _, s := range d.sys.cfg.Streams.Definitions() {
		row := d.truth.summary(s)
		if seconds > 0 {
			row.EventsPer = float64(row.Events) / seconds
		}
		if first, ok := d.first[s.Name]; ok {
			row.FirstAfter = ratio(first.Seconds(), 1)
		}
		row.Incidents, row.Recovered = d.incidents.opened[s.Name], d.incidents.ended[s.Name]
		list = append(list, row)
	}
	if output == "json" {
		return json.NewEncoder(d.stdout).Encode(map[string]any{"seconds": time.Since(d.started).Seconds(), "streams": list})
	}
	fmt.Fprintln(d.stdout)
	w := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "stream\tevents\tscored\tanomalies\tincidents\trecovered\tfaults found\tprecision\tfalse alarms\tof normal\tasked for\tdelay\tfirst after")
	for _, r := range list {
		found := "-"
		if r.Faults > 0 {
			found = fmt.Sprintf("%d of %d", r.Found, r.Faults)
		}
		wrong := "-"
		if r.FalseAlarms != nil {
			wrong = strconv.FormatInt(*r.FalseAlarms, 10)
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Stream, r.Events, r.Scored, r.Anomalies, r.Incidents, r.Recovered, found, shownRatio(r.Precision, 1, ""),
			wrong, shownRatio(r.FalseRate, 100, " %"), shownRatio(&r.Requested, 100, " %"), shownRatio(r.Delay, 1, " events"), shownRatio(r.FirstAfter, 1, " s"))
	}
	return w.Flush()
}

// shownRatio shows a number that may be unknown.
func shownRatio(v *float64, factor float64, unit string) string {
	if v == nil {
		return "-"
	}
	return strconv.FormatFloat(*v*factor, 'f', 2, 64) + unit
}
