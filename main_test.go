package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/kafkatest"
	"anomalystream/streams"
)

// world is a broker, a configuration, and the commands run on them.
type world struct {
	t      *testing.T
	kafka  *kafkatest.Client
	config string
	topics streams.Topics
}

// newWorld starts a broker, or takes the one that KAFKA_BROKERS names, and writes a configuration with these streams.
func newWorld(t *testing.T, definitions string) *world {
	t.Helper()
	w := &world{t: t, topics: streams.Topics{Prefix: fmt.Sprintf("main-%d.", time.Now().UnixNano())}}
	if given := os.Getenv("KAFKA_BROKERS"); given != "" {
		w.kafka = kafkatest.Dial(t, strings.Split(given, ",")...)
	} else {
		w.kafka = kafkatest.Start(t).Client
	}
	w.config = writeFile(t, fmt.Sprintf(`
kafka: {brokers: [%q], topic_prefix: %s, partitions: 2, max_record_bytes: 900000}
store: {url: "sqlite:%s"}
api: {addr: "127.0.0.1:0"}
checkpoint: {interval: 100ms}
log: {level: warn}
streams:
%s`, strings.Join(w.kafka.Brokers(), `","`), w.topics.Prefix, filepath.ToSlash(filepath.Join(t.TempDir(), "store.db")), definitions))
	return w
}

// outcome is what a command left behind.
type outcome struct {
	code           int
	stdout, stderr string
}

// command runs one command line to its end.
func command(t *testing.T, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := execute(t.Context(), args, nil, &stdout, &stderr)
	return outcome{code, stdout.String(), stderr.String()}
}

// must runs a command with the world's configuration and fails unless it succeeds.
func (w *world) must(args ...string) string {
	w.t.Helper()
	got := command(w.t, append(args, "--config", w.config)...)
	if got.code != exitOK {
		w.t.Fatalf("anomalystream %s: exit code %d\n%s%s", strings.Join(args, " "), got.code, got.stdout, got.stderr)
	}
	return got.stdout
}

// background is a command that runs until it is stopped.
type background struct {
	t      *testing.T
	name   string
	stop   context.CancelFunc
	stderr syncBuffer
	code   chan int
}

// start starts a command with the world's configuration; when the test ends it is stopped, and has to leave with 0.
func (w *world) start(args ...string) *background {
	w.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	b := &background{t: w.t, name: strings.Join(args, " "), stop: stop, code: make(chan int, 1)}
	go func() { b.code <- execute(ctx, append(args, "--config", w.config), nil, &b.stderr, &b.stderr) }()
	w.t.Cleanup(b.end)
	return b
}

// end stops the command, as Ctrl-C does.
func (b *background) end() {
	b.t.Helper()
	b.stop()
	select {
	case code := <-b.code:
		b.code <- code
		if code != exitOK {
			b.t.Errorf("anomalystream %s: exit code %d\n%s", b.name, code, b.stderr.String())
		}
	case <-time.After(kafkatest.Deadline):
		b.t.Errorf("anomalystream %s does not stop\n%s", b.name, b.stderr.String())
	}
}

// url waits until the command serves, and returns the address.
func (b *background) url() (url string) {
	b.t.Helper()
	kafkatest.Eventually(b.t, kafkatest.Deadline, func() error {
		_, rest, ok := strings.Cut(b.stderr.String(), "serving on ")
		if !ok {
			return fmt.Errorf("anomalystream %s does not serve:\n%s", b.name, b.stderr.String())
		}
		url, _, _ = strings.Cut(rest, "\n")
		return nil
	})
	return url
}

// syncBuffer is a buffer for one writer and several readers.
type syncBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// produce writes records to a stream's topic, spread over its partitions by key as every producer of ours does.
func (w *world) produce(stream string, records ...*kgo.Record) {
	w.t.Helper()
	for i, r := range records {
		r.Topic = w.topics.Prefix + stream
		if r.Partition = int32(i % 2); len(r.Key) > 0 {
			hash := streams.NewHasher()
			_, _ = hash.Write(r.Key)
			r.Partition = int32(hash.Sum32() % 2)
		}
	}
	w.kafka.Produce(records...)
}

