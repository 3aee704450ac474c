package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"anomalystream/streams"
)

// Config is the whole configuration: one YAML file, then environment overrides. Every key is documented in
// anomalystream.example.yaml; the defaults are those of DefaultConfig.
type Config struct {
	Kafka      KafkaConfig      `yaml:"kafka"`
	Store      StoreConfig      `yaml:"store"`
	API        APIConfig        `yaml:"api"`
	Checkpoint CheckpointConfig `yaml:"checkpoint"`
	Log        LogConfig        `yaml:"log"`
	Notify     NotifyConfig     `yaml:"notify"`
	Streams    StreamMap        `yaml:"streams"`

	Maintenance []streams.Window `yaml:"maintenance"` // Times that notify nobody, of all streams or of those named.
}

// KafkaConfig says how to reach Kafka and how our topics are laid out.
type KafkaConfig struct {
	Brokers     []string   `yaml:"brokers"` // host:port list, or the single word "embedded" for the in-process broker.
	TopicPrefix string     `yaml:"topic_prefix"`
	ClientID    string     `yaml:"client_id"`
	InstanceID  string     `yaml:"instance_id"` // Static group membership; "" for none.
	Partitions  int        `yaml:"partitions"`  // Of topics we create.
	Replication int        `yaml:"replication"` // Of topics we create; 0 takes the broker's default.
	MaxRecord   int        `yaml:"max_record_bytes"`
	TLS         TLSConfig  `yaml:"tls"`
	SASL        SASLConfig `yaml:"sasl"`
}

// TLSConfig encrypts the connections to Kafka.
type TLSConfig struct {
	Enabled    bool   `yaml:"enabled"`
	CAFile     string `yaml:"ca_file"`
	CertFile   string `yaml:"cert_file"`
	KeyFile    string `yaml:"key_file"`
	ServerName string `yaml:"server_name"`
}

// SASLConfig authenticates us to Kafka. The password comes from a file or an environment variable only.
type SASLConfig struct {
	Mechanism    string `yaml:"mechanism"` // "", PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"password_file"`
	PasswordEnv  string `yaml:"password_env"`
}

// StoreConfig names the database of anomalies and rollups.
type StoreConfig struct {
	URL             string        `yaml:"url"` // postgres://user@host/db, or sqlite:FILE.
	PasswordFile    string        `yaml:"password_file"`
	PasswordEnv     string        `yaml:"password_env"`
	Retention       time.Duration `yaml:"retention"` // 0 keeps everything.
	BatchSize       int           `yaml:"batch_size"`
	BatchWait       time.Duration `yaml:"batch_wait"`
	Timescale       bool          `yaml:"timescaledb"`
	GrafanaPassEnv  string        `yaml:"grafana_password_env"`
	GrafanaPassFile string        `yaml:"grafana_password_file"`
	MaxConnections  int           `yaml:"max_connections"`
}

// APIConfig configures the HTTP server.
type APIConfig struct {
	Addr        string        `yaml:"addr"`
	AdminAddr   string        `yaml:"admin_addr"` // pprof; "" for none.
	AllowOpen   bool          `yaml:"allow_unauthenticated"`
	CORSOrigins []string      `yaml:"cors_origins"`
	TLSCertFile string        `yaml:"tls_cert_file"`
	TLSKeyFile  string        `yaml:"tls_key_file"`
	RateLimit   float64       `yaml:"rate_limit"` // Requests per second and client; 0 for none.
	Tokens      []TokenConfig `yaml:"tokens"`
	OIDC        OIDCConfig    `yaml:"oidc"`
}

// TokenConfig is one bearer token, stored as a hash.
type TokenConfig struct {
	Name    string   `yaml:"name"`
	SHA256  string   `yaml:"sha256"` // Hex digest of the token.
	Role    string   `yaml:"role"`   // read, ingest or admin.
	Streams []string `yaml:"streams"`
}

// OIDCConfig accepts JWTs of an identity provider beside tokens.
type OIDCConfig struct {
	Issuer    string `yaml:"issuer"`
	Audience  string `yaml:"audience"`
	JWKSURL   string `yaml:"jwks_url"`
	RoleClaim string `yaml:"role_claim"`
}

// CheckpointConfig paces the snapshots of detector state.
type CheckpointConfig struct {
	Interval time.Duration `yaml:"interval"`
	Pacing   time.Duration `yaml:"pacing"` // Pause between the snapshots of a sweep; 0 for none.
}

