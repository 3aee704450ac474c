package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"anomalystream/streams"
)

// Kinds of route.
const (
	KindWebhook      = "webhook"      // The whole notification as JSON, by POST.
	KindAlertmanager = "alertmanager" // The v2 API of Prometheus Alertmanager.
	KindEmail        = "email"        // SMTP.
	KindSlack        = "slack"
	KindTeams        = "teams"
	KindDiscord      = "discord"
	KindTelegram     = "telegram"
	KindShoutrrr     = "shoutrrr" // Any other service of shoutrrr that speaks HTTP.
)

// Kinds returns every kind of route.
func Kinds() []string {
	return []string{KindWebhook, KindAlertmanager, KindEmail, KindSlack, KindTeams, KindDiscord, KindTelegram, KindShoutrrr}
}

// Route says where the messages of a route go, and what they look like.
type Route struct {
	Name    string
	Kind    string
	URL     string        // Where to; it holds the secrets. Its form depends on the kind.
	Link    string        // Address of the page, "" for messages without a link.
	Title   string        // Template; "" for ours.
	Text    string        // Template; "" for ours.
	Timeout time.Duration // Of one attempt; default 15 s.
	GiveUp  time.Duration // A message that could not be delivered this long after it was planned is given up; default 24 h.

	Transport http.RoundTripper // Default one of our own.
}

// Bounds on what a receiver may make us wait for, and read.
const (
	defaultTimeout = 15 * time.Second
	defaultGiveUp  = 24 * time.Hour
	maxAnswer      = 64 << 10 // Bytes of an answer that are looked at.
)

// WithDefaults returns the route with every unset field filled.
func (r Route) WithDefaults() Route {
	if r.Timeout == 0 {
		r.Timeout = defaultTimeout
	}
	if r.GiveUp == 0 {
		r.GiveUp = defaultGiveUp
	}
	if r.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost, t.MaxResponseHeaderBytes = 2, maxAnswer
		r.Transport = t
	}
	return r
}

// sender brings a message to the receiver. An error that is no *Failure may be cured by trying again.
type sender interface {
	send(ctx context.Context, m *message) error
}

// message is a notification as people see it.
type message struct {
	*streams.Notification
	Title string
	Text  string
	Link  string
}

// Target is a route that is ready to deliver. It is safe for concurrent use.
type Target struct {
	route    Route
	sender   sender
	renderer *renderer
	secrets  secrets
}

// Open checks a route and returns its target. It does not connect. The error never shows the URL, which is a secret.
func Open(r Route) (*Target, error) {
	r = r.WithDefaults()
	renderer, err := newRenderer(r)
	if err != nil {
		return nil, fmt.Errorf("opening route %s: %w", r.Name, err)
	}
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme == "" {
		return nil, fmt.Errorf("opening route %s: its address is no URL", r.Name)
	}
	secrets := secretsOf(r.Kind, u)
	s, err := newSender(r, u, secrets)
	if err != nil {
		return nil, fmt.Errorf("opening route %s: %w", r.Name, err)
	}
	return &Target{route: r, sender: s, renderer: renderer, secrets: secrets}, nil
}

func newSender(r Route, u *url.URL, s secrets) (sender, error) {
	post := &poster{client: &http.Client{Transport: r.Transport, CheckRedirect: stay}, secrets: s}
	switch r.Kind {
	case KindWebhook, KindAlertmanager:
		if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("expected an address that starts with http:// or https:// for the kind %s", r.Kind)
		}
		if r.Kind == KindWebhook {
			return webhook{post, r.URL}, nil
		}
		return newAlertmanager(post, u), nil
	case KindEmail:
		return newMail(u, r.Timeout)
	}
	if !slices.Contains(Kinds(), r.Kind) {
		return nil, fmt.Errorf("found the kind %q, expected one of: %s", r.Kind, strings.Join(Kinds(), ", "))
	}
	return newChat(r, u, s)
}

// Send makes one attempt to deliver a notification. A *Failure that is permanent will not be cured by trying again.
func (t *Target) Send(ctx context.Context, n *streams.Notification) error {
	ctx, cancel := context.WithTimeout(ctx, t.route.Timeout)
	defer cancel()
	m, err := t.renderer.render(n)
	if err != nil {
		return err
	}
	err = t.secrets.hideIn(t.sender.send(ctx, m))
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("the receiver did not answer within %s: %w", t.route.Timeout, err)
	}
	return err
}
