package processors_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/kafkatest"
	"anomalystream/processors"
	"anomalystream/processors/checkpoint"
	"anomalystream/streams"
)

var names = streams.Topics{Prefix: "t-"}

// maxRecord is the largest value the groups accept here.
const maxRecord = 32 << 10

// sensors returns the definition of a small stream whose detectors are ready soon and fitted often.
func sensors(key string) *streams.Definition {
	d := streams.DefaultDefinition("sensors")
	d.Key, d.Time = key, "at"
	d.WarmUp, d.Refit, d.Window, d.Buffer, d.Delay, d.Rate = 40, 50, 100, 200, 20, 0.05
	d.Incidents.Quiet, d.Incidents.OpenAlert, d.Incidents.Retention = time.Minute, 2, 5*time.Second // Longer than a pause.
	for _, f := range []string{"temperature", "vibration"} {
		d.Features = append(d.Features, streams.Feature{Name: f, Path: f, Missing: streams.MissingReject, Direction: streams.DirectionBoth, Transforms: []string{"value"}})
	}
	return &d
}

// guard gives the stream rules, a limit, windows, a feature that may be stuck, a policy for late events, and a detector that
// learns between fits.
func guard(d *streams.Definition) {
	top, no := 21.5, false
	d.Rules = []streams.Rule{{Name: "top", Field: "temperature", Entity: "sensor-1*", Max: &top}, {Name: "few", MaxAnomalies: 3}}
	d.Maintenance = []streams.Window{
		{Name: "often", Cron: "*/20 * * * *", Duration: "4m", Learn: &no}, {Name: "seldom", Entity: "sensor-2*", Cron: "10 * * * *", Duration: "7m"},
	}
	d.Features[1].Stuck = "2"
	d.Detectors = append(d.Detectors, streams.DetectorSpec{Name: "hst", Weight: 1})
	d.Late = streams.Late{After: 10 * time.Minute, Policy: streams.LateTopic}
}

// sensorsConfig returns the configuration of the stream's groups.
func sensorsConfig(t testing.TB, d *streams.Definition, brokers []string, instance string, session time.Duration) processors.Config {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	c, err := groupConfig(d, brokers, instance, session, log)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func groupConfig(d *streams.Definition, brokers []string, instance string, session time.Duration, log *slog.Logger) (processors.Config, error) {
	k := checkpoint.Kafka{Brokers: brokers, InstanceID: instance, Hasher: streams.NewHasher, Session: session, Flush: time.Millisecond}
	c, err := k.Sarama()
	if err != nil {
		return processors.Config{}, err
	}
	c.Consumer.MaxWaitTime = 50 * time.Millisecond
	group := processors.GroupConfig{Topics: names, Brokers: brokers, Sarama: c, MaxRecord: maxRecord, Interval: 100 * time.Millisecond, Log: log}
	return processors.Config{GroupConfig: group, Definition: d}, nil
}

// ensure creates the topics of the stream.
func ensure(t testing.TB, d *streams.Definition, brokers []string, config *sarama.Config) {
	t.Helper()
	layout := processors.Layout{Topics: names, Definitions: []*streams.Definition{d}, Partitions: 4, MaxRecord: maxRecord}
	topics := checkpoint.Topics{Brokers: brokers, Sarama: config, Log: slog.New(slog.DiscardHandler)}
	if err := layout.Ensure(t.Context(), topics); err != nil {
		t.Fatal(err)
	}
	if diff, err := layout.Check(t.Context(), topics); err != nil || len(diff) > 0 {
		t.Fatalf("the topics just created differ from what they must be: %v %v", diff, err)
	}
}

// runner is what all groups are.
type runner interface {
	Run(context.Context) error
	Ready() error
}

// work runs groups until the returned function is called or the test ends.
func work(t testing.TB, groups ...runner) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, len(groups))
	for _, g := range groups {
		go func() { done <- g.Run(ctx) }()
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		for range groups {
			select {
			case err := <-done:
				if err != nil {
					t.Errorf("a group ended with %v", err)
				}
			case <-time.After(kafkatest.Deadline):
				t.Error("a group did not stop")
			}
		}
	}
	t.Cleanup(stop)
	for _, g := range groups {
		kafkatest.Eventually(t, kafkatest.Deadline, g.Ready)
	}
	return stop
}

// traffic makes records of a few sensors: mostly normal, some anomalous, some malformed.
type traffic struct {
	random    *rand.Rand
	entities  int
	malformed float64       // Share.
	unruly    bool          // Values repeat, and some events come late.
	pace      time.Duration // Of event time between two records; 0 for a second.
	n         int
}