// LogConfig configures the log on standard error.
type LogConfig struct {
	Level  string `yaml:"level"`  // debug, info, warn or error.
	Format string `yaml:"format"` // text or json.
}

// StreamMap is the ordered section "streams": definitions by name and the template "*".
type StreamMap struct {
	Order    []string
	ByName   map[string]*streams.Definition
	Template *streams.Definition // The stream "*", or nil.
}

// DefaultConfig returns the defaults: a local broker, SQLite beside the binary, the API on loopback, built-in streams.
func DefaultConfig() *Config {
	return &Config{
		Kafka:      KafkaConfig{Brokers: []string{"127.0.0.1:9092"}, ClientID: "anomalystream", Partitions: 4, MaxRecord: 1 << 20},
		Store:      StoreConfig{URL: "sqlite:anomalystream.db", BatchSize: 1000, BatchWait: 200 * time.Millisecond, MaxConnections: 8},
		API:        APIConfig{Addr: "127.0.0.1:8000", RateLimit: 0, OIDC: OIDCConfig{RoleClaim: "roles"}},
		Checkpoint: CheckpointConfig{Interval: 2 * time.Second},
		Log:        LogConfig{Level: "info", Format: "text"},
	}
}

// Names returns the stream names in file order, without the template.
func (m *StreamMap) Names() []string { return m.Order }

// Get returns the definition of a stream, or nil.
func (m *StreamMap) Get(name string) *streams.Definition { return m.ByName[name] }

// Resolve returns the definition of a stream: its own, or one made from the template "*".
func (m *StreamMap) Resolve(name string) (*streams.Definition, error) {
	if d := m.ByName[name]; d != nil {
		return d, nil
	}
	if m.Template == nil {
		return nil, fmt.Errorf("stream %q is not configured; configured are: %s", name, strings.Join(m.Order, ", "))
	}
	d := *m.Template
	d.Name = name
	if d.Topic == "*" || d.Topic == "" {
		d.Topic = name
	}
	return &d, nil
}

// Definitions returns all definitions in file order.
func (m *StreamMap) Definitions() []*streams.Definition {
	out := make([]*streams.Definition, 0, len(m.Order))
	for _, name := range m.Order {
		out = append(out, m.ByName[name])
	}
	return out
}

func (m *StreamMap) add(d *streams.Definition) {
	if m.ByName == nil {
		m.ByName = map[string]*streams.Definition{}
	}
	if d.Name == "*" {
		m.Template = d
		return
	}
	if m.ByName[d.Name] == nil {
		m.Order = append(m.Order, d.Name)
	}
	m.ByName[d.Name] = d
}

// Embedded reports whether the in-process broker is asked for.
func (k *KafkaConfig) Embedded() bool { return len(k.Brokers) == 1 && k.Brokers[0] == "embedded" }

// secret reads a secret from the file or the environment variable that the configuration names; "" where neither is named.
func secret(what, file, env string) (string, error) {
	switch {
	case file != "":
		b, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("reading %s: %w", what, err)
		}
		return strings.TrimRight(string(b), "\r\n"), nil
	case env != "":
		v, ok := os.LookupEnv(env)
		if !ok {
			return "", fmt.Errorf("reading %s: environment variable %s is not set", what, env)
		}
		return v, nil
	}
	return "", nil
}

// LoadConfig reads the file ("" for none) over the defaults, applies environment overrides and checks the result.
// The error is a *ConfigError that lists everything wrong, with file, line and column.
func LoadConfig(path string, environ []string) (*Config, error) {
	c := DefaultConfig()
	d := &configDecoder{file: path, positions: map[string]position{}}
	if path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, &ConfigError{Problems: []Problem{{File: path, Message: "reading the configuration: " + err.Error()}}}
		}
		d.document(b, c)
	}
	if len(c.Streams.Order) == 0 && c.Streams.Template == nil {
		for _, s := range BuiltinStreams() {
			c.Streams.add(s)
		}
	}
	d.environment(environ, c)
	if len(d.problems) == 0 {
		c.validate(d)
	}
	if len(d.problems) > 0 {
		slices.SortStableFunc(d.problems, func(a, b Problem) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column)) })
		return nil, &ConfigError{Problems: d.problems}
	}
	return c, nil
}
