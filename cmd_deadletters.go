package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/IBM/sarama"

	"anomalystream/emitters"
	"anomalystream/streams"
)

// deadLettersCmd shows and replays what could not be processed.
type deadLettersCmd struct {
	List   deadLettersListCmd   `cmd:"" help:"List dead letters with position and reason."`
	Replay deadLettersReplayCmd `cmd:"" help:"Write dead letters back to the topics they came from, as they were; for use after a fix."`
}

// letterFilter selects dead letters.
type letterFilter struct {
	Config string   `required:"" type:"path" placeholder:"FILE" help:"Configuration file."`
	Stream []string `placeholder:"NAME" help:"Only of these streams."`
	Code   []string `placeholder:"CODE" help:"Only with these reason codes, for example missing_field."`
	Stage  string   `default:"" placeholder:"STAGE" help:"Only of this stage: decode, detect, journal, incidents, sink or notify."`
	Limit  int      `default:"0" placeholder:"N" help:"At most this many, the newest. Default: all."`
}

// read calls f for each dead letter that matches, oldest first.
func (c *letterFilter) read(ctx context.Context, s *site, f func(streams.DeadLetter) error) error {
	if err := s.awaitTopic(ctx, s.topics.DeadLetters()); err != nil {
		return err
	}
	topic, err := emitters.OpenTopic(ctx, emitters.TopicOptions{Brokers: s.kafka.Brokers, Sarama: s.client(), Topic: s.topics.DeadLetters()})
	if err != nil {
		return err
	}
	defer topic.Close()
	var list []streams.DeadLetter
	seen := map[string]bool{} // A crash may write a dead letter twice.
	for {
		r, err := topic.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		var l streams.DeadLetter
		if err := json.Unmarshal(r.Value, &l); err != nil {
			s.log.Warn("skipping a record of the dead-letters topic that is none", "source", r.Source.String(), "error", err)
			continue
		}
		if id := l.Source.String() + l.Stage; c.matches(&l) && !seen[id] {
			seen[id] = true
			list = append(list, l)
		}
	}
	if c.Limit > 0 && len(list) > c.Limit {
		list = list[len(list)-c.Limit:]
	}
	for _, l := range list {
		if err := f(l); err != nil {
			return err
		}
	}
	return nil
}

func (c *letterFilter) matches(l *streams.DeadLetter) bool {
	return (len(c.Stream) == 0 || contains(c.Stream, l.Stream)) && (len(c.Code) == 0 || contains(c.Code, l.Code)) && (c.Stage == "" || c.Stage == l.Stage)
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

type deadLettersListCmd struct {
	letterFilter
	Output string `enum:"text,json" default:"text" help:"Output on standard output: text, or json (one object per line, key and value in base64)."`
}

// Run lists dead letters.
func (c *deadLettersListCmd) Run(a *app) error {
	s, err := a.openConfigured(c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	if c.Output == "json" {
		encoder := json.NewEncoder(a.stdout)
		return c.read(a.ctx, s, func(l streams.DeadLetter) error { return encoder.Encode(l) })
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "time\tstream\tsource\tstage\tcode\treason\tvalue")
	n := 0
	err = c.read(a.ctx, s, func(l streams.DeadLetter) error {
		n++
		_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Timestamp.UTC().Format("2006-01-02T15:04:05Z"), l.Stream, l.Source, l.Stage, l.Code, oneLine(l.Reason), preview(l.Value))
		return err
	})
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		_, err = fmt.Fprintf(a.stdout, "%d dead letters\n", n)
	}
	return err
}

// oneLine keeps control characters and tabs out of a table.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// preview shows the beginning of a value.
func preview(v []byte) string {
	const most = 60
	if v == nil {
		return "(none)"
	}
	text := oneLine(strings.ToValidUTF8(string(v[:min(len(v), most)]), "\ufffd"))
	if len(v) > most {
		text += "…"
	}
	return text
}

type deadLettersReplayCmd struct {
	letterFilter
	DryRun bool `name:"dry-run" help:"Say what would be replayed, and write nothing."`
}

// Run writes dead letters back with their original key, value and headers.
func (c *deadLettersReplayCmd) Run(a *app) error {
	s, err := a.openConfigured(c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	var producer sarama.SyncProducer
	if !c.DryRun {
		if producer, err = sarama.NewSyncProducer(s.kafka.Brokers, s.client()); err != nil {
			return fmt.Errorf("connecting to Kafka at %s: %w", strings.Join(s.kafka.Brokers, ","), err)
		}
		defer producer.Close()
	}
	counts := map[string]int{}
	total := 0
	err = c.read(a.ctx, s, func(l streams.DeadLetter) error {
		total++
		counts[l.Source.Topic]++
		if c.DryRun {
			return nil
		}
		m := &sarama.ProducerMessage{Topic: l.Source.Topic, Timestamp: l.Timestamp}
		if l.Key != nil {
			m.Key = sarama.ByteEncoder(l.Key)
		}
		if l.Value != nil {
			m.Value = sarama.ByteEncoder(l.Value)
		}
		for _, h := range l.Headers {
			if !strings.HasPrefix(h.Key, "anomalystream-source-") { // It is a new record, with a position of its own.
				m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte(h.Key), Value: h.Value})
			}
		}
		if _, _, err := producer.SendMessage(m); err != nil {
			return fmt.Errorf("writing the record of %s again: %w", l.Source, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	what := "written again"
	if c.DryRun {
		what = "would be written again"
	}
	fmt.Fprintf(a.stdout, "%d records %s\n", total, what)
	for topic, n := range counts {
		fmt.Fprintf(a.stdout, "  %s: %d\n", topic, n)
	}
	return nil
}
