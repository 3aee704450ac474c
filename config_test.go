package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"anomalystream/streams"
)

// TestExampleIsTheDefault holds the example to its promise: it shows every default.
func TestExampleIsTheDefault(t *testing.T) {
	t.Parallel()
	got, err := LoadConfig("anomalystream.example.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := LoadConfig("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the example differs from the defaults (-default +example):\n%s", diff)
	}
}

// TestExampleNamesEveryKey fails when a key is added to the configuration and not to the example.
func TestExampleNamesEveryKey(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("anomalystream.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range yamlKeys(DefaultConfig(), streams.Definition{}, TokenConfig{}, RouteConfig{}) {
		if !strings.Contains(string(b), key+":") {
			t.Errorf("the example does not name the key %s", key)
		}
	}
}

func TestConfigBad(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		yaml string
		env  []string
		want []string // Parts of the error, in order.
	}{
		"unknown key":            {"kafka:\n  brokerz: [a:1]\n", nil, []string{":2:3: kafka.brokerz: unknown key", "brokers"}},
		"unknown section":        {"kafak: {}\n", nil, []string{":1:1: kafak: unknown key"}},
		"wrong type":             {"streams:\n  s:\n    features: [a]\n    warmup: many\n", nil, []string{":4:13: streams.s.warmup: found the text \"many\", expected an integer"}},
		"quoted number":          {"streams:\n  s:\n    features: [a]\n    warmup: \"200\"\n", nil, []string{"expected an integer"}},
		"impossible value":       {"streams:\n  s:\n    features: [a]\n    expected_anomaly_rate: 1.5\n", nil, []string{":4:28: streams.s.expected_anomaly_rate: found 1.5, expected a share above 0 and below 0.5"}},
		"NaN":                    {"streams:\n  s:\n    features: [a]\n    threshold: .nan\n", nil, []string{"streams.s.threshold: found NaN"}},
		"labels as a list":       {"streams:\n  s:\n    features: [a]\n    labels: [a]\n", nil, []string{":4:13: streams.s.labels: found a list, expected a mapping of names to texts"}},
		"label with a bad name":  {"streams:\n  s:\n    features: [a]\n    labels: {9to5: yes}\n", nil, []string{":4:20: streams.s.labels.9to5: expected a name of letters"}},
		"no features":            {"streams:\n  s: {topic: t}\n", nil, []string{":2:6: streams.s.features: expected at least one feature"}},
		"feature twice":          {"streams:\n  s:\n    features: [a, b, a]\n", nil, []string{":3:15: streams.s.features: found feature \"a\" twice"}},
		"in order of lines":      {"streams:\n  s: {features: [a], warmup: 5}\nlog: {level: 5}\n", nil, []string{":2:", "s.warmup", ":3:", "log.level"}},
		"unknown detector":       {"streams:\n  s:\n    features: [a]\n    detectors: [iforest, lofx]\n", nil, []string{":4:26: streams.s.detectors.1: unknown detector \"lofx\""}},
		"detector parameter":     {"streams:\n  s:\n    features: [a]\n    detectors: [{name: lof, n_neighbors: 0}]\n", nil, []string{"streams.s.detectors.0.n_neighbors: found 0, expected"}},
		"unknown transform":      {"streams:\n  s:\n    features:\n      a: {transforms: [wavelet]}\n", nil, []string{"streams.s.features.a.transforms", "wavelet"}},
		"password":               {"kafka:\n  sasl: {password: hunter2}\n", nil, []string{"password_file or password_env"}},
		"two streams, one topic": {"streams:\n  a: {topic: t, features: [x]}\n  b: {topic: t, features: [x]}\n", nil, []string{":3:14: streams.b.topic: topic \"t\" already belongs to stream a"}},
		"a topic of ours":        {"kafka: {topic_prefix: p-}\nstreams:\n  a: {topic: anomalies, features: [x]}\n", nil, []string{":3:14: streams.a.topic: topic \"p-anomalies\" already belongs to anomalystream itself"}},
		"a table of ours":        {"streams:\n  a: {topic: anomalystream-a-table, features: [x]}\n", nil, []string{"already belongs to stream a"}},
		"a group of ours":        {"streams:\n  sink: {features: [x]}\n", nil, []string{"streams.sink: its consumer group anomalystream-sink already belongs to the sinks"}},
		"a group of another":     {"streams:\n  a: {features: [x]}\n  a-repartition: {features: [x]}\n", nil, []string{"already belongs to stream a"}},
		"alias":                  {"streams:\n  a: &a {features: [x]}\n  b: *a\n", nil, []string{":3:6: streams.b: found an alias, expected a mapping"}},
		"stream name":            {"streams:\n  \"a/b\": {features: [x]}\n", nil, []string{"expected a stream name"}},
		"not YAML":               {"kafka: [\n", nil, []string{"not valid YAML"}},
		"two documents":          {"kafka: {}\n---\nkafka: {}\n", nil, []string{"second YAML document"}},
		"store":                  {"store: {url: 'mysql://u:hunter2@h/d'}\n", nil, []string{"store.url", "expected sqlite:FILE"}},
		"duration":               {"checkpoint: {interval: fast}\n", nil, []string{"expected a duration"}},
		"from":                   {"streams:\n  s: {features: [a], from: yesterday}\n", nil, []string{"expected earliest, latest"}},
		"incidents":              {"streams:\n  s:\n    features: [a]\n    incidents:\n      open_after: 0\n      quiet: 1ms\n", nil, []string{":5:19: streams.s.incidents.open_after: found 0, expected 1 to 100", ":6:14: streams.s.incidents.quiet: found 1ms, expected 1s to 168h0m0s"}},
		"silence":                {"streams:\n  s: {features: [a], incidents: {silence: often}}\n", nil, []string{"streams.s.incidents.silence: found \"often\", expected learned, off, or a duration"}},
		"incident key":           {"streams:\n  s: {features: [a], incidents: {open: 1}}\n", nil, []string{"streams.s.incidents.open: unknown key", "open_after"}},
		"alert score":            {"streams:\n  s: {features: [a], incidents: {open_alert_score: .nan, max_length: 1m, group_min: 1, flap_after: 1}}\n", nil, []string{"open_alert_score: found NaN", "max_length: found 1m0s, expected at least the quiet span of 10m0s", "group_min: found 1", "flap_after: found 1, expected 2 to 100"}},
		"broker":                 {"kafka: {brokers: [localhost]}\n", nil, []string{"kafka.brokers.0: found \"localhost\", expected host:port"}},
		"environment":            {"", []string{"ANOMALYSTREAM_KAFKA__PARTITIONS=lots"}, []string{"environment variable ANOMALYSTREAM_KAFKA__PARTITIONS: kafka.partitions", "expected an integer"}},
		"not the environment's":  {"streams:\n  s: {features: [a]}\n  r: {topic: t}\n", []string{"ANOMALYSTREAM_STREAMS__S__WARMUP=30"}, []string{":3:6: streams.r.features: expected at least one feature"}},
		"environment key":        {"", []string{"ANOMALYSTREAM_KAFKA__NOPE=1"}, []string{"kafka.nope: unknown key"}},
		"rule":                   {"streams:\n  s:\n    features: [a]\n    rules:\n      - {name: r, field: b, max: 1}\n      - {name: q, field: a, max: high}\n", nil, []string{":6:34: streams.s.rules.1.max: found the text \"high\", expected a number"}},
		"rule of no field":       {"streams:\n  s:\n    features: [a]\n    rules:\n      - {name: r, field: b, max: 1}\n", nil, []string{":5:26: streams.s.rules.0.field: found \"b\", expected a feature"}},
		"window":                 {"maintenance:\n  - {name: n, cron: 0 2 * * *, duration: 1h, timezone: Moon}\n", nil, []string{":2:56: maintenance.0.timezone: found \"Moon\""}},
		"window of no stream":    {"maintenance:\n  - {name: n, streams: [x], cron: 0 2 * * *, duration: 1h}\n", nil, []string{":2:24: maintenance.0.streams", "found \"x\""}},
		"window of a stream":     {"streams:\n  s:\n    features: [a]\n    maintenance: [{name: n, cron: 0 2 * * *}]\n", nil, []string{":4:19: streams.s.maintenance.0.duration: found \"\""}},
		"calendar":               {"maintenance: [{name: n, ical_file: /nowhere.ics}]\n", nil, []string{":1:36: maintenance.0.ical_file: found \"/nowhere.ics\""}},
		"two windows, one name":  {"maintenance: [{name: n, cron: 0 2 * * *, duration: 1h}]\nstreams:\n  s:\n    features: [a]\n    maintenance: [{name: n, cron: 0 2 * * *, duration: 1h}]\n", nil, []string{":5:26: streams.s.maintenance.0.name: found \"n\" twice"}},
		"stuck":                  {"streams:\n  s:\n    features:\n      a: {stuck: 1}\n", nil, []string{":4:18: streams.s.features.a.stuck: found \"1\", expected off, auto"}},
		"late":                   {"streams:\n  s:\n    features: [a]\n    late: {policy: topic}\n", nil, []string{":4:11: streams.s.late.after: expected a duration"}},
		"all at once":            {"kafka: {nope: 1}\nlog: {level: 3, nope: 2}\n", nil, []string{"kafka.nope", "log.nope"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := LoadConfig(writeFile(t, c.yaml), c.env)
			if err == nil {
				t.Fatal("accepted")
			}
			rest := err.Error()
			for _, part := range c.want {
				i := strings.Index(rest, part)
				if i < 0 {
					t.Fatalf("got:\n%s\nwant it to contain %q", err, part)
				}
				rest = rest[i+len(part):]
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the error shows a password")
			}
		})
	}
}

