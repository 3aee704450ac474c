package main

import (
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"anomalystream/sink/notify"
	"anomalystream/streams"
)

// NotifyConfig says who hears of incidents.
type NotifyConfig struct {
	Link   string   `yaml:"link"` // Address of the page as people reach it, for the links in messages; "" for none.
	Routes RouteMap `yaml:"routes"`
}

// RouteConfig is one route. Its address is a secret and comes from a file or an environment variable only.
type RouteConfig struct {
	Name      string        `yaml:"-"`
	Kind      string        `yaml:"kind"`
	URLFile   string        `yaml:"url_file"`
	URLEnv    string        `yaml:"url_env"`
	Match     MatchConfig   `yaml:"match"`
	On        []string      `yaml:"on"`
	GroupWait time.Duration `yaml:"group_wait"`
	Repeat    time.Duration `yaml:"repeat"` // 0 for never.
	Limit     LimitConfig   `yaml:"limit"`
	Timeout   time.Duration `yaml:"timeout"`
	GiveUp    time.Duration `yaml:"give_up"`
	Title     string        `yaml:"title"`    // Template; "" for ours.
	Template  string        `yaml:"template"` // The same for the text.
}

// MatchConfig selects incidents; empty keys do not restrict.
type MatchConfig struct {
	Streams     []string          `yaml:"streams"`
	Entities    []string          `yaml:"entities"`
	Kinds       []string          `yaml:"kinds"`
	MinSeverity float64           `yaml:"min_severity"`
	MinAlert    float64           `yaml:"min_alert_score"`
	Labels      map[string]string `yaml:"labels"`
}

// LimitConfig limits the messages of a route.
type LimitConfig struct {
	Messages int           `yaml:"messages"` // 0 for any number.
	Per      time.Duration `yaml:"per"`
}

// RouteMap is the ordered section "routes".
type RouteMap struct {
	Order  []string
	ByName map[string]*RouteConfig
}

// Names returns the names of the routes in file order.
func (m *RouteMap) Names() []string { return append([]string{}, m.Order...) }

// All returns the routes in file order.
func (m *RouteMap) All() []*RouteConfig {
	out := make([]*RouteConfig, 0, len(m.Order))
	for _, name := range m.Order {
		out = append(out, m.ByName[name])
	}
	return out
}

// defaultRoute returns the defaults of a route of this name.
func defaultRoute(name string) *RouteConfig {
	return &RouteConfig{
		Name: name, On: []string{streams.NotifyOpened, streams.NotifyWorsened, streams.NotifyRecovered}, GroupWait: 30 * time.Second,
		Repeat: 4 * time.Hour, Limit: LimitConfig{Messages: 30, Per: 10 * time.Minute}, Timeout: 15 * time.Second, GiveUp: 24 * time.Hour,
	}
}

// routeMap decodes the section of routes; a route starts from what it already is (file before environment), else from the
// defaults.
func (d *configDecoder) routeMap(n ast.Node, m *RouteMap, path string) {
	entries, _ := d.entries(n, path, "a mapping of route names")
	for _, e := range entries {
		name := keyName(e)
		at := join(path, name)
		if !validStreamName(name) {
			d.problem(e.Key, at, "expected a route name of letters, digits, '_', '-' and '.', at most 100 characters")
			continue
		}
		route := m.ByName[name]
		if route == nil {
			route = defaultRoute(name)
			if m.ByName == nil {
				m.ByName = map[string]*RouteConfig{}
			}
			m.ByName[name] = route
			m.Order = append(m.Order, name)
		}
		d.value(e.Value, reflect.ValueOf(route).Elem(), at)
	}
}