func (g *traffic) records(n int) []*kgo.Record {
	out := make([]*kgo.Record, n)
	for i := range out {
		g.n++
		entity := fmt.Sprintf("sensor-%d", g.random.IntN(g.entities))
		temperature, vibration := 20+g.random.NormFloat64(), 5+g.random.NormFloat64()/2
		if g.random.IntN(60) == 0 {
			temperature += 15
		}
		at := time.Unix(1_700_000_000, 0).UTC().Add(time.Duration(g.n) * cmp.Or(g.pace, time.Second))
		if g.unruly {
			vibration = math.Round(4*vibration) / 4
			if g.random.IntN(50) == 0 {
				at = at.Add(-20 * time.Minute)
			}
		}
		value := fmt.Sprintf(`{"device":%q,"at":%q,"temperature":%v,"vibration":%v}`, entity,
			at.Format(time.RFC3339Nano), temperature, vibration)
		r := &kgo.Record{Topic: names.Prefix + "sensors", Key: []byte(entity), Value: []byte(value), Timestamp: time.Now()}
		if g.random.Float64() < g.malformed {
			poison[g.random.IntN(len(poison))](g.random, r)
		}
		r.Partition = streams.Partition(r.Key, 4)
		out[i] = r
	}
	return out
}

// poison are ways to spoil a record. Each makes one that is no event of the stream, whatever the key rule.
var poison = []func(*rand.Rand, *kgo.Record){
	func(_ *rand.Rand, r *kgo.Record) { r.Value = nil },
	func(_ *rand.Rand, r *kgo.Record) { r.Value = []byte{} },
	func(_ *rand.Rand, r *kgo.Record) { r.Value = []byte("null") },
	func(_ *rand.Rand, r *kgo.Record) { r.Value = []byte("[]") },
	func(_ *rand.Rand, r *kgo.Record) { r.Value = []byte("7") },
	func(_ *rand.Rand, r *kgo.Record) { r.Value = []byte(`"text"`) },
	func(_ *rand.Rand, r *kgo.Record) { r.Value = []byte("{}") },
	func(_ *rand.Rand, r *kgo.Record) { r.Value = append(r.Value, '}') },
	func(_ *rand.Rand, r *kgo.Record) { r.Value = r.Value[:len(r.Value)-1] },
	func(g *rand.Rand, r *kgo.Record) { r.Value = r.Value[:g.IntN(len(r.Value))] },
	func(g *rand.Rand, r *kgo.Record) { r.Value = noise(g) },
	func(_ *rand.Rand, r *kgo.Record) { r.Value = []byte("\xff\xfe{\x00}\x00") },
	func(_ *rand.Rand, r *kgo.Record) { r.Value = []byte("\xef\xbb\xbf" + string(r.Value)) },
	func(_ *rand.Rand, r *kgo.Record) { r.Value = []byte("\x00\x00\x00\x00\x07" + string(r.Value)) },
	replace(`"temperature":`, `"temperature":"hot","was":`),
	replace(`"temperature":`, `"temperature":null,"was":`),
	replace(`"temperature":`, `"temperature":true,"was":`),
	replace(`"temperature":`, `"temperature":{},"was":`),
	replace(`"temperature":`, `"temperature":[1],"was":`),
	replace(`"temperature":`, `"temperature":NaN,"was":`),
	replace(`"temperature":`, `"temperature":Infinity,"was":`),
	replace(`"temperature":`, `"temperature":1e999,"was":`),
	replace(`"temperature":`, `"temperature":-1e200,"was":`),
	replace(`"temperature":`, `"temperature":0x10,"was":`),
	replace(`"temperature":`, `"temperature":1,"temperature":2,"was":`),
	replace(`"temperature":`, `"temperature":`+strings.Repeat("[", 500)),
	replace(`"temperature"`, `"Temperature"`),
	replace(`"at":`, `"at":"yesterday","was":`),
	replace(`"at":`, `"at":"0001-01-01T00:00:00Z","was":`),
	replace(`"at":`, `"at":1e300,"was":`),
	replace(`"at":`, `"at":-5000000000000,"was":`),
	replace(`"at":`, `"at":{},"was":`),
	replace(`"at":`, `"when":`),
	func(_ *rand.Rand, r *kgo.Record) {
		r.Value = []byte(strings.Replace(string(r.Value), "{", `{"padding":"`+strings.Repeat("x", maxRecord)+`",`, 1))
	},
}

func replace(old, with string) func(*rand.Rand, *kgo.Record) {
	return func(_ *rand.Rand, r *kgo.Record) { r.Value = []byte(strings.Replace(string(r.Value), old, with, 1)) }
}

func noise(g *rand.Rand) []byte {
	b := make([]byte, 1+g.IntN(200))
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	b[0] = '\x01' // No JSON text starts so.
	return b
}
