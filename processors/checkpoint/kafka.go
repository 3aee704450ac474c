package checkpoint

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"hash"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/xdg-go/scram"
)

// Kafka says how to reach Kafka. Every client of the process is configured from it, so all keep the same guarantees.
type Kafka struct {
	Brokers    []string // host:port.
	ClientID   string   // Default "anomalystream".
	InstanceID string   // Static group membership: unique per process, stable over restarts. "" for none.
	TLS        TLS
	SASL       SASL

	// Hasher places keys on partitions, for every emitter, processor and view alike. Required.
	Hasher func() hash.Hash32

	MaxRecord int           // Largest record we write, in bytes; default 1 MiB. Topics and brokers must allow it.
	Flush     time.Duration // How long records are gathered before they are sent; default 5 ms. It adds to the latency.
	Session   time.Duration // Group session timeout: how long a dead member keeps its partitions; default 10 s.
}

// TLS encrypts the connections.
type TLS struct {
	Enabled    bool
	CAFile     string // Certificates to trust, PEM; "" trusts the system's.
	CertFile   string // Our certificate, PEM; "" for none.
	KeyFile    string // Its key, PEM.
	ServerName string // Name to expect of the brokers; "" takes the host of the address.
}

// SASL authenticates us.
type SASL struct {
	Mechanism string // "", PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
	Username  string
	Password  string
}

// WithDefaults returns the configuration with every unset field filled.
func (k Kafka) WithDefaults() Kafka {
	if k.ClientID == "" {
		k.ClientID = "anomalystream"
	}
	if k.MaxRecord == 0 {
		k.MaxRecord = 1 << 20
	}
	if k.Flush == 0 {
		k.Flush = 5 * time.Millisecond
	}
	if k.Session == 0 {
		k.Session = 10 * time.Second
	}
	return k
}

// Validate reports everything that is wrong with the configuration.
func (k Kafka) Validate() error {
	var errs []error
	if len(k.Brokers) == 0 {
		errs = append(errs, errors.New("brokers: expected at least one host:port"))
	}
	for _, b := range k.Brokers {
		if !strings.Contains(b, ":") {
			errs = append(errs, fmt.Errorf("brokers: expected host:port, found %q", b))
		}
	}
	if k.Hasher == nil {
		errs = append(errs, errors.New("hasher: expected the function that places keys on partitions"))
	}
	if k.MaxRecord < 1<<16 {
		errs = append(errs, fmt.Errorf("max record: expected at least %d bytes, found %d", 1<<16, k.MaxRecord))
	}
	if k.Flush < 0 || k.Flush > time.Second {
		errs = append(errs, fmt.Errorf("flush: expected 0 to 1s, found %s", k.Flush))
	}
	if !slices.Contains([]string{"", sarama.SASLTypePlaintext, sarama.SASLTypeSCRAMSHA256, sarama.SASLTypeSCRAMSHA512}, k.SASL.Mechanism) {
		errs = append(errs, fmt.Errorf("sasl mechanism: expected PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, found %q", k.SASL.Mechanism))
	}
	if k.SASL.Mechanism != "" && k.SASL.Username == "" {
		errs = append(errs, fmt.Errorf("sasl username: expected a name for %s", k.SASL.Mechanism))
	}
	if (k.TLS.CertFile == "") != (k.TLS.KeyFile == "") {
		errs = append(errs, errors.New("tls: expected a certificate and its key, found one of them"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("checking the Kafka configuration: %w", err)
	}
	return nil
}

// Sarama returns a new client configuration with what the delivery guarantee needs: records acknowledged by every replica in
// sync, an idempotent producer with one request in flight so that retries keep the order, retries that outlast an outage, new
// groups starting at the oldest record, and offsets committed by us alone.
func (k Kafka) Sarama() (*sarama.Config, error) {
	k = k.WithDefaults()
	if err := k.Validate(); err != nil {
		return nil, err
	}
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0
	c.ClientID = k.ClientID
	c.ChannelBufferSize = 1024

	c.Net.DialTimeout = 5 * time.Second
	c.Net.ReadTimeout = 30 * time.Second
	c.Net.WriteTimeout = 30 * time.Second
	c.Net.MaxOpenRequests = 1
	c.Metadata.AllowAutoTopicCreation = false
	// These retries multiply: a heartbeat tries as often, and looks up its broker with all of them each time. Longer outages
	// are for whoever starts clients again.
	c.Metadata.Retry.Max = 4
	c.Metadata.Retry.BackoffFunc = backoff(100*time.Millisecond, 500*time.Millisecond)
	c.Metadata.RefreshFrequency = time.Minute
	c.Admin.Timeout = 15 * time.Second

	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Idempotent = true
	// The number of retries is also the length of a table per partition, so it is large and not unlimited: about 15 minutes.
	c.Producer.Retry.Max = 900
	c.Producer.Retry.BackoffFunc = backoff(50*time.Millisecond, time.Second)
	c.Producer.Flush.Frequency = k.Flush
	c.Producer.Flush.Bytes = 1 << 20
	c.Producer.MaxMessageBytes = k.MaxRecord
	c.Producer.Compression = sarama.CompressionLZ4
	c.Producer.Partitioner = sarama.NewCustomHashPartitioner(k.Hasher)
	c.Producer.Return.Successes = true
	c.Producer.Return.Errors = true

	c.Consumer.Return.Errors = true
	c.Consumer.Fetch.Default = 4 << 20
	c.Consumer.MaxWaitTime = 250 * time.Millisecond // A reader that ends waits for its request to be answered.
	c.Consumer.MaxProcessingTime = time.Second
	c.Consumer.Retry.Backoff = 500 * time.Millisecond
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Offsets.Retry.Max = 10
	c.Consumer.Group.InstanceId = k.InstanceID
	c.Consumer.Group.Session.Timeout = k.Session
	c.Consumer.Group.Heartbeat.Interval = min(k.Session/4, 3*time.Second)
	c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{goka.CopartitioningStrategy}
	c.Consumer.Group.Rebalance.Retry.Backoff = 500 * time.Millisecond
	// A join is answered when every member has joined, or after this time without those that have not. Reading must not give up
	// before: members that wait for a dead one would come back as new ones, again and again, and the old ones would stay behind.
	c.Consumer.Group.Rebalance.Timeout = 5 * c.Net.ReadTimeout / 6

	if err := k.secure(c); err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("checking the Kafka configuration: %w", err)
	}
	return c, nil
}

func (k Kafka) secure(c *sarama.Config) error {
	if k.TLS.Enabled {
		t, err := k.TLS.config()
		if err != nil {
			return err
		}
		c.Net.TLS.Enable, c.Net.TLS.Config = true, t
	}
	if k.SASL.Mechanism == "" {
		return nil
	}
	c.Net.SASL.Enable = true
	c.Net.SASL.Mechanism = sarama.SASLMechanism(k.SASL.Mechanism)
	c.Net.SASL.User, c.Net.SASL.Password = k.SASL.Username, k.SASL.Password
	switch k.SASL.Mechanism {
	case sarama.SASLTypeSCRAMSHA256:
		c.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramClient{hash: scram.SHA256} }
	case sarama.SASLTypeSCRAMSHA512:
		c.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramClient{hash: scram.SHA512} }
	}
	return nil
}

func (t TLS) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading the certificates to trust: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading the certificates to trust: %s holds no PEM certificate", t.CAFile)
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("reading our certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// backoff doubles from first to most.
func backoff(first, most time.Duration) func(retries, maxRetries int) time.Duration {
	return func(retries, _ int) time.Duration {
		return min(first<<min(max(retries-1, 0), 16), most)
	}
}
