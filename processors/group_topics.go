package processors

import (
	"context"
	"strconv"
	"time"

	"github.com/IBM/sarama"

	"anomalystream/processors/checkpoint"
	"anomalystream/streams"
)

// Layout says how the topics of an installation are laid out.
type Layout struct {
	Topics      streams.Topics
	Definitions []*streams.Definition
	Partitions  int           // Of topics we create, where nothing else decides; default 4.
	Replication int           // Of topics we create; 0 takes the broker's default.
	MaxRecord   int           // Largest value of a source record, in bytes; default 1 MiB.
	Retention   time.Duration // Of anomalies, dead letters and rollups; default 7 days.
}

// WithDefaults returns the layout with every unset field filled.
func (l Layout) WithDefaults() Layout {
	if l.Partitions == 0 {
		l.Partitions = 4
	}
	if l.MaxRecord == 0 {
		l.MaxRecord = 1 << 20
	}
	if l.Retention == 0 {
		l.Retention = 7 * 24 * time.Hour
	}
	return l
}

// compactionLag is how long a snapshot that a newer one replaces is kept. It is many session timeouts: so long may the older
// of two snapshots stand behind the newer, see the checkpoint package.
const compactionLag = 2 * time.Minute

// journalRetention is how long the journal is kept: long enough for any incident group to come back.
const journalRetention = 48 * time.Hour

// output is the largest record that processors write: a dead letter holds the refused value in base64, and headers. Snapshots
// come in chunks of half a mebibyte, however small the events are.
func output(maxRecord int) int { return max(2*maxRecord+64<<10, 1<<20) }

// largestLetter is the largest dead letter that fits into such a record with its headers.
func largestLetter(maxRecord int) int { return output(maxRecord) - 32<<10 }

// outputClient is the Kafka configuration of a group: what it writes may be larger than what it reads.
func outputClient(client *sarama.Config, maxRecord int) *sarama.Config {
	config := *client
	config.Producer.MaxMessageBytes = output(maxRecord)
	return &config
}

// Sources returns the specifications of the source topics and the topics that all streams share.
func (l Layout) Sources() []checkpoint.TopicSpec {
	l = l.WithDefaults()
	var out []checkpoint.TopicSpec
	seen := map[string]bool{}
	for _, d := range l.Definitions {
		if name := l.Topics.Source(d); !seen[name] {
			seen[name] = true
			out = append(out, checkpoint.TopicSpec{Name: name, Create: l.Partitions, Replication: l.Replication})
		}
	}
	shared := []checkpoint.TopicSpec{
		checkpoint.LogSpec(l.Topics.Anomalies(), 0, l.Replication, l.Retention),
		checkpoint.LogSpec(l.Topics.DeadLetters(), 0, l.Replication, l.Retention),
		checkpoint.LogSpec(l.Topics.Late(), 0, l.Replication, l.Retention),
		checkpoint.LogSpec(l.Topics.Rollups(), 0, l.Replication, l.Retention),
		checkpoint.CompactedSpec(l.Topics.Detectors(), 0, l.Replication, compactionLag),
		checkpoint.CompactedSpec(l.Topics.Control(), 0, l.Replication, compactionLag),
		checkpoint.CompactedSpec(l.Topics.Incidents(), 0, l.Replication, compactionLag),
		checkpoint.CompactedSpec(l.Topics.Feedback(), 0, l.Replication, compactionLag),
		checkpoint.LogSpec(l.Topics.Notifications(), 0, l.Replication, l.Retention),
		brokerTime(checkpoint.LogSpec(l.Topics.NotifyJournal(), 0, l.Replication, l.Retention)),
		checkpoint.LogSpec(l.Topics.Journal(), 0, l.Replication, min(l.Retention, journalRetention)),
	}
	for _, s := range shared {
		s.Create = l.Partitions
		out = append(out, l.large(s))
	}
	return out
}

// Internal returns the specifications of the topics of one stream's groups. partitions is the number of its source topic's
// partitions, repartitioned the number its repartition topic has (0 where it does not exist yet).
func (l Layout) Internal(d *streams.Definition, partitions, repartitioned int) []checkpoint.TopicSpec {
	l = l.WithDefaults()
	var out []checkpoint.TopicSpec
	if d.Repartitioned() {
		if partitions = repartitioned; partitions == 0 {
			partitions = l.Partitions
		}
		out = append(out, l.large(checkpoint.LogSpec(l.Topics.Repartition(d.Name), partitions, l.Replication, l.Retention)))
	}
	return append(out, l.large(checkpoint.CompactedSpec(l.Topics.DetectorTable(d.Name), partitions, l.Replication, compactionLag)))
}

// brokerTime lets the brokers say when a record was written: the clocks of whoever writes it do not matter.
func brokerTime(s checkpoint.TopicSpec) checkpoint.TopicSpec {
	s.Config["message.timestamp.type"] = "LogAppendTime"
	return s
}

func (l Layout) large(s checkpoint.TopicSpec) checkpoint.TopicSpec {
	s.Config["max.message.bytes"] = strconv.Itoa(output(l.MaxRecord))
	return s
}

// Ensure creates the topics that do not exist and checks those that do, see checkpoint.Topics.Ensure. A table gets as many
// partitions as the topic its group reads.
func (l Layout) Ensure(ctx context.Context, topics checkpoint.Topics) error {
	return l.each(ctx, topics, func(specs []checkpoint.TopicSpec) error { return topics.Ensure(ctx, specs...) })
}

// Check returns every difference between the topics and what they must be.
func (l Layout) Check(ctx context.Context, topics checkpoint.Topics) (out []checkpoint.Difference, err error) {
	err = l.each(ctx, topics, func(specs []checkpoint.TopicSpec) error {
		differences, err := topics.Check(ctx, specs...)
		out = append(out, differences...)
		return err
	})
	return out, err
}

// each calls f with the specifications in the order in which the topics depend on one another.
func (l Layout) each(ctx context.Context, topics checkpoint.Topics, f func([]checkpoint.TopicSpec) error) error {
	if err := f(l.Sources()); err != nil {
		return err
	}
	var internal []checkpoint.TopicSpec
	for _, table := range []struct{ name, input string }{
		{l.Topics.IncidentTable(), l.Topics.Journal()}, {l.Topics.NotifyTable(), l.Topics.NotifyJournal()},
	} {
		partitions, err := topics.Partitions(ctx, table.input)
		if err != nil {
			return err
		}
		internal = append(internal, l.large(checkpoint.CompactedSpec(table.name, partitions, l.Replication, compactionLag)))
	}
	for _, d := range l.Definitions {
		partitions, err := topics.Partitions(ctx, l.Topics.Source(d))
		if err != nil {
			return err
		}
		repartitioned := 0
		if d.Repartitioned() {
			if repartitioned, err = topics.Partitions(ctx, l.Topics.Repartition(d.Name)); err != nil {
				return err
			}
		}
		internal = append(internal, l.Internal(d, partitions, repartitioned)...)
	}
	return f(internal)
}