// awaitSeen waits until the detectors have applied exactly so many events of each stream, and fails as soon as they have
// applied more.
func (w *world) awaitSeen(want map[string]int64) {
	w.t.Helper()
	kafkatest.Eventually(w.t, kafkatest.Deadline, func() error {
		got := w.seen()
		for stream, n := range want {
			if got[stream] > n {
				w.t.Fatalf("stream %s: %d events were applied, %d were written", stream, got[stream], n)
			}
			if got[stream] < n {
				return fmt.Errorf("events applied: %v, want %v", got, want)
			}
		}
		return nil
	})
}

// awaitLatest waits until the detectors say that they have seen so many events of each stream, which may be fewer than before.
func (w *world) awaitLatest(want map[string]int64) {
	w.t.Helper()
	kafkatest.Eventually(w.t, kafkatest.Deadline, func() error {
		if got := w.seen(); !maps.Equal(got, want) {
			return fmt.Errorf("events applied: %v, want %v", got, want)
		}
		return nil
	})
}

// seen returns how many events the detectors of each stream have seen, by their latest statuses.
func (w *world) seen() map[string]int64 {
	w.t.Helper()
	latest := map[string]streams.DetectorStatus{}
	for _, r := range w.kafka.ReadAll(w.topics.Detectors()) {
		var s streams.DetectorStatus
		if err := json.Unmarshal(r.Value, &s); err != nil {
			w.t.Fatalf("status %q: %v", r.Value, err)
		}
		latest[s.Key()] = s
	}
	out := map[string]int64{}
	for _, s := range latest {
		out[s.Stream] += s.Seen
	}
	return out
}

// deadLetters returns what the topic holds now.
func (w *world) deadLetters() []streams.DeadLetter { return w.letters(w.topics.DeadLetters()) }

func (w *world) letters(topic string) []streams.DeadLetter {
	w.t.Helper()
	var out []streams.DeadLetter
	for _, r := range w.kafka.ReadAll(topic) {
		var l streams.DeadLetter
		if err := json.Unmarshal(r.Value, &l); err != nil {
			w.t.Fatalf("dead letter %q: %v", r.Value, err)
		}
		out = append(out, l)
	}
	return out
}

