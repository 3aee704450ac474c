//go:build unix

package processors_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/embedded"
	"anomalystream/internal/kafkatest"
	"anomalystream/processors"
	"anomalystream/processors/checkpoint"
	"anomalystream/streams"
)

// brokerProcess is a broker in a process of its own, so that its work is not counted as ours.
func brokerProcess() {
	broker, err := embedded.Start(embedded.Config{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(broker.Brokers()[0])
	_, _ = bufio.NewReader(os.Stdin).ReadByte() // Until the parent ends.
}

// startBroker starts brokerProcess, or uses the brokers that BENCHMARK_BROKERS names.
func startBroker(b *testing.B) []string {
	b.Helper()
	if brokers := os.Getenv("BENCHMARK_BROKERS"); brokers != "" {
		return strings.Split(brokers, ",")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "KAFKATEST_CHILD=broker")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return []string{strings.TrimSpace(addr)}
}

// workload says what a benchmark works on: a stream of default settings, but for these.
type workload struct {
	keys, partitions int
	profile          string
	features         int // Four where it is 0.
	warmUp           int // The default where it is 0.
}

// pipeline is a stream on a broker of another process.
type pipeline struct {
	workload
	b      *testing.B
	client *kafkatest.Client
	config processors.Config
	random *rand.Rand
	topic  string
}

func newPipeline(b *testing.B, l workload) *pipeline {
	b.Helper()
	d := streams.DefaultDefinition(fmt.Sprintf("bench%d", time.Now().UnixNano()))
	d.Time, d.Profile = "timestamp", l.profile
	if l.profile == streams.ProfileCompact {
		d.Window, d.Buffer = 256, 1000
	}
	if l.warmUp > 0 {
		d.WarmUp = l.warmUp
	}
	if l.features == 0 {
		l.features = 4
	}
	for j := range l.features {
		name := feature(j)
		d.Features = append(d.Features, streams.Feature{Name: name, Path: name, Missing: streams.MissingReject, Direction: streams.DirectionBoth})
	}
	brokers := startBroker(b)
	k := checkpoint.Kafka{Brokers: brokers, Hasher: streams.NewHasher}
	c, err := k.Sarama()
	if err != nil {
		b.Fatal(err)
	}
	layout := processors.Layout{Topics: names, Definitions: []*streams.Definition{&d}, Partitions: l.partitions}
	if err := layout.Ensure(b.Context(), checkpoint.Topics{Brokers: brokers, Sarama: c, Log: slog.New(slog.DiscardHandler)}); err != nil {
		b.Fatal(err)
	}
	return &pipeline{
		workload: l, b: b, client: kafkatest.Dial(b, brokers...), random: rand.New(rand.NewPCG(1, 1)), topic: names.Source(&d),
		config: processors.Config{GroupConfig: processors.GroupConfig{Topics: names, Brokers: brokers, Sarama: c}, Definition: &d},
	}
}

// feature is the name of a feature.
func feature(j int) string {
	if names := []string{"cpu_percent", "memory_percent", "latency_ms", "error_rate"}; j < len(names) {
		return names[j]
	}
	return fmt.Sprintf("metric_%d", j)
}

// event is a record like those of a server's metrics.
func (p *pipeline) event(entity string, at time.Time) *kgo.Record {
	level := p.random.NormFloat64()
	values := []float64{40 + 8*level + 2*p.random.NormFloat64(), 60 + 3*p.random.NormFloat64(), 20 + 4*level + p.random.ExpFloat64()*3, p.random.Float64() / 100}
	if p.random.IntN(200) == 0 {
		values[0], values[2] = values[0]+50, values[2]*8
	}
	for len(values) < p.features {
		values = append(values, level+p.random.NormFloat64())
	}
	value := fmt.Appendf(nil, `{"host":%q,"timestamp":%q`, entity, at.UTC().Format(time.RFC3339Nano))
	for j, v := range values[:p.features] {
		value = fmt.Appendf(value, `,%q:%.4f`, feature(j), v)
	}
	value = append(value, '}')
	return &kgo.Record{Topic: p.topic, Key: []byte(entity), Value: value, Partition: streams.Partition([]byte(entity), int32(p.partitions))}
}

// fill writes n events, of the keys in turn.
func (p *pipeline) fill(n int) {
	at := time.Unix(1_700_000_000, 0)
	for done := 0; done < n; {
		batch := make([]*kgo.Record, min(20_000, n-done))
		for i := range batch {
			batch[i] = p.event("host-"+strconv.Itoa((done+i)%p.keys), at.Add(time.Duration(done+i)*time.Second/time.Duration(p.keys)))
		}
		p.client.Produce(batch...)
		done += len(batch)
	}
}

// start runs the detectors until the returned function is called.
func (p *pipeline) start() (stop func()) {
	g, err := processors.NewDetectorGroup(p.config)
	if err != nil {
		p.b.Fatal(err)
	}
	return work(p.b, g)
}

func (p *pipeline) await(n int) {
	kafkatest.Eventually(p.b, 10*time.Minute, func() error {
		kafkatest.Elapse(50 * time.Millisecond) // The question costs too.
		sum := int64(0)
		for _, at := range p.client.Committed(names.DetectorGroup(p.config.Definition.Name), p.topic) {
			sum += at
		}
		if sum < int64(n) {
			return fmt.Errorf("%d of %d events are committed", sum, n)
		}
		return nil
	})
}

// cpu is the processor time this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// run measures the processor time of one event from JSON on a pre-filled topic to its committed offset: goka, decoding,
// scoring by the default ensemble, fits, checkpoints, output. The broker is another process.
func (l workload) run(b *testing.B) {
	p := newPipeline(b, l)
	p.fill(b.N)
	before, heapBefore := cpu(b), heap()
	b.ResetTimer()
	stop := p.start()
	p.await(b.N)
	b.StopTimer()
	used := cpu(b) - before
	b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-us/event")
	b.ReportMetric(float64(b.N)/used.Seconds(), "events/s/core")
	if l.keys >= 1000 { // With few keys, what is in flight weighs more.
		b.ReportMetric((heap()-heapBefore)/1024/float64(l.keys), "KB/key")
	}
	stop()
}

// heap is what is in use after a collection, in bytes.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkPipeline measures a few keys, many events each.
func BenchmarkPipeline(b *testing.B) {
	for _, l := range []workload{
		{keys: 1, partitions: 1, profile: streams.ProfileStandard},
		{keys: 10, partitions: 4, profile: streams.ProfileStandard},
		{keys: 100, partitions: 4, profile: streams.ProfileCompact},
	} {
		b.Run(fmt.Sprintf("keys=%d/partitions=%d/%s", l.keys, l.partitions, l.profile), l.run)
	}
}

// BenchmarkKeys measures what the number of keys costs, each ready after 30 events. Give it 60 events per key with
// -benchtime; with fewer the keys are still warming up.
func BenchmarkKeys(b *testing.B) {
	for _, keys := range []int{1, 100, 1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), workload{keys: keys, partitions: 4, profile: streams.ProfileCompact, warmUp: 30}.run)
	}
}

