package main

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"anomalystream/detectors"
	"anomalystream/detectors/features"
	"anomalystream/streams"
)

// validate checks what decoding cannot see: ranges, references between keys, names that must exist.
func (c *Config) validate(d *configDecoder) {
	c.Kafka.validate(d)
	c.Store.validate(d)
	c.API.validate(d)
	if c.Checkpoint.Interval < 50*time.Millisecond || c.Checkpoint.Interval > time.Hour {
		d.invalid("checkpoint.interval", "found %s, expected 50ms to 1h", c.Checkpoint.Interval)
	}
	if c.Checkpoint.Pacing < 0 || c.Checkpoint.Pacing > time.Second {
		d.invalid("checkpoint.pacing", "found %s, expected 0 to 1s", c.Checkpoint.Pacing)
	}
	oneOf(d, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf(d, "log.format", c.Log.Format, "text", "json")
	for _, s := range c.Streams.Definitions() {
		validateStream(d, s)
	}
	c.validateNames(d)
	c.validateNotify(d)
	c.validateMaintenance(d)
	if t := c.Streams.Template; t != nil {
		validateStream(d, t)
	}
}

// validateNames finds topics and groups that would serve two purposes: two streams on one topic, or a stream that reads what
// we write, which would feed on itself.
func (c *Config) validateNames(d *configDecoder) {
	names := streams.Topics{Prefix: c.Kafka.TopicPrefix}
	topics, groups := map[string]string{}, map[string]string{names.SinkGroup(): "the sinks", names.IncidentGroup(): "the incidents", names.NotifyGroup(): "the notifications"}
	for _, name := range []string{
		names.Anomalies(), names.DeadLetters(), names.Rollups(), names.Detectors(), names.Incidents(), names.Feedback(), names.Control(),
		names.Notifications(), names.NotifyJournal(), names.NotifyTable(), names.Late(),
	} {
		topics[name] = "anomalystream itself"
	}
	for _, s := range c.Streams.Definitions() {
		owner := "stream " + s.Name
		for _, group := range []string{names.DetectorGroup(s.Name), names.RepartitionGroup(s.Name)} {
			if other, ok := groups[group]; ok {
				d.invalid("streams."+s.Name, "its consumer group %s already belongs to %s; choose another name", group, other)
			}
			groups[group] = owner
		}
		topics[names.DetectorTable(s.Name)], topics[names.Repartition(s.Name)] = owner, owner
	}
	for _, s := range c.Streams.Definitions() {
		topic := names.Source(s)
		if other, ok := topics[topic]; ok {
			d.invalid("streams."+s.Name+".topic", "topic %q already belongs to %s, expected one of its own", topic, other)
		}
		topics[topic] = "stream " + s.Name
	}
}

func (k *KafkaConfig) validate(d *configDecoder) {
	if len(k.Brokers) == 0 {
		d.invalid("kafka.brokers", "found an empty list, expected host:port, or the word embedded")
	}
	for i, b := range k.Brokers {
		if k.Embedded() {
			break
		}
		if !validHostPort(b) {
			d.invalid("kafka.brokers."+strconv.Itoa(i), "found %q, expected host:port", b)
		}
	}
	inRange(d, "kafka.partitions", k.Partitions, 1, 10000)
	inRange(d, "kafka.replication", k.Replication, 0, 100)
	inRange(d, "kafka.max_record_bytes", k.MaxRecord, 100, 100<<20)
	if k.TopicPrefix != "" && !validStreamName(k.TopicPrefix) {
		d.invalid("kafka.topic_prefix", "found %q, expected letters, digits, '_', '-' and '.'", k.TopicPrefix)
	}
	oneOf(d, "kafka.sasl.mechanism", k.SASL.Mechanism, "", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
	if k.SASL.Mechanism != "" && k.SASL.Username == "" {
		d.invalid("kafka.sasl.username", "expected a user name, because a SASL mechanism is set")
	}
	if k.SASL.Mechanism != "" && k.SASL.PasswordFile == "" && k.SASL.PasswordEnv == "" {
		d.invalid("kafka.sasl", "expected password_file or password_env, because a SASL mechanism is set")
	}
	if (k.TLS.CertFile == "") != (k.TLS.KeyFile == "") {
		d.invalid("kafka.tls", "cert_file and key_file belong together")
	}
}

func (s *StoreConfig) validate(d *configDecoder) {
	switch {
	case strings.HasPrefix(s.URL, "sqlite:") && len(s.URL) > len("sqlite:"):
	case strings.HasPrefix(s.URL, "postgres://"), strings.HasPrefix(s.URL, "postgresql://"):
		if u, err := url.Parse(s.URL); err != nil || u.Host == "" && u.Query().Get("host") == "" {
			d.invalid("store.url", "expected postgres://user@host:port/database")
		}
	default:
		d.invalid("store.url", "found %q, expected sqlite:FILE or postgres://user@host:port/database", redactURL(s.URL))
	}
	inRange(d, "store.batch_size", s.BatchSize, 1, 100000)
	inRange(d, "store.max_connections", s.MaxConnections, 2, 1000)
	if s.BatchWait < time.Millisecond || s.BatchWait > time.Minute {
		d.invalid("store.batch_wait", "found %s, expected 1ms to 1m", s.BatchWait)
	}
	if s.Retention < 0 || s.Retention > 0 && s.Retention < time.Hour {
		d.invalid("store.retention", "found %s, expected 0 (keep everything) or at least 1h", s.Retention)
	}
}

func (a *APIConfig) validate(d *configDecoder) {
	if !validHostPort(a.Addr) {
		d.invalid("api.addr", "found %q, expected host:port", a.Addr)
	}
	if a.AdminAddr != "" && !validHostPort(a.AdminAddr) {
		d.invalid("api.admin_addr", "found %q, expected host:port", a.AdminAddr)
	}
	if (a.TLSCertFile == "") != (a.TLSKeyFile == "") {
		d.invalid("api", "tls_cert_file and tls_key_file belong together")
	}
	if a.RateLimit < 0 {
		d.invalid("api.rate_limit", "found %v, expected 0 (no limit) or more", a.RateLimit)
	}
	for i, t := range a.Tokens {
		at := "api.tokens." + strconv.Itoa(i)
		if t.Name == "" {
			d.invalid(at+".name", "expected a name; it appears in the audit")
		}
		if len(t.SHA256) != 64 || strings.Trim(strings.ToLower(t.SHA256), "0123456789abcdef") != "" {
			d.invalid(at+".sha256", "expected 64 hexadecimal digits: the SHA-256 of the token")
		}
		oneOf(d, at+".role", t.Role, "read", "ingest", "admin")
	}
	if a.OIDC.Issuer != "" && a.OIDC.Audience == "" {
		d.invalid("api.oidc.audience", "expected an audience, because an issuer is set")
	}
}

func validateStream(d *configDecoder, s *streams.Definition) {
	at := "streams." + s.Name
	if s.Name != "*" && !validStreamName(s.Topic) {
		d.invalid(at+".topic", "found %q, expected a topic name", s.Topic)
	}
	if s.Key == "" {
		d.invalid(at+".key", "expected record, stream, or the name of a field")
	}
	if len(s.Features) == 0 {
		d.invalid(at+".features", "expected at least one feature, or \"*\" for every numeric field")
	}
	seen := map[string]bool{}
	for _, f := range s.Features {
		if seen[f.Name] {
			d.invalid(at+".features", "found feature %q twice", f.Name)
		}
		seen[f.Name] = true
		validateFeature(d, at+".features."+f.Name, s, f)
	}
	oneOf(d, at+".vote", s.Vote, streams.VoteMajority, streams.VoteAny, streams.VoteAll)
	oneOf(d, at+".combine", s.Combine, streams.CombineVote, streams.CombineMean)
	oneOf(d, at+".profile", s.Profile, streams.ProfileStandard, streams.ProfileCompact)
	oneOf(d, at+".alert_score", s.Alert, streams.AlertDepth, streams.AlertForest)
	if !(s.Threshold > 0 && s.Threshold < 1) {
		d.invalid(at+".threshold", "found %v, expected a number between 0 and 1", s.Threshold)
	}
	if !(s.Rate > 0 && s.Rate < 0.5) {
		d.invalid(at+".expected_anomaly_rate", "found %v, expected a share above 0 and below 0.5", s.Rate)
	}
	inRange(d, at+".warmup", s.WarmUp, 20, 100000)
	inRange(d, at+".refit", s.Refit, 10, 1000000)
	inRange(d, at+".window", s.Window, 50, 100000)
	inRange(d, at+".buffer", s.Buffer, 100, 1000000)
	inRange(d, at+".delay", s.Delay, 1, 100000)
	if s.Window < s.WarmUp {
		d.invalid(at+".window", "found %d, expected at least the warm-up of %d rows", s.Window, s.WarmUp)
	}
	if _, err := parseFrom(s.From); err != nil {
		d.invalid(at+".from", "%s", err)
	}
	validateLabels(d, at+".labels", s.Labels)
	validateDetectors(d, at+".detectors", s)
	validateIncidents(d, at+".incidents", &s.Incidents)
	validateGuards(d, at, s)
}

// validateLabels checks names that become labels of Alertmanager and fields of templates.
func validateLabels(d *configDecoder, at string, labels map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if !labelName.MatchString(name) {
			d.invalid(at+"."+name, "expected a name of letters, digits and '_' that does not start with a digit")
		}
	}
}

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]{0,99}$`)

func validateFeature(d *configDecoder, at string, s *streams.Definition, f streams.Feature) {
	if f.Name == "*" && len(s.Features) > 1 {
		d.invalid(at, "the feature \"*\" takes every numeric field and stands alone")
	}
	if f.Path == "" {
		d.invalid(at+".path", "expected the dotted path of the field")
	}
	for _, t := range f.Transforms {
		if _, err := features.ParseTransform(t); err != nil {
			d.invalid(at+".transforms", "%s", err)
		}
	}
	oneOf(d, at+".direction", f.Direction, streams.DirectionBoth, streams.DirectionUp, streams.DirectionDown)
	if f.MinDeviation < 0 {
		d.invalid(at+".min_deviation", "found %v, expected 0 or more", f.MinDeviation)
	}
	if f.MinRelative < 0 {
		d.invalid(at+".min_relative_deviation", "found %v, expected 0 or more", f.MinRelative)
	}
	validateStuck(d, at+".stuck", f.Stuck)
	if f.Missing != streams.MissingReject && f.Missing != streams.MissingHold {
		if _, err := strconv.ParseFloat(f.Missing, 64); err != nil {
			d.invalid(at+".missing", "found %q, expected reject, hold, or a number", f.Missing)
		}
	}
}

func validateDetectors(d *configDecoder, at string, s *streams.Definition) {
	if len(s.Detectors) == 0 {
		d.invalid(at, "expected at least one detector")
	}
	for i, spec := range s.Detectors {
		p := at + "." + strconv.Itoa(i)
		if !(spec.Weight > 0 && spec.Weight <= 1000) {
			d.invalid(p+".weight", "found %v, expected a number above 0 and at most 1000", spec.Weight)
		}
		if _, err := detectors.New(detectors.Spec{Name: spec.Name, Params: spec.Params}); err != nil {
			var pe *detectors.ParamError
			if errors.As(err, &pe) {
				d.invalid(p+"."+pe.Param, "found %v, expected %s", pe.Value, pe.Want)
				continue
			}
			d.invalid(p, "%s", err)
		}
	}
}

// start is where a new consumer group begins on its topic.
type start struct {
	latest bool
	back   time.Duration // Positive: this long before now.
	at     time.Time     // Not zero: at this time.
}

// parseFrom reads earliest, latest, -24h or an RFC 3339 time.
func parseFrom(s string) (start, error) {
	switch s {
	case "", "earliest":
		return start{}, nil
	case "latest":
		return start{latest: true}, nil
	}
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		if back, err := parseDuration(rest); err == nil && back > 0 {
			return start{back: back}, nil
		}
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return start{at: t}, nil
	}
	return start{}, fmt.Errorf("found %q, expected earliest, latest, a span back such as -24h, or a time such as 2026-01-02T15:04:05Z", s)
}

func oneOf(d *configDecoder, path, got string, want ...string) {
	if !slices.Contains(want, got) {
		shown := make([]string, 0, len(want))
		for _, w := range want {
			if w != "" {
				shown = append(shown, w)
			}
		}
		d.invalid(path, "found %q, expected one of: %s", got, strings.Join(shown, ", "))
	}
}

func inRange(d *configDecoder, path string, got, low, high int) {
	if got < low || got > high {
		d.invalid(path, "found %d, expected %d to %d", got, low, high)
	}
}

func validHostPort(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && n >= 0 && n <= 65535
}

// redactURL hides the password of a URL.
func redactURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "(unreadable)"
	}
	return u.Redacted()
}
