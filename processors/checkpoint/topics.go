package checkpoint

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"anomalystream/internal/retry"
)

// TopicSpec is what a topic must be.
type TopicSpec struct {
	Name        string
	Partitions  int               // Number the topic must have; 0 takes whatever an existing topic has.
	Create      int               // Number for a topic that does not exist, where Partitions is 0.
	Replication int               // Of a topic that does not exist; 0 takes the broker's default.
	Config      map[string]string // Settings of the topic, by Kafka's names.
}

// CompactedSpec is a topic that keeps the latest record of each key: state and status. The segments are small because what is
// not compacted yet has to be read at each start. Compaction waits for lag, which must be longer than a paused member of a
// group can live on unnoticed: until then the newer of two records of a key may be the wrong one.
func CompactedSpec(name string, partitions, replication int, lag time.Duration) TopicSpec {
	return TopicSpec{Name: name, Partitions: partitions, Replication: replication, Config: map[string]string{
		"cleanup.policy":            "compact",
		"min.compaction.lag.ms":     strconv.FormatInt(lag.Milliseconds(), 10),
		"min.cleanable.dirty.ratio": "0.1",
		"segment.bytes":             strconv.Itoa(32 << 20),
		"segment.ms":                strconv.FormatInt((10 * time.Minute).Milliseconds(), 10),
		"delete.retention.ms":       strconv.FormatInt((24 * time.Hour).Milliseconds(), 10),
	}}
}

// LogSpec is a topic that keeps its records for a time; a negative retention keeps them for ever.
func LogSpec(name string, partitions, replication int, retention time.Duration) TopicSpec {
	return TopicSpec{Name: name, Partitions: partitions, Replication: replication, Config: map[string]string{
		"cleanup.policy": "delete",
		"retention.ms":   strconv.FormatInt(max(retention.Milliseconds(), -1), 10),
	}}
}

// Difference is one way in which a topic is not as it must be.
type Difference struct {
	Topic   string
	Setting string // "partitions", "exists", or Kafka's name of the setting.
	Want    string
	Got     string
	Fatal   bool // The guarantees do not hold with it; others are matters of taste or capacity.
}

// String names topic, setting and both values.
func (d Difference) String() string {
	return fmt.Sprintf("topic %s: %s: expected %s, found %s", d.Topic, d.Setting, d.Want, d.Got)
}

// TopicError says which topics are not as they must be.
type TopicError struct{ Differences []Difference }

// Error lists the differences.
func (e *TopicError) Error() string {
	parts := make([]string, len(e.Differences))
	for i, d := range e.Differences {
		parts[i] = d.String()
	}
	return "checking the topics: " + strings.Join(parts, "; ")
}

// Topics creates and checks topics.
type Topics struct {
	Brokers []string
	Sarama  *sarama.Config
	Log     *slog.Logger
}

// Ensure creates the topics that do not exist and checks those that do. While the brokers are away it waits, saying so, until
// the context ends. The error is a *TopicError when a topic differs in what the guarantees need; other differences are logged.
func (t Topics) Ensure(ctx context.Context, specs ...TopicSpec) error {
	return t.retry(ctx, "creating topics", func(admin sarama.ClusterAdmin) error {
		existing, err := admin.ListTopics()
		if err != nil {
			return err
		}
		created := false
		for _, s := range specs {
			if _, ok := existing[s.Name]; ok {
				continue
			}
			if err := create(admin, s); err != nil {
				return err
			}
			created = true
			t.Log.Info("created topic", "topic", s.Name)
		}
		return t.check(ctx, admin, specs, created)
	})
}

// Check compares the topics with what they must be and returns every difference; a missing topic is one.
func (t Topics) Check(ctx context.Context, specs ...TopicSpec) (out []Difference, err error) {
	err = t.retry(ctx, "checking topics", func(admin sarama.ClusterAdmin) error {
		existing, err := admin.ListTopics()
		if err != nil {
			return err
		}
		out = differences(existing, specs)
		return nil
	})
	return out, err
}

// Partitions returns the number of partitions of a topic, 0 where it does not exist.
func (t Topics) Partitions(ctx context.Context, topic string) (n int, err error) {
	err = t.retry(ctx, "reading topic "+topic, func(admin sarama.ClusterAdmin) error {
		existing, err := admin.ListTopics()
		n = int(existing[topic].NumPartitions)
		return err
	})
	return n, err
}

// check waits until created topics are known to the broker we ask, then compares.
func (t Topics) check(ctx context.Context, admin sarama.ClusterAdmin, specs []TopicSpec, created bool) error {
	for {
		existing, err := admin.ListTopics()
		if err != nil {
			return err
		}
		diff := differences(existing, specs)
		missing := slices.ContainsFunc(diff, func(d Difference) bool { return d.Setting == "exists" })
		if created && missing {
			if err := retry.Sleep(ctx, 100*time.Millisecond); err != nil {
				return err
			}
			continue
		}
		fatal := &TopicError{}
		for _, d := range diff {
			if d.Fatal {
				fatal.Differences = append(fatal.Differences, d)
			} else {
				t.Log.Warn("topic differs from what we would create", "topic", d.Topic, "setting", d.Setting, "want", d.Want, "got", d.Got)
			}
		}
		if len(fatal.Differences) > 0 {
			return fatal
		}
		return nil
	}
}