// BenchmarkFeatures measures what the number of features costs.
func BenchmarkFeatures(b *testing.B) {
	for _, n := range []int{3, 10, 20, 50} {
		b.Run(fmt.Sprintf("features=%d", n), workload{keys: 10, partitions: 4, profile: streams.ProfileStandard, features: n}.run)
	}
}

// BenchmarkPartitions measures what the number of partitions costs.
func BenchmarkPartitions(b *testing.B) {
	for _, n := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprintf("partitions=%d", n), workload{keys: 40, partitions: n, profile: streams.ProfileCompact}.run)
	}
}

// BenchmarkRestart measures the time from starting a process to its first score, with RESTART_KEYS keys (1,000 by default) of
// the compact profile whose detectors are ready.
func BenchmarkRestart(b *testing.B) {
	keys := 1000
	if s := os.Getenv("RESTART_KEYS"); s != "" {
		keys, _ = strconv.Atoi(s)
	}
	p := newPipeline(b, workload{keys: keys, partitions: 4, profile: streams.ProfileCompact})
	p.fill(260 * keys)
	stop := p.start()
	p.await(260 * keys)
	stop()
	event := p.event("host-1", time.Now()).Value
	b.ResetTimer()
	for range b.N {
		g, err := processors.NewDetectorGroup(p.config)
		if err != nil {
			b.Fatal(err)
		}
		stop := work(b, g)
		if scored, ok, err := g.Score("host-1", event); err != nil || !ok || !scored.Result.Scored {
			b.Fatalf("got %+v, %v, %v after the restart, want a score", scored.Result, ok, err)
		}
		b.StopTimer()
		stop()
		b.StartTimer()
	}
	b.StopTimer()
	table := p.client.Total(names.DetectorTable(p.config.Definition.Name))
	b.ReportMetric(float64(keys), "keys")
	b.ReportMetric(float64(table), "table-records")
}

