//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"anomalystream/internal/freeport"
	"anomalystream/internal/realkafka"
	"anomalystream/streams"
)

// way is one way to reach the secure broker, as the configuration has it.
type way struct {
	name, address string
	tls, sasl     string // Sections of the configuration.
}

// TestSecureKafka runs the pipeline over every kind of encryption and authentication against a real broker, and asks with
// what is wrong: each command then says which, and ends or tries again.
func TestSecureKafka(t *testing.T) {
	broker := realkafka.StartSecure(t)
	dir := t.TempDir()
	binary := build(t, dir)
	t.Setenv("E2E_KAFKA_PASSWORD", broker.Password)
	t.Setenv("E2E_WRONG_PASSWORD", "not "+broker.Password)
	encrypted := fmt.Sprintf("{enabled: true, ca_file: %q}", broker.Ours.CA)
	mutual := func(with realkafka.Identity) string {
		return fmt.Sprintf("{enabled: true, ca_file: %q, cert_file: %q, key_file: %q}", broker.Ours.CA, with.Cert, with.Key)
	}
	sasl := func(mechanism string) string {
		return fmt.Sprintf("{mechanism: %s, username: %s, password_env: E2E_KAFKA_PASSWORD}", mechanism, broker.User)
	}
	wrong := func(mechanism string) string {
		return fmt.Sprintf("{mechanism: %s, username: %s, password_env: E2E_WRONG_PASSWORD}", mechanism, broker.User)
	}
	at := func(t *testing.T, w way) *installation {
		s := &installation{
			t: t, dir: t.TempDir(), binary: binary, brokers: broker.Brokers(), addr: freeport.Address(t),
			topics: streams.Topics{Prefix: strings.ToLower(w.name) + "."},
		}
		s.configureSecure(w)
		return s
	}

	var first []streams.Anomaly // However the broker was reached, the same file gives the same anomalies.
	for _, w := range []way{
		{"PLAIN", broker.SASLTLS, encrypted, sasl("PLAIN")},
		{"SCRAM-SHA-256", broker.SASLTLS, encrypted, sasl("SCRAM-SHA-256")},
		{"SCRAM-SHA-512", broker.SASLTLS, encrypted, sasl("SCRAM-SHA-512")},
		{"SCRAM-SHA-512-without-TLS", broker.SASL, "{}", sasl("SCRAM-SHA-512")},
		{"mutual-TLS", broker.MutualTLS, mutual(broker.Ours), "{}"},
	} {
		t.Run(w.name, func(t *testing.T) {
			s := at(t, w)
			s.client = connect(t, s.brokers)
			s.mustRun("topics", "create", "--config", s.config)
			s.start("run", "run", "--config", s.config)
			s.awaitReady()
			s.mustRun("replay", "--config", s.config, "--stream", "ec2_cpu", "testdata/ec2_cpu.csv.gz")
			s.awaitSeen(map[string]int64{"ec2_cpu": rows})
			topic := s.topicAnomalies()
			if len(topic) == 0 {
				t.Error("no anomaly in the topic")
			}
			s.agree("REST", topic, s.awaitREST(len(topic)))
			if first == nil {
				first = topic
			}
			s.agree("another way", topic, scores(first))
		})
	}

	for _, c := range []struct {
		way
		cause string // What the error must hold.
		waits bool   // It may pass without us: the command goes on trying.
	}{
		{way{"wrong-PLAIN", broker.SASLTLS, encrypted, wrong("PLAIN")}, "Invalid username or password", false},
		{way{"wrong-SCRAM-SHA-256", broker.SASLTLS, encrypted, wrong("SCRAM-SHA-256")}, "invalid credentials with SASL mechanism SCRAM-SHA-256", false},
		{way{"wrong-SCRAM-SHA-512", broker.SASL, "{}", wrong("SCRAM-SHA-512")}, "invalid credentials with SASL mechanism SCRAM-SHA-512", false},
		{way{"wrong-authority", broker.SASLTLS, fmt.Sprintf("{enabled: true, ca_file: %q}", broker.Foreign.CA), sasl("PLAIN")}, "certificate signed by unknown authority", false},
		{way{"wrong-name", broker.SASLTLS, fmt.Sprintf("{enabled: true, ca_file: %q, server_name: kafka.example}", broker.Ours.CA), sasl("PLAIN")}, "not kafka.example", false},
		{way{"no-certificate", broker.MutualTLS, encrypted, "{}"}, "certificate", false},
		{way{"foreign-certificate", broker.MutualTLS, mutual(broker.Foreign), "{}"}, "certificate", false},
		{way{"TLS-to-a-plain-port", broker.Brokers()[0], encrypted, "{}"}, "do kafka.tls and kafka.sasl fit this port?", true},
		{way{"plain-to-a-TLS-port", broker.SASLTLS, "{}", "{}"}, "do kafka.tls and kafka.sasl fit this port?", true},
		{way{"TLS-without-SASL", broker.SASLTLS, encrypted, "{}"}, "do kafka.tls and kafka.sasl fit this port?", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := at(t, c.way)
			for _, command := range []string{"topics check", "run", "dead-letters list"} {
				args := append(strings.Fields(command), "--config", s.config)
				waitsFor := ""
				if c.waits {
					waitsFor = c.cause
				}
				code, out := s.run(waitsFor, args...)
				if !strings.Contains(out, c.cause) || !strings.Contains(out, c.address) {
					t.Errorf("%s says neither %q nor %s:\n%s", command, c.cause, c.address, out)
				}
				if stopped := code == -1; stopped != c.waits || !stopped && code != 1 {
					t.Errorf("%s: exit code %d (-1: still trying)\n%s", command, code, out)
				}
			}
		})
	}
}

// scores returns the scores of anomalies by id.
func scores(list []streams.Anomaly) map[string]float64 {
	out := map[string]float64{}
	for _, a := range list {
		out[a.ID] = a.Score
	}
	return out
}

// configureSecure writes the configuration.
func (s *installation) configureSecure(w way) {
	s.t.Helper()
	s.config = filepath.Join(s.dir, "anomalystream.yaml")
	text := fmt.Sprintf(`
kafka: {brokers: [%q], topic_prefix: %q, tls: %s, sasl: %s}
store: {url: %q}
api: {addr: %q}
streams: {ec2_cpu: {key: stream, time: timestamp, features: [value]}}
`, w.address, s.topics.Prefix, w.tls, w.sasl, "sqlite:"+filepath.Join(s.dir, "store.db"), s.addr)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// run runs a command and returns its exit code and what it wrote. Where it goes on until it is stopped, it is stopped as soon as it
// has said what it waits for, and the code is -1.
func (s *installation) run(waitsFor string, args ...string) (code int, out string) {
	s.t.Helper()
	file := filepath.Join(s.dir, strings.Join(args[:1], "")+".out")
	log, err := os.Create(file)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(s.binary, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	said := func() string {
		b, err := os.ReadFile(file)
		if err != nil {
			s.t.Error(err)
		}
		return string(b)
	}
	for deadline := time.Now().Add(patience); ; {
		select {
		case <-exited:
			return cmd.ProcessState.ExitCode(), said()
		case <-time.After(100 * time.Millisecond):
		}
		if waitsFor != "" && strings.Contains(said(), waitsFor) || time.Now().After(deadline) {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			<-exited
			return -1, said()
		}
	}
}

// awaitREST waits until the API lists n anomalies, and returns them.
func (s *installation) awaitREST(n int) map[string]float64 {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		if got := s.restAnomalies(); len(got) >= n || time.Now().After(deadline) {
			return got
		}
	}
}
