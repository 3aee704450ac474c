package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// notifyYAML is a configuration with a stream, and a route with these keys.
func notifyYAML(route string) string {
	return "streams:\n  pay: {features: [a], labels: {team: web}}\nnotify:\n  routes:\n    team:\n      kind: webhook\n      url_env: HOOK\n      " + route + "\n"
}

func loadNotify(t *testing.T, text string, env ...string) (*Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "anomalystream.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadConfig(file, env)
}

func TestNotifyConfigBad(t *testing.T) {
	t.Parallel()
	for route, want := range map[string]string{
		"url: https://x":               ":8:7: notify.routes.team.url: unknown key, expected one of: kind, url_file",
		"kind: pigeon":                 "notify.routes.team.kind: found \"pigeon\", expected one of: webhook, alertmanager",
		"url_file: f":                  ":6:11: notify.routes.team: expected its address in one of url_file and url_env",
		"on: []":                       "notify.routes.team.on: expected at least one event",
		"on: [opened, closed]":         "notify.routes.team.on: found \"closed\", expected one of: opened, worsened, recovered",
		"group_wait: 2h":               ":8:19: notify.routes.team.group_wait: found 2h, expected 0s to 1h",
		"repeat: 1s":                   "notify.routes.team.repeat: found 1s, expected 1m to 720h",
		"limit: {messages: -1}":        "notify.routes.team.limit.messages: found -1, expected 0 to 10000",
		"limit: {per: 1s}":             "notify.routes.team.limit.per: found 1s, expected 10s to 24h",
		"timeout: 0s":                  "notify.routes.team.timeout: found 0s, expected 1s to 5m",
		"give_up: 30d":                 "notify.routes.team.give_up: found 720h, expected 1m to 168h",
		"match: {streams: [pya]}":      "notify.routes.team.match.streams: \"pya\" matches no configured stream; configured are: pay",
		"match: {kinds: [models]}":     "notify.routes.team.match.kinds: found \"models\"",
		"match: {min_severity: .nan}":  "notify.routes.team.match.min_severity: found NaN",
		"match: {min_alert_score: -1}": "notify.routes.team.match.min_alert_score: found -1",
		"match: {labels: {taem: web}}": "notify.routes.team.match.labels.taem: no configured stream has this label; there are: team",
		"title: '{{.Streem}}'":         ":8:14: notify.routes.team.title: for an incident of kind model that is open: title:1:2: executing",
		"template: |\n        a\n        {{.Peak.Score}}": "notify.routes.team.template: for an incident of kind silent that is open: template:2:7:",
		"title: '{{.Labels.taem}}'":                       "notify.routes.team.title: for an incident",
		"title: '{{'":                                     "notify.routes.team.title: title:1",
	} {
		text := notifyYAML(route)
		if strings.HasPrefix(route, "kind:") {
			text = strings.Replace(text, "      kind: webhook\n", "", 1)
		}
		_, err := loadNotify(t, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got\n%v\nwant it to contain %q", route, err, want)
		}
	}
	for text, want := range map[string]string{
		"notify: {link: 'javascript:alert(1)'}":                              "notify.link: found",
		"notify: {link: 'https://x/#/y'}":                                    "notify.link: found",
		"notify: {routes: [a]}":                                              "notify.routes: found a list, expected a mapping of route names",
		"notify: {routes: {'a b': {}}}":                                      "expected a route name of letters",
		"notify: {routes: {a: {}}}":                                          "notify.routes.a.kind: found \"\"",
		"streams: {s: {features: [a], topic: notifications}}":                "already belongs to anomalystream itself",
		"streams: {notify: {features: [a]}}":                                 "its consumer group anomalystream-notify already belongs to the notifications",
		"streams: {s: {features: [a], topic: anomalystream-notify-journal}}": "already belongs to anomalystream itself",
	} {
		if _, err := loadNotify(t, text+"\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got\n%v\nwant it to contain %q", text, err, want)
		}
	}
}

func TestNotifyConfigGood(t *testing.T) {
	t.Parallel()
	cfg, err := loadNotify(t, notifyYAML("match: {streams: ['p*'], labels: {team: 'w*'}, min_severity: 2}\n      repeat: 0\n      title: '{{.Labels.team}}: {{.Sentence}}'"),
		"ANOMALYSTREAM_NOTIFY__LINK=https://as.example.com", "ANOMALYSTREAM_NOTIFY__ROUTES__TEAM__GROUP_WAIT=1m")
	if err != nil {
		t.Fatal(err)
	}
	r := cfg.Notify.Routes.ByName["team"]
	if cfg.Notify.Link != "https://as.example.com" || r.GroupWait != time.Minute || r.Repeat != 0 || r.Limit.Messages != 30 || len(r.On) != 3 || r.Match.Labels["team"] != "w*" {
		t.Errorf("got %+v", r)
	}
	if cfg.Streams.Get("pay").Labels["team"] != "web" {
		t.Errorf("got the labels %v", cfg.Streams.Get("pay").Labels)
	}
	if _, err := cfg.Notify.target(&RouteConfig{Name: "x", Kind: "webhook", URLEnv: "ANOMALYSTREAM_TEST_NOT_SET"}); err == nil || !strings.Contains(err.Error(), "ANOMALYSTREAM_TEST_NOT_SET is not set") {
		t.Errorf("a missing address gives %v", err)
	}
}

// TestValidateShowsRoutes: what a configuration means includes who hears of incidents.
func TestValidateShowsRoutes(t *testing.T) {
	t.Parallel()
	file := writeFile(t, notifyYAML("limit: {messages: 5}"))
	got := command(t, "validate", "--config", file)
	if want := "team   webhook  the environment variable HOOK  opened, worsened, recovered  5 in 10m"; got.code != exitOK || !strings.Contains(got.stdout, want) {
		t.Errorf("got %+v, want it to contain %q", got, want)
	}
	if got := command(t, "validate", "--config", file, "--output", "json"); !strings.Contains(got.stdout, `"routes":["team"]`) {
		t.Errorf("got %+v", got)
	}
}
