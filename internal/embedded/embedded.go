// Package embedded runs a Kafka broker inside the process, on loopback. The demo stands on it: a machine that has only Go has
// a Kafka. Any Kafka client can connect while the process runs. It is a broker for demonstrations and tests: one node, no
// replication, and without a data directory everything is gone when it closes.
package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Everything is held in memory, so a broker that runs for days must let go of what nobody needs: compacted topics are cleaned
// at this interval, and what is in other topics goes after the retention, which is long behind any reader.
const (
	cleaning  = 10 * time.Second
	retention = time.Hour
)

// Config configures a Broker.
type Config struct {
	Addr       string       // Loopback host:port to listen on; default 127.0.0.1:0, a free port.
	DataDir    string       // Keeps topics and groups across restarts; "" keeps everything in memory.
	Partitions int          // Of topics created without a number; default 4.
	Log        *slog.Logger // Default discards.
}

// WithDefaults returns the configuration with every unset field filled.
func (c Config) WithDefaults() Config {
	if c.Addr == "" {
		c.Addr = "127.0.0.1:0"
	}
	if c.Partitions == 0 {
		c.Partitions = 4
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate reports what is wrong with the configuration.
func (c Config) Validate() error {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return fmt.Errorf("reading the address of the embedded broker: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("reading the address of the embedded broker: %q is not a loopback address: the broker asks nobody for a password", host)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("reading the address of the embedded broker: port %q: expected 0 to 65535, found %d", port, n)
	}
	if c.Partitions < 1 {
		return fmt.Errorf("embedded broker: partitions: expected at least 1, found %d", c.Partitions)
	}
	return nil
}

// Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
}

// Start starts a broker. Close ends it.
func Start(c Config) (*Broker, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(c.Addr)
	number, _ := strconv.Atoi(port)
	options := []kfake.Opt{
		kfake.BrokerConfigs(map[string]string{"log.cleaner.backoff.ms": strconv.FormatInt(cleaning.Milliseconds(), 10)}),
		kfake.Ports(number),
		kfake.DefaultNumPartitions(c.Partitions),
		kfake.GroupMinSessionTimeout(500 * time.Millisecond),
		kfake.WithLogger(logger{c.Log}),
		kfake.ListenFn(func(network, addr string) (net.Listener, error) {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			return net.Listen(network, net.JoinHostPort(host, port))
		}),
	}
	if c.DataDir != "" {
		options = append(options, kfake.DataDir(c.DataDir))
	}
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		return nil, fmt.Errorf("starting the embedded broker on %s: %w", c.Addr, err)
	}
	cluster.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		forget(req.(*kmsg.CreateTopicsRequest))
		return nil, nil, false // Created as usual.
	})
	return &Broker{cluster: cluster}, nil
}

// forget limits how long new topics keep their records, unless they are compacted or have a limit of their own.
func forget(req *kmsg.CreateTopicsRequest) {
	for i := range req.Topics {
		t := &req.Topics[i]
		if slices.ContainsFunc(t.Configs, func(c kmsg.CreateTopicsRequestTopicConfig) bool {
			return c.Name == "retention.ms" || c.Name == "cleanup.policy" && c.Value != nil && strings.Contains(*c.Value, "compact")
		}) {
			continue
		}
		limit := strconv.FormatInt(retention.Milliseconds(), 10)
		t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: "retention.ms", Value: &limit})
	}
}

// Brokers returns the bootstrap addresses.
func (b *Broker) Brokers() []string { return b.cluster.ListenAddrs() }

// Close ends the broker and its connections.
func (b *Broker) Close() { b.cluster.Close() }

// logger gives the broker's messages to slog. Its warnings are answers to clients (an unknown group, a full session cache),
// which the clients report themselves, so only errors are more than detail here.
type logger struct{ log *slog.Logger }

// Logf implements kfake.Logger.
func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	to := slog.LevelDebug
	if level == kfake.LogLevelError {
		to = slog.LevelError
	}
	if !l.log.Enabled(context.Background(), to) {
		return
	}
	l.log.Log(context.Background(), to, "embedded broker", "message", strings.TrimSpace(fmt.Sprintf(format, args...)))
}
