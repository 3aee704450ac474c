package main

// What --help says of each command beyond its flags: what it needs, what it leaves behind, and command lines to start from.

const description = `Real-time anomaly detection over Kafka streams.

To see it work, with nothing installed: anomalystream demo

To watch a topic of your own, let suggest propose a stream, look it over, and run it:

    anomalystream suggest --topic orders --config anomalystream.yaml
    anomalystream validate --config anomalystream.yaml
    anomalystream run --config anomalystream.yaml

The smallest configuration names the brokers and one stream:

    kafka: {brokers: [kafka-1:9092]}
    streams: {orders: {key: customer_id, features: [amount, items]}}

All of its keys and defaults stand in anomalystream.example.yaml. Each can be overridden by the environment, for example
ANOMALYSTREAM_KAFKA__BROKERS=kafka-1:9092. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.`

func (demoCmd) Help() string {
	return `Prints where the page is, then a line for each anomaly, and at the end what was found of the faults that the simulators
injected. Detectors warm up on their first 200 events; nothing is kept when the demo ends.

    anomalystream demo
    anomalystream demo --duration 60s --output json
    anomalystream demo --data metrics.csv --data more.jsonl.gz`
}

func (runCmd) Help() string {
	return `Runs until it is interrupted, and waits for servers that are away. Topics and tables that do not exist are made. Started several
times with the same configuration, processes share the work: detectors the partitions of their streams; sinks and APIs
may be as many as you like.

    anomalystream run --config anomalystream.yaml
    anomalystream run --config anomalystream.yaml --roles detect
    anomalystream run --config anomalystream.yaml --roles sink,api
    anomalystream run --config anomalystream.yaml --reset-state orders/customer-17`
}

func (emitCmd) Help() string {
	return `Each simulator's normal traffic is interrupted by faults, whose names travel in a record header and never in the value.

    anomalystream emit --config anomalystream.yaml --stream server_metrics --rate 500/s
    anomalystream emit --config anomalystream.yaml --count 60000 --rate max`
}

func (replayCmd) Help() string {
	return `Events keep the order of the file. Lines that are no events of the stream are named, left out, and make the command fail at its
end. Anomalies of replayed events are stored and shown, and notify nobody.

    anomalystream replay --config anomalystream.yaml --stream orders orders.csv
    anomalystream replay --config anomalystream.yaml --stream server_metrics --key host --rate realtime day.jsonl.gz`
}

func (backtestCmd) Help() string {
	return `Answers what a configuration would have found, bit for bit as run would have, without writing to Kafka. With --labels it also
says how much of what is known to be wrong was found.

    anomalystream backtest --config anomalystream.yaml --stream orders --report report.html orders.csv
    anomalystream backtest --config anomalystream.yaml --stream orders --topic --from 2026-01-02T00:00:00Z
    anomalystream backtest --config old.yaml --compare new.yaml --stream orders --labels labels/ --scores out/ data/*.csv`
}

func (suggestCmd) Help() string {
	return `Reads the newest 20,000 records of a topic, or files, and prints a section for the configuration file, with the reasons as
comments. It changes nothing.

    anomalystream suggest --topic orders --config anomalystream.yaml
    anomalystream suggest orders.csv > orders.yaml`
}

func (validateCmd) Help() string {
	return `Reads the file and the environment as the other commands do, and names everything that is wrong with line and column. It does
not connect to anything.`
}

func (topicsCreateCmd) Help() string {
	return `run does the same when it starts; this is for those who may create topics while the service may not. Partitions and replication
are those of the configuration; existing topics are never changed.`
}

func (topicsCheckCmd) Help() string {
	return `Fails with 1 when a topic is missing, or differs in a way that breaks what is guaranteed; other differences are only listed.`
}

func (deadLettersListCmd) Help() string {
	return `Codes and stages are described in docs/topics.md.

    anomalystream dead-letters list --config anomalystream.yaml --limit 20
    anomalystream dead-letters list --config anomalystream.yaml --stream orders --code missing_field --output json`
}

func (deadLettersReplayCmd) Help() string {
	return `The records get new positions, and those that still cannot be processed become dead letters again. The old ones stay in the topic:
replaying twice writes twice. Look first:

    anomalystream dead-letters replay --config anomalystream.yaml --code missing_field --dry-run`
}

func (notifyTestCmd) Help() string {
	return `Sends past Kafka, at once and whatever the route's waits and limits, so that an address or a template can be tried before an
incident needs it.

    anomalystream notify test --config anomalystream.yaml oncall`
}

func (healthCmd) Help() string {
	return `Ends with 0 when the address answers with 200, else with 1.`
}

func (hashTokenCmd) Help() string {
	return `Give the token to the client and put the hash into the configuration; the token itself is not kept anywhere.

    api:
      tokens: [{name: dashboards, sha256: HASH, role: read}]`
}