func create(admin sarama.ClusterAdmin, s TopicSpec) error {
	n, r := s.Partitions, s.Replication
	if n == 0 {
		n = s.Create
	}
	if n == 0 {
		n = -1 // The broker's default.
	}
	if r == 0 {
		r = -1
	}
	detail := &sarama.TopicDetail{NumPartitions: int32(n), ReplicationFactor: int16(r), ConfigEntries: map[string]*string{}}
	for k, v := range s.Config {
		detail.ConfigEntries[k] = &v
	}
	err := admin.CreateTopic(s.Name, detail, false)
	if errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return nil // Another process was quicker; the check that follows judges the topic.
	}
	if err != nil {
		return fmt.Errorf("creating topic %s: %w", s.Name, err)
	}
	return nil
}

func differences(existing map[string]sarama.TopicDetail, specs []TopicSpec) []Difference {
	var out []Difference
	for _, s := range specs {
		have, ok := existing[s.Name]
		if !ok {
			out = append(out, Difference{Topic: s.Name, Setting: "exists", Want: "true", Got: "false", Fatal: true})
			continue
		}
		if s.Partitions > 0 && int(have.NumPartitions) != s.Partitions {
			out = append(out, Difference{Topic: s.Name, Setting: "partitions", Want: strconv.Itoa(s.Partitions), Got: strconv.Itoa(int(have.NumPartitions)), Fatal: true})
		}
		if s.Replication > 0 && int(have.ReplicationFactor) != s.Replication {
			out = append(out, Difference{Topic: s.Name, Setting: "replication", Want: strconv.Itoa(s.Replication), Got: strconv.Itoa(int(have.ReplicationFactor))})
		}
		for _, k := range slices.Sorted(maps.Keys(s.Config)) {
			got := "the broker's default"
			if v := have.ConfigEntries[k]; v != nil {
				got = *v
			}
			if got != s.Config[k] {
				out = append(out, Difference{Topic: s.Name, Setting: k, Want: s.Config[k], Got: got, Fatal: fatal(k, s.Config[k], have.ConfigEntries[k])})
			}
		}
	}
	return out
}

// fatal reports whether a setting that differs breaks something. A broker lists what differs from its own defaults, so a
// setting that is not listed (nil) has Kafka's default, if nobody changed that.
func fatal(setting, want string, got *string) bool {
	switch setting {
	case "cleanup.policy":
		return got != nil || want != "delete"
	case "max.message.bytes":
		have := int64(1 << 20)
		if got != nil {
			have, _ = strconv.ParseInt(*got, 10, 64)
		}
		need, _ := strconv.ParseInt(want, 10, 64)
		return have < need
	}
	return false
}

// retry runs f with an admin client until it succeeds or fails for a reason that waiting does not cure.
func (t Topics) retry(ctx context.Context, what string, f func(sarama.ClusterAdmin) error) error {
	said := time.Time{}
	for delay := 200 * time.Millisecond; ; delay = min(2*delay, 5*time.Second) {
		err := t.once(f)
		if err == nil {
			return nil
		}
		if !transient(err) {
			return fmt.Errorf("%s on %s: %w", what, strings.Join(t.Brokers, ","), err)
		}
		if time.Since(said) > 10*time.Second {
			said = time.Now()
			t.Log.Warn("Kafka cannot do this yet, trying again", "doing", what, "brokers", strings.Join(t.Brokers, ","), "error", cause(err))
		}
		if retry.Sleep(ctx, delay) != nil {
			return fmt.Errorf("%s on %s: %w (last: %w)", what, strings.Join(t.Brokers, ","), ctx.Err(), err)
		}
	}
}

func (t Topics) once(f func(sarama.ClusterAdmin) error) error {
	config := *t.Sarama
	config.Metadata.Retry.Max = 1 // Waiting is done here, where it is reported.
	admin, err := sarama.NewClusterAdmin(t.Brokers, &config)
	if err != nil {
		return err
	}
	defer admin.Close()
	return f(admin)
}

// cause is the reason behind sarama's "client has run out of available brokers". A connection that is closed without a word
// is what a listener does that expects TLS or SASL and meets neither, or the other way round.
func cause(err error) string {
	text := strings.TrimPrefix(err.Error(), sarama.ErrOutOfBrokers.Error()+": ")
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		text += ": the broker closed the connection at once; do kafka.tls and kafka.sasl fit this port?"
	}
	return text
}

// transient reports whether an error of a client may go away by waiting.
func transient(err error) bool {
	var topic *TopicError
	var theirs *tls.CertificateVerificationError
	if errors.As(err, &topic) || errors.As(err, &theirs) || refusesOurs(err) || errors.Is(err, ErrGroupActive) {
		return false
	}
	for _, final := range []error{
		sarama.ErrTopicAuthorizationFailed, sarama.ErrClusterAuthorizationFailed, sarama.ErrSASLAuthenticationFailed,
		sarama.ErrInvalidPartitions, sarama.ErrInvalidTopic, sarama.ErrPolicyViolation, sarama.ErrInvalidConfig, sarama.ErrInvalidRequest,
	} {
		if errors.Is(err, final) {
			return false
		}
	}
	return true
}

// refusesOurs reports whether the broker does not accept our certificate, or misses one: a TLS alert, which has no type.
func refusesOurs(err error) bool {
	var alert *net.OpError
	return errors.As(err, &alert) && alert.Op == "remote error" && strings.Contains(alert.Error(), "certificate")
}