// BenchmarkLatency measures the time from producing an event to reading its anomaly, at a steady rate of LATENCY_RATE events
// per second (10,000 by default); fits are part of it. b.N is the number of events after the warm-up.
func BenchmarkLatency(b *testing.B) {
	rate := 10_000
	if s := os.Getenv("LATENCY_RATE"); s != "" {
		rate, _ = strconv.Atoi(s)
	}
	const entities = 8
	p := newPipeline(b, workload{keys: entities, partitions: 4, profile: streams.ProfileStandard})
	p.fill(4000 * entities)
	stop := p.start()
	defer stop()
	p.await(4000 * entities)

	latencies, finish := p.followAnomalies(time.Now())
	b.ResetTimer()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	started, sent := time.Now(), 0
	for sent < b.N {
		<-tick.C
		due := min(int(time.Since(started).Seconds()*float64(rate)), b.N)
		var batch []*kgo.Record
		for ; sent < due; sent++ {
			batch = append(batch, p.event("host-"+strconv.Itoa(sent%entities), time.Now()))
		}
		p.client.ProduceAsync(batch...)
	}
	p.await(4000*entities + b.N)
	b.StopTimer()
	finish()
	all := latencies()
	if len(all) == 0 {
		return // Too few events: the first try of a benchmark is one.
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(len(all)), "anomalies")
	b.ReportMetric(float64(rate), "events/s")
}

// followAnomalies reads anomalies as they come and notes the time since their event was made.
func (p *pipeline) followAnomalies(since time.Time) (latencies func() []time.Duration, finish func()) {
	client, err := sarama.NewClient(p.config.Brokers, p.config.Sarama)
	if err != nil {
		p.b.Fatal(err)
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		p.b.Fatal(err)
	}
	partitions, err := client.Partitions(names.Anomalies())
	if err != nil {
		p.b.Fatal(err)
	}
	var mu sync.Mutex
	var all []time.Duration
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, id := range partitions {
		reader, err := consumer.ConsumePartition(names.Anomalies(), id, sarama.OffsetNewest)
		if err != nil {
			p.b.Fatal(err)
		}
		wg.Go(func() {
			defer reader.Close()
			for {
				select {
				case <-ctx.Done():
					return
				case m := <-reader.Messages():
					a, err := streams.UnmarshalAnomaly(m.Value)
					if err != nil || a.Timestamp.Before(since) {
						continue
					}
					mu.Lock()
					all = append(all, time.Since(a.Timestamp))
					mu.Unlock()
				}
			}
		})
	}
	return func() []time.Duration { mu.Lock(); defer mu.Unlock(); return all }, func() {
		cancel()
		wg.Wait()
		_ = consumer.Close()
		_ = client.Close()
	}
}