func (c *Config) validateNotify(d *configDecoder) {
	if link := c.Notify.Link; link != "" {
		if u, err := url.Parse(link); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Fragment != "" || u.RawQuery != "" {
			d.invalid("notify.link", "found %q, expected an address such as https://anomalystream.example.com", redactURL(link))
		}
	}
	for _, r := range c.Notify.Routes.All() {
		at := "notify.routes." + r.Name
		oneOf(d, at+".kind", r.Kind, notify.Kinds()...)
		if (r.URLFile == "") == (r.URLEnv == "") {
			d.invalid(at, "expected its address in one of url_file and url_env")
		}
		c.validateMatch(d, at+".match", &r.Match)
		if len(r.On) == 0 {
			d.invalid(at+".on", "expected at least one event")
		}
		for _, event := range r.On {
			oneOf(d, at+".on", event, streams.NotifyOpened, streams.NotifyWorsened, streams.NotifyRecovered)
		}
		between(d, at+".group_wait", r.GroupWait, 0, time.Hour)
		if r.Repeat != 0 {
			between(d, at+".repeat", r.Repeat, time.Minute, 30*24*time.Hour)
		}
		inRange(d, at+".limit.messages", r.Limit.Messages, 0, 10000)
		between(d, at+".limit.per", r.Limit.Per, 10*time.Second, 24*time.Hour)
		between(d, at+".timeout", r.Timeout, time.Second, 5*time.Minute)
		between(d, at+".give_up", r.GiveUp, time.Minute, 7*24*time.Hour)
		for name, text := range map[string]string{"title": r.Title, "template": r.Template} {
			if text == "" {
				continue
			}
			if err := notify.CheckTemplate(name, text, c.labelNames()); err != nil {
				d.invalid(at+"."+name, "%s", err)
			}
		}
	}
}

// validateMatch finds mistyped names: what matches nothing that is configured.
func (c *Config) validateMatch(d *configDecoder, at string, m *MatchConfig) {
	for _, pattern := range m.Streams {
		if !slices.ContainsFunc(c.Streams.Order, func(name string) bool { return streams.MatchPattern(pattern, name) }) {
			d.invalid(at+".streams", "%q matches no configured stream; configured are: %s", pattern, strings.Join(c.Streams.Order, ", "))
		}
	}
	for _, kind := range m.Kinds {
		oneOf(d, at+".kinds", kind, streams.KindModel, streams.KindRule, streams.KindStuck, streams.KindSilent, streams.KindGroup)
	}
	if !(m.MinSeverity >= 0) {
		d.invalid(at+".min_severity", "found %v, expected 0 or more", m.MinSeverity)
	}
	if !(m.MinAlert >= 0) {
		d.invalid(at+".min_alert_score", "found %v, expected 0 or more", m.MinAlert)
	}
	names := c.labelNames()
	for _, name := range slices.Sorted(maps.Keys(m.Labels)) {
		if !slices.Contains(names, name) {
			d.invalid(at+".labels."+name, "no configured stream has this label%s", among(names))
		}
	}
}

func among(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "; there are: " + strings.Join(names, ", ")
}

// labelNames are the names of the labels of all streams.
func (c *Config) labelNames() []string {
	names := map[string]bool{}
	for _, s := range c.Streams.Definitions() {
		for name := range s.Labels {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func between(d *configDecoder, path string, got, low, high time.Duration) {
	if got < low || got > high {
		d.invalid(path, "found %s, expected %s to %s", short(got), short(low), short(high))
	}
}

// short writes a duration without the zero parts: 1h instead of 1h0m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// target opens a route, with its secret.
func (c *NotifyConfig) target(r *RouteConfig) (*notify.Target, error) {
	address, err := secret("the address of route "+r.Name, r.URLFile, r.URLEnv)
	if err != nil {
		return nil, usageError{err}
	}
	target, err := notify.Open(notify.Route{
		Name: r.Name, Kind: r.Kind, URL: strings.TrimSpace(address), Link: c.Link, Title: r.Title, Text: r.Template,
		Timeout: r.Timeout, GiveUp: r.GiveUp,
	})
	if err != nil {
		return nil, usageError{fmt.Errorf("%w (its address comes from %s)", err, r.source())}
	}
	return target, nil
}

// source says where the address comes from.
func (r *RouteConfig) source() string {
	if r.URLFile != "" {
		return "the file " + r.URLFile
	}
	return "the environment variable " + r.URLEnv
}
