package main

import (
	"encoding/json"
	"io"

	"anomalystream/emitters"
	"anomalystream/internal/suggest"
	"anomalystream/streams"
)

// suggestCmd proposes a stream's configuration.
type suggestCmd struct {
	Topic  string   `placeholder:"NAME" help:"Sample this topic; needs --config for the way to Kafka."`
	Config string   `type:"path" placeholder:"FILE" help:"Configuration file, for --topic."`
	Name   string   `placeholder:"NAME" help:"Name of the stream. Default: the topic's, or the first file's."`
	Output string   `enum:"yaml,json" default:"yaml" help:"Output on standard output: yaml (with the reasons as comments) or json."`
	Files  []string `arg:"" optional:"" name:"file" type:"existingfile" help:"CSV or JSON Lines to sample; .gz is unpacked."`
}

// sampled is how many of a topic's newest records are read.
const sampled = 20000

// Run samples and prints the proposal.
func (c *suggestCmd) Run(a *app) error {
	if (len(c.Files) > 0) == (c.Topic != "") {
		return usagef("expected either files or --topic")
	}
	var s *suggest.Suggestion
	var err error
	if c.Topic != "" {
		s, err = c.fromTopic(a)
	} else {
		name := c.Name
		if name == "" {
			name = streamNameOf(emitters.Stem(c.Files[0]))
		}
		s, err = suggest.FromFiles(a.ctx, name, c.Files)
	}
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return json.NewEncoder(a.stdout).Encode(s)
	}
	_, err = io.WriteString(a.stdout, s.YAML())
	return err
}

func (c *suggestCmd) fromTopic(a *app) (*suggest.Suggestion, error) {
	if c.Config == "" {
		return nil, usagef("--topic needs --config: where is Kafka?")
	}
	site, err := a.openConfigured(c.Config)
	if err != nil {
		return nil, err
	}
	defer site.close()
	name := site.topics.Prefix + c.Topic
	if err := site.awaitTopic(a.ctx, name); err != nil {
		return nil, err
	}
	topic, err := emitters.OpenTopic(a.ctx, emitters.TopicOptions{Brokers: site.kafka.Brokers, Sarama: site.client(), Topic: name, Newest: sampled})
	if err != nil {
		return nil, err
	}
	defer topic.Close()
	stream := c.Name
	if stream == "" {
		stream = streamNameOf(c.Topic)
	}
	s, err := suggest.FromRecords(a.ctx, stream, func() (streams.Record, error) { return topic.Next() })
	if err != nil {
		return nil, err
	}
	if s.Definition.Topic != c.Topic {
		s.Definition.Topic = c.Topic
	}
	return s, nil
}
