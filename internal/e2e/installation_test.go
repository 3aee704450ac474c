//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/gorilla/websocket"

	"anomalystream/internal/freeport"
	"anomalystream/internal/pgtest"
	"anomalystream/internal/realkafka"
	"anomalystream/streams"
)

// patience bounds every wait for the servers; nothing takes that long unless it is broken.
const patience = 3 * time.Minute

// installation is one configuration with its servers and the processes started from the built binary.
type installation struct {
	t       *testing.T
	dir     string
	binary  string
	config  string
	brokers []string
	dsn     string
	addr    string
	topics  streams.Topics
	client  sarama.Client
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	s := &installation{t: t, dir: t.TempDir(), addr: freeport.Address(t), topics: streams.Topics{Prefix: fmt.Sprintf("e2e-%d.", time.Now().UnixNano())}}
	s.binary = build(t, s.dir)
	if given := os.Getenv("KAFKA_BROKERS"); given != "" {
		s.brokers = strings.Split(given, ",")
	} else {
		s.brokers = realkafka.Start(t, 1).Brokers()
	}
	s.dsn = pgtest.Start(t).Database(t)
	dsn, err := url.Parse(s.dsn)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := dsn.User.Password()
	dsn.User = url.User(dsn.User.Username())
	s.config = filepath.Join(s.dir, "anomalystream.yaml")
	text := fmt.Sprintf(`
kafka: {brokers: [%q], topic_prefix: %q, partitions: 4}
store: {url: %q, password_env: E2E_PG_PASSWORD}
api: {addr: %q}
checkpoint: {interval: 1s}
streams:
  server_metrics: {}
  transactions: {}
  iot_sensors: {}
  ec2_cpu: {key: stream, time: timestamp, features: [value]}
`, strings.Join(s.brokers, `","`), s.topics.Prefix, dsn.String(), s.addr)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("E2E_PG_PASSWORD", password)
	s.client = connect(t, s.brokers)
	return s
}

// build builds the binary into a folder.
func build(t *testing.T, dir string) string {
	t.Helper()
	binary := filepath.Join(dir, "anomalystream")
	cmd := exec.Command("go", "build", "-o", binary, "anomalystream")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return binary
}