// TestExitCodes holds the command line to 0 for success, 1 for failure and 2 for wrong usage, with a message that helps.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	kafka := kafkatest.Start(t)
	embedded := writeFile(t, "kafka: {brokers: embedded}\n")
	bad := writeFile(t, "kafka: {brokerz: [a:1]}\n")
	text := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(text, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, c := range map[string]struct {
		code int
		want string // On standard error where the code is not 0, else on standard output.
	}{
		"":                                      {exitOK, "Usage: anomalystream <command>"},
		"--help":                                {exitOK, "dead-letters replay"},
		"--version":                             {exitOK, "anomalystream " + version},
		"version":                               {exitOK, "anomalystream " + version},
		"topics create --help":                  {exitOK, "--config=FILE"},
		"nonsense":                              {exitUsage, "unexpected argument nonsense"},
		"--bogus":                               {exitUsage, "Try: anomalystream --help"},
		"demo --bogus":                          {exitUsage, "Try: anomalystream demo --help"},
		"demo --duration=-1s":                   {exitUsage, "--duration"},
		"demo --rate 0/s":                       {exitUsage, "expected max, realtime, or events per second"},
		"demo --addr localhost":                 {exitUsage, "expected host:port"},
		"demo --addr 0.0.0.0:0 --duration 1s":   {exitUsage, "no tokens are configured"},
		"run":                                   {exitUsage, "missing flags: --config=FILE"},
		"run --config /nonexistent.yaml":        {exitUsage, "reading the configuration: open /nonexistent.yaml"},
		"run --config BAD":                      {exitUsage, "anomalystream.yaml:1:9: kafka.brokerz: unknown key"},
		"run --config GOOD --roles detect,dish": {exitUsage, `found "dish", expected one or several of: detect, incidents, sink, api`},
		"emit --config GOOD --stream nosuch":    {exitUsage, "there is no simulator of"},
		"emit --config GOOD --count=-1":         {exitUsage, "--count"},
		"emit --config GOOD --rate fast":        {exitUsage, "--rate"},
		"replay --config GOOD --stream nosuch TEXT":                 {exitUsage, "configured are: server_metrics, transactions, iot_sensors"},
		"replay --config GOOD --stream server_metrics TEXT":         {exitUsage, "the name must end in .csv"},
		"replay --config GOOD --stream server_metrics /nonexistent": {exitUsage, "no such file"},
		"backtest --config GOOD --stream server_metrics":            {exitUsage, "expected either files or --topic"},
		"backtest --config GOOD --stream server_metrics TEXT":       {exitUsage, "the name must end in .csv"},
		"suggest":                              {exitUsage, "expected either files or --topic"},
		"suggest TEXT":                         {exitUsage, "the name must end in .csv"},
		"suggest --topic t":                    {exitUsage, "--config"},
		"suggest --topic t --config GOOD":      {exitFailed, "t on 127.0.0.1"},
		"validate --config GOOD":               {exitOK, "is valid"},
		"validate --config GOOD --output json": {exitOK, `"valid":true`},
		"topics check --config":                {exitUsage, "Try: anomalystream topics check --help"},
		"topics check --config GOOD":           {exitFailed, "topics are not as they must be"},
		"topics create --config GOOD":          {exitOK, ""},
		"emit --config EMBEDDED --count 5":     {exitUsage, "that broker would end with this command"},
		"topics create --config EMBEDDED":      {exitUsage, "that broker would end with this command"},
		"dead-letters":                         {exitUsage, `expected one of "list", "replay"`},
		"dead-letters list --config GOOD":      {exitFailed, "it does not exist"},
		"health --url http://127.0.0.1:1/":     {exitFailed, "asking for health"},
		"--log-level loud version":             {exitUsage, "--log-level"},
		"hash-token":                           {exitOK, "sha256: "},
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			good := writeFile(t, fmt.Sprintf("kafka: {brokers: [%q], topic_prefix: %q}\n", strings.Join(kafka.Brokers(), `","`), strings.Map(letters, line)+"."))
			got := command(t, strings.Fields(strings.NewReplacer("GOOD", good, "BAD", bad, "TEXT", text, "EMBEDDED", embedded).Replace(line))...)
			if got.code != c.code {
				t.Errorf("exit code %d, want %d\n%s%s", got.code, c.code, got.stdout, got.stderr)
			}
			if where := map[bool]string{true: got.stdout, false: got.stderr}[c.code == exitOK]; !strings.Contains(where, c.want) {
				t.Errorf("got:\n%s\nwant %q in it", where, c.want)
			}
		})
	}
}

// letters drops what is no letter.
func letters(r rune) rune {
	if unicode.IsLetter(r) {
		return r
	}
	return -1
}

// TestInterrupted stops commands while Kafka is away: a role leaves in order, a command that was to come to an end has failed.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	config := writeFile(t, "kafka: {brokers: [127.0.0.1:1]}\nstore: {url: 'sqlite::memory:'}\n")
	for line, want := range map[string]int{
		"run --roles detect": exitOK, "run --roles sink,api": exitOK, "topics create": exitFailed, "topics check": exitFailed, "emit --count 1": exitFailed,
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var stderr syncBuffer
			code := make(chan int, 1)
			go func() { code <- execute(ctx, append(strings.Fields(line), "--config", config), nil, &stderr, &stderr) }()
			kafkatest.Eventually(t, kafkatest.Deadline, func() error {
				if text := stderr.String(); !strings.Contains(text, "dial tcp 127.0.0.1:1: connect") {
					return fmt.Errorf("no host and no cause in:\n%s", text)
				}
				return nil
			})
			stop()
			if got := <-code; got != want {
				t.Errorf("exit code %d, want %d\n%s", got, want, stderr.String())
			}
		})
	}
}
