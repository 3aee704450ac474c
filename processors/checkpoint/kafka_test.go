package checkpoint_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"anomalystream/internal/kafkatest"
	"anomalystream/processors/checkpoint"
	"anomalystream/streams"
)

func TestSaramaKeepsTheGuarantees(t *testing.T) {
	t.Parallel()
	c, err := checkpoint.Kafka{Brokers: []string{"127.0.0.1:9092"}, InstanceID: "node-1", Hasher: streams.NewHasher}.Sarama()
	if err != nil {
		t.Fatal(err)
	}
	for name, ok := range map[string]bool{
		"acks":            c.Producer.RequiredAcks == sarama.WaitForAll,
		"idempotent":      c.Producer.Idempotent,
		"in flight":       c.Net.MaxOpenRequests == 1,
		"retries":         c.Producer.Retry.Max >= 100,
		"oldest":          c.Consumer.Offsets.Initial == sarama.OffsetOldest,
		"no auto commit":  !c.Consumer.Offsets.AutoCommit.Enable,
		"static member":   c.Consumer.Group.InstanceId == "node-1",
		"heartbeats":      3*c.Consumer.Group.Heartbeat.Interval <= c.Consumer.Group.Session.Timeout,
		"joins are heard": c.Consumer.Group.Rebalance.Timeout <= c.Net.ReadTimeout-5*time.Second, // The longest that a broker answers none.
		"no auto topics":  !c.Metadata.AllowAutoTopicCreation,
		"version":         c.Version.IsAtLeast(sarama.V2_8_0_0),
		"returns results": c.Producer.Return.Errors && c.Producer.Return.Successes,
	} {
		if !ok {
			t.Errorf("%s: not as the guarantee needs it", name)
		}
	}
}

func TestKafkaNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := checkpoint.Kafka{
		Brokers: []string{"localhost"}, MaxRecord: 10, SASL: checkpoint.SASL{Mechanism: "GSSAPI"}, TLS: checkpoint.TLS{CertFile: "x"},
	}.Sarama()
	if err == nil {
		t.Fatal("a wrong configuration was accepted")
	}
	for _, want := range []string{`found "localhost"`, "found 10", `found "GSSAPI"`, "username", "a certificate and its key", "hasher"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got error %q, want it to name %q", err, want)
		}
	}
}

// TestSecureConnections connects with TLS and each SASL mechanism, and fails with a wrong password.
func TestSecureConnections(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil) // Lends its certificate for 127.0.0.1.
	server.StartTLS()
	certificate := server.TLS.Certificates[0]
	server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{certificate}}),
		kfake.Superuser("PLAIN", "plain", "secret"), kfake.Superuser("SCRAM-SHA-256", "small", "secret"), kfake.Superuser("SCRAM-SHA-512", "large", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)

	for _, c := range []struct {
		mechanism, user, password string
		ok                        bool
	}{
		{"PLAIN", "plain", "secret", true},
		{"SCRAM-SHA-256", "small", "secret", true},
		{"SCRAM-SHA-512", "large", "secret", true},
		{"SCRAM-SHA-512", "large", "wrong", false},
	} {
		config, err := checkpoint.Kafka{
			Brokers: cluster.ListenAddrs(), Hasher: streams.NewHasher, TLS: checkpoint.TLS{Enabled: true, CAFile: ca},
			SASL: checkpoint.SASL{Mechanism: c.mechanism, Username: c.user, Password: c.password},
		}.Sarama()
		if err != nil {
			t.Fatal(err)
		}
		config.Metadata.Retry.Max = 0
		client, err := sarama.NewClient(cluster.ListenAddrs(), config)
		if (err == nil) != c.ok {
			t.Errorf("%s as %s with %q: got error %v, want success %v", c.mechanism, c.user, c.password, err, c.ok)
		}
		if err == nil {
			client.Close()
		}
	}
}

func config(t testing.TB, brokers []string) *sarama.Config {
	t.Helper()
	c, err := checkpoint.Kafka{Brokers: brokers, Hasher: streams.NewHasher}.Sarama()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func start(t testing.TB) *kafkatest.Broker {
	t.Helper()
	return kafkatest.Start(t)
}