func TestConfigGood(t *testing.T) {
	t.Parallel()
	cfg, err := LoadConfig(writeFile(t, `
kafka: {brokers: embedded}
streams:
  server_metrics:
    key: host
    features:
      cpu_percent: {}
      latency_ms: {transforms: [value, ewma_residual(.3)], direction: up, min_deviation: 5}
      error_rate: {path: http.error_rate, missing: hold}
    detectors: [iforest, {name: lof, weight: 2, n_neighbors: 10}]
    vote: any
    expected_anomaly_rate: 0.002
  orders: {topic: shop.orders, key: stream, features: [total], incidents: {silence: 90m, group_min: 5}}
  "*":
    features: {"*": {transforms: [value, ewma_residual]}}
`), []string{"ANOMALYSTREAM_KAFKA__BROKERS=a:1,b:2", "ANOMALYSTREAM_CHECKPOINT__INTERVAL=500ms", "ANOMALYSTREAM_API__ADDR=127.0.0.1:0",
		"ANOMALYSTREAM_STREAMS__ORDERS__WARMUP=300", "ANOMALYSTREAM_STREAMS__ORDERS__INCIDENTS__QUIET=15m", "ANOMALYSTREAM_SOME_OTHER=x"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a:1", "b:2"}, cfg.Kafka.Brokers); diff != "" {
		t.Error(diff)
	}
	if cfg.Checkpoint.Interval != 500*time.Millisecond || cfg.API.Addr != "127.0.0.1:0" {
		t.Errorf("environment not applied: %+v", cfg)
	}
	if diff := cmp.Diff([]string{"server_metrics", "orders"}, cfg.Streams.Names()); diff != "" {
		t.Error(diff)
	}
	m := cfg.Streams.Get("server_metrics")
	if diff := cmp.Diff([]string{"cpu_percent", "latency_ms", "error_rate"}, featureNames(m)); diff != "" {
		t.Error(diff)
	}
	if f := m.Features[1]; f.Direction != "up" || f.MinDeviation != 5 || len(f.Transforms) != 2 || f.Path != "latency_ms" {
		t.Errorf("latency_ms: %+v", f)
	}
	if s := m.Detectors[1]; s.Name != "lof" || s.Weight != 2 || s.Params["n_neighbors"] == nil {
		t.Errorf("lof: %+v", s)
	}
	if o := cfg.Streams.Get("orders"); o.WarmUp != 300 || o.Topic != "shop.orders" || o.Key != streams.KeyStream {
		t.Errorf("orders: %+v", o)
	}
	want := streams.DefaultIncidentPolicy()
	want.Quiet, want.Silence, want.GroupMin = 15*time.Minute, "90m", 5
	if diff := cmp.Diff(want, cfg.Streams.Get("orders").Incidents); diff != "" {
		t.Error(diff)
	}
	if d, err := cfg.Streams.Resolve("anything"); err != nil || !d.Wildcard() || d.Topic != "anything" {
		t.Errorf("template: %+v, %v", d, err)
	}
}

func TestSecret(t *testing.T) {
	t.Setenv("SOME_SECRET", "from env")
	if got, err := secret("it", "", "SOME_SECRET"); err != nil || got != "from env" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := secret("it", writeFile(t, "from file\n"), ""); err != nil || got != "from file" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := secret("it", "", "SOME_SECRET_THAT_IS_NOT_SET"); err == nil {
		t.Error("a missing variable was accepted")
	}
	if _, err := secret("it", filepath.Join(t.TempDir(), "none"), ""); err == nil {
		t.Error("a missing file was accepted")
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "anomalystream.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestColonsInPlainText reads an address the same way wherever YAML allows one.
func TestColonsInPlainText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"kafka: {brokers: [127.0.0.1:9092], topic_prefix: \"\"}\napi: {cors_origins: [https://a.example:8443]}",
		"{kafka: {brokers: [127.0.0.1:9092]}, api: {cors_origins: [https://a.example:8443]}}",
		"kafka:\n  brokers: [127.0.0.1:9092]\napi:\n  cors_origins:\n    - https://a.example:8443\n",
	} {
		cfg, err := LoadConfig(writeFile(t, text), nil)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := append(cfg.Kafka.Brokers, cfg.API.CORSOrigins...)
		if diff := cmp.Diff([]string{"127.0.0.1:9092", "https://a.example:8443"}, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", text, diff)
		}
	}
}

// TestEnvironmentChangesBuiltinStreams overrides one built-in stream and keeps the others.
func TestEnvironmentChangesBuiltinStreams(t *testing.T) {
	t.Parallel()
	cfg, err := LoadConfig("", []string{"ANOMALYSTREAM_STREAMS__TRANSACTIONS__WARMUP=300"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"server_metrics", "transactions", "iot_sensors"}, cfg.Streams.Names()); diff != "" {
		t.Error(diff)
	}
	if got := cfg.Streams.Get("transactions").WarmUp; got != 300 {
		t.Errorf("the warm-up is %d, want 300", got)
	}
}