// connect returns a client of brokers that ask for nothing.
func connect(t *testing.T, brokers []string) sarama.Client {
	t.Helper()
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	client, err := sarama.NewClient(brokers, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// mustRun runs a command to its end.
func (s *installation) mustRun(args ...string) {
	s.t.Helper()
	out, err := exec.Command(s.binary, args...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("anomalystream %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// process is a running command.
type process struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	log    string
	exited chan struct{}
	err    error
	killed bool
}

// start starts a command and, when the test ends, stops it in order and checks that it leaves with 0.
func (s *installation) start(name string, args ...string) *process {
	s.t.Helper()
	p := &process{t: s.t, name: name, cmd: exec.Command(s.binary, args...), log: filepath.Join(s.dir, strings.ReplaceAll(name, " ", "-")+".log"), exited: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		s.t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		s.t.Fatalf("starting %s: %v", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		log.Close()
		close(p.exited)
	}()
	s.t.Cleanup(func() {
		select {
		case <-p.exited:
		default:
			_ = p.cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-p.exited:
			case <-time.After(90 * time.Second): // As deploy/kubernetes gives them.
				s.t.Errorf("%s did not stop within 90 s of SIGTERM", name)
				p.kill()
			}
		}
		if p.err != nil && !p.killed {
			s.t.Errorf("%s: %v", name, p.err)
		}
		if s.t.Failed() {
			text, _ := os.ReadFile(p.log)
			s.t.Logf("log of %s:\n%s", name, text)
		}
	})
	return p
}

// kill ends a process at once.
func (p *process) kill() {
	p.killed = true
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// wait waits until a command has done its work.
func (p *process) wait() {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatalf("%s did not end", p.name)
	}
}

// awaitReady waits until the API says that everything it needs is there.
func (s *installation) awaitReady() {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		res, err := http.Get("http://" + s.addr + "/readyz")
		if err == nil {
			body, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
			err = fmt.Errorf("%s: %s", res.Status, body)
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the API did not get ready: %v", err)
		}
	}
}

// writeRubbish writes records that cannot be events, among the good ones.
func (s *installation) writeRubbish(topic string, n int) {
	s.t.Helper()
	producer, err := sarama.NewSyncProducerFromClient(s.client)
	if err != nil {
		s.t.Fatal(err)
	}
	defer producer.Close()
	kinds := []string{"", "{", "null", "[]", `"x"`, "\x00\xff", `{"cpu_percent":"12"}`, `{"cpu_percent":NaN}`, `{"cpu_percent":1e999}`, `{"timestamp":"soon"}`}
	for i := range n {
		m := &sarama.ProducerMessage{Topic: s.topics.Prefix + topic, Key: sarama.StringEncoder("host-1"), Value: sarama.StringEncoder(kinds[i%len(kinds)])}
		if i%len(kinds) == 0 {
			m.Value = nil
		}
		if _, _, err := producer.SendMessage(m); err != nil {
			s.t.Fatal(err)
		}
	}
}

// read reads a topic from its beginning to its present end.
func (s *installation) read(topic string) []*sarama.ConsumerMessage {
	s.t.Helper()
	if err := s.client.RefreshMetadata(topic); err != nil {
		s.t.Fatal(err)
	}
	partitions, err := s.client.Partitions(topic)
	if err != nil {
		s.t.Fatal(err)
	}
	consumer, err := sarama.NewConsumerFromClient(s.client)
	if err != nil {
		s.t.Fatal(err)
	}
	defer consumer.Close()
	var out []*sarama.ConsumerMessage
	for _, p := range partitions {
		end, err := s.client.GetOffset(topic, p, sarama.OffsetNewest)
		if err != nil {
			s.t.Fatal(err)
		}
		begin, err := s.client.GetOffset(topic, p, sarama.OffsetOldest)
		if err != nil {
			s.t.Fatal(err)
		}
		if begin >= end {
			continue
		}
		reader, err := consumer.ConsumePartition(topic, p, begin)
		if err != nil {
			s.t.Fatal(err)
		}
		for quiet := time.NewTimer(patience / 3); ; quiet.Reset(patience / 3) {
			var m *sarama.ConsumerMessage
			select {
			case m = <-reader.Messages():
				out = append(out, m)
			case <-quiet.C: // The last offsets may belong to compacted records or control batches.
			}
			if m == nil || m.Offset >= end-1 {
				break
			}
		}
		reader.Close()
	}
	return out
}

// restAnomalies pages through GET /api/anomalies by cursor.
func (s *installation) restAnomalies() map[string]float64 {
	s.t.Helper()
	out := map[string]float64{}
	for cursor := ""; ; {
		res, err := http.Get("http://" + s.addr + "/api/anomalies?limit=200&cursor=" + url.QueryEscape(cursor))
		if err != nil {
			s.t.Fatal(err)
		}
		var page struct {
			Items []struct {
				ID    string  `json:"id"`
				Score float64 `json:"score"`
			} `json:"items"`
			Next string `json:"next_cursor"`
		}
		err = json.NewDecoder(res.Body).Decode(&page)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			s.t.Fatalf("GET /api/anomalies: %s: %v", res.Status, err)
		}
		for _, a := range page.Items {
			if _, ok := out[a.ID]; ok {
				s.t.Errorf("REST lists anomaly %s twice", a.ID)
			}
			out[a.ID] = a.Score
		}
		if cursor = page.Next; cursor == "" {
			return out
		}
	}
}

// listener collects what the WebSocket pushes.
type listener struct {
	t    *testing.T
	mu   sync.Mutex
	seen map[string]float64
}

func (s *installation) listen() *listener {
	s.t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr+"/ws/alerts", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	l := &listener{t: s.t, seen: map[string]float64{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			_, text, err := conn.ReadMessage()
			if err != nil {
				return
			}
			l.take(text)
		}
	}()
	s.t.Cleanup(func() { conn.Close(); <-done })
	return l
}

// take notes the anomalies of one message: a frame with items, or one bare anomaly.
func (l *listener) take(text []byte) {
	type anomaly struct {
		ID    string  `json:"id"`
		Score float64 `json:"score"`
	}
	var frame struct {
		anomaly
		Type  string    `json:"type"`
		Items []anomaly `json:"items"`
	}
	if err := json.Unmarshal(text, &frame); err != nil {
		l.t.Errorf("WebSocket message %q: %v", text, err)
		return
	}
	if frame.ID != "" {
		frame.Items = append(frame.Items, frame.anomaly)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range frame.Items {
		if a.ID == "" || a.Score == 0 {
			continue
		}
		if _, ok := l.seen[a.ID]; ok {
			l.t.Errorf("the WebSocket pushed anomaly %s twice", a.ID)
		}
		l.seen[a.ID] = a.Score
	}
}

// await waits until n anomalies were pushed and returns them.
func (l *listener) await(n int) map[string]float64 {
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		l.mu.Lock()
		if len(l.seen) >= n || time.Now().After(deadline) {
			defer l.mu.Unlock()
			return l.seen
		}
		l.mu.Unlock()
	}
}
