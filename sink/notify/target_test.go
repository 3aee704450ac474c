package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"anomalystream/internal/freeport"
	"anomalystream/internal/kafkatest"
	"anomalystream/streams"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// sample is a notification of this event about an incident of a kind.
func sample(kind, event string) *streams.Notification {
	for _, n := range Samples("team", noon) {
		if n.Incident.Kind == kind && n.Event == event {
			n.Labels = map[string]string{"team": "web", "none": ""}
			return &n
		}
	}
	panic("no such sample")
}

func opening() *streams.Notification { return sample(streams.KindModel, streams.NotifyOpened) }

func digest() *streams.Notification {
	return &streams.Notification{
		Key: streams.NotificationKey("digest"), Route: "team", Event: streams.NotifyDigest, At: noon,
		Digest: &streams.Digest{From: noon.Add(-time.Hour), To: noon, Counts: streams.DigestCounts{Opened: 30, Recovered: 12},
			Largest: []streams.DigestEntry{{Incident: "a", Event: streams.NotifyOpened, Stream: "s", Entity: "web-1", Sentence: "it is odd"}}},
	}
}

func open(t *testing.T, r Route) *Target {
	t.Helper()
	r.Name = "team"
	target, err := Open(r)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// receiver is an HTTP server that keeps the requests it got.
type receiver struct {
	*httptest.Server
	requests chan received
}

type received struct {
	path, key string
	body      map[string]any
	list      []map[string]any
	text      string
}

func newReceiver(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	return newReceiverAt(t, "", answer)
}

func (r *receiver) receive(w http.ResponseWriter, q *http.Request, answer http.HandlerFunc) {
	b, _ := io.ReadAll(q.Body)
	got := received{path: q.URL.Path, key: q.Header.Get("Idempotency-Key"), text: string(b)}
	_ = json.Unmarshal(b, &got.body)
	_ = json.Unmarshal(b, &got.list)
	r.requests <- got
	answer(w, q)
}

func fine(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

func TestWebhook(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, fine)
	n := opening()
	if err := open(t, Route{Kind: KindWebhook, URL: r.URL + "/hook?token=x", Link: "https://as.example.com/"}).Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	got := <-r.requests
	if got.key != n.Key || got.path != "/hook" || got.body["link"] != "https://as.example.com/#/incidents/sample-0-1" {
		t.Errorf("got %+v", got)
	}
	if title := got.body["title"]; title != "Anomaly: sample web-1" {
		t.Errorf("got the title %q", title)
	}
	want, err := streams.MarshalNotification(n)
	if err != nil {
		t.Fatal(err)
	}
	var record map[string]any
	_ = json.Unmarshal(want, &record)
	if a, b := asJSON(got.body["notification"]), asJSON(record); a != b {
		t.Errorf("the notification arrived as\n%s\nwant\n%s", a, b)
	}
}

func asJSON(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func TestAlertmanager(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	target := open(t, Route{Kind: KindAlertmanager, URL: r.URL + "/am/", Link: "https://as.example.com"})
	opened, recovered := opening(), sample(streams.KindModel, streams.NotifyRecovered)
	for _, n := range []*streams.Notification{opened, recovered, digest()} {
		if err := target.Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	first, second, third := <-r.requests, <-r.requests, <-r.requests
	if first.path != "/am/api/v2/alerts" || len(first.list) != 1 {
		t.Fatalf("got %+v", first)
	}
	if a, b := asJSON(first.list[0]["labels"]), asJSON(second.list[0]["labels"]); a != b || a != `{"alertname":"AnomalystreamIncident","entity":"web-1","incident":"sample-0-1","kind":"model","stream":"sample","team":"web"}` {
		t.Errorf("an alert and its end have the labels\n%s\n%s", a, b)
	}
	if g := first.list[0]["generatorURL"]; g != "https://as.example.com/#/incidents/sample-0-1" {
		t.Errorf("got the link %v", g)
	}
	if s := third.list[0]["annotations"].(map[string]any)["summary"]; s != "42 messages held back: 30 opened, 0 worsened, 12 recovered, 0 repeated" {
		t.Errorf("got the digest %v", s)
	}
}

// TestAlertTimes: an alert is not over when it arrives, however late, unless it tells an end; and none ends before it starts.
func TestAlertTimes(t *testing.T) {
	t.Parallel()
	now := noon.Add(72 * time.Hour) // The receiver was away.
	ahead := func(n *streams.Notification) *streams.Notification {
		n.Incident.Start = noon.Add(time.Hour)
		if n.Incident.End != nil {
			end := noon.Add(2 * time.Hour)
			n.Incident.End = &end
		}
		return n
	}
	for name, c := range map[string]struct {
		n        *streams.Notification
		from, to time.Time
	}{
		"opening":       {opening(), noon.Add(-10 * time.Minute), now.Add(24 * time.Hour)},
		"end":           {sample(streams.KindModel, streams.NotifyRecovered), noon.Add(-10 * time.Minute), noon},
		"opening ahead": {ahead(opening()), noon, now.Add(24 * time.Hour)},
		"end ahead":     {ahead(sample(streams.KindModel, streams.NotifyRecovered)), noon, noon},
		"digest":        {digest(), noon.Add(-time.Hour), now.Add(time.Hour)},
	} {
		if got := alertOf(&message{Notification: c.n}, now); !got.StartsAt.Equal(c.from) || !got.EndsAt.Equal(c.to) {
			t.Errorf("%s: the alert is from %s to %s, want %s to %s", name, got.StartsAt, got.EndsAt, c.from, c.to)
		}
	}
}

// detour sends every request to a server of the test, wherever it is addressed to.
type detour struct{ to string }

func (d detour) RoundTrip(q *http.Request) (*http.Response, error) {
	q = q.Clone(q.Context())
	q.Header.Set("X-Host", q.URL.Host)
	q.URL.Scheme, q.URL.Host = "http", strings.TrimPrefix(d.to, "http://")
	return http.DefaultTransport.RoundTrip(q)
}

// chats are addresses of every chat service, with an answer that means success.
var chats = map[string]struct{ url, answer, contentType string }{
	KindSlack:    {"slack://hook:T0123ABCD-B0123ABCD-abcdefghijklmnopqrstuvwx@webhook", "ok", "text/plain"},
	KindDiscord:  {"discord://tokentokentoken@123456789", "", "text/plain"},
	KindTeams:    {"teams://?host=https%3A%2F%2Fprod-00.westus.logic.azure.com%2Fworkflows%2Fabc%2Ftriggers%2Fmanual%2Fpaths%2Finvoke%3Fsig%3Dgeheim", "1", "text/plain"},
	KindTelegram: {"telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsawx@telegram?chats=@channel", `{"ok":true,"result":{"message_id":1}}`, "application/json"},
	KindShoutrrr: {"ntfy://ntfy.example.com/topic", `{"id":"x"}`, "application/json"},
	"rocketchat": {"rocketchat://rocket.example.com/tokenA/tokenB", `{"success":true}`, "application/json"},
	"googlechat": {"googlechat://chat.googleapis.com/v1/spaces/FOO/messages?key=bar&token=baz", `{}`, "application/json"},
	"pagerduty":  {"pagerduty://events.pagerduty.com/eb243592faa24ba2a5511afdf565c889", `{}`, "application/json"},
	"opsgenie":   {"opsgenie://api.opsgenie.com/eb243592-faa2-4ba2-a551-1afdf565c889", `{}`, "application/json"},
	"mattermost": {"mattermost://robot@mattermost.example.com/token", "ok", "text/plain"},
	"matrix":     {"matrix://:syt_token@matrix.example.com/?rooms=!a:matrix.example.com", `{"event_id":"$x"}`, "application/json"},
	"gotify":     {"gotify://gotify.example.com/Aaa.bbb.ccc.ddd", `{"id":1}`, "application/json"},
}

func TestChats(t *testing.T) {
	t.Parallel()
	for name, c := range chats {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind := KindShoutrrr
			if slices.Contains(Kinds(), name) {
				kind = name
			}
			r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.contentType)
				if c.answer == "" {
					w.WriteHeader(http.StatusNoContent)
					return
				}
				_, _ = io.WriteString(w, c.answer)
			})
			n := opening()
			if err := open(t, Route{Kind: kind, URL: c.url, Transport: detour{r.URL}}).Send(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			got := <-r.requests
			for _, want := range []string{"Anomaly: sample web-1", "latency_ms is 912", n.Key} {
				if !strings.Contains(got.text, want) {
					t.Errorf("the message does not hold %q: %s", want, got.text)
				}
			}
			long := digest()
			for len(long.Digest.Largest) < streams.MaxDigestEntries {
				long.Digest.Largest = append(long.Digest.Largest, streams.DigestEntry{Stream: "s", Sentence: strings.Repeat("é", 150)})
			}
			if err := open(t, Route{Kind: kind, URL: c.url, Transport: detour{r.URL}}).Send(t.Context(), long); err != nil {
				t.Errorf("the longest digest is not taken: %v", err)
			}
		})
	}
}

// TestEntitiesCallNobody: the name of an entity is no mention of a channel.
func TestEntitiesCallNobody(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	n := opening()
	n.Incident.Entity, n.Incident.Sentence = "<!channel>", "@everyone <@U123> look, @here"
	if err := open(t, Route{Kind: KindSlack, URL: chats[KindSlack].url, Transport: detour{r.URL}}).Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	got := <-r.requests
	for _, bad := range []string{"<!channel", "@everyone", "<@U", "@here", `\u003c!channel`, `\u003c@U`} {
		if strings.Contains(got.text, bad) {
			t.Errorf("the message holds %q: %s", bad, got.text)
		}
	}
}

// TestFailures: what a receiver can do wrong ends in bounded time and memory, and the error says whether trying again helps,
// and no secret.
func TestFailures(t *testing.T) {
	t.Parallel()
	nobody := "http://" + freeport.Address(t)
	forever := func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() }
	huge := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			block := make([]byte, 1<<20)
			for range 100 {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}
	}
	answer := func(status int, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			http.Error(w, "some\treason\x00", status)
		}
	}
	for name, c := range map[string]struct {
		answer    http.HandlerFunc
		ok        bool
		permanent bool
		timeout   time.Duration // Of a receiver that is waited for in vain.
		after     time.Duration
		says      string
	}{
		"hangs": {answer: forever, timeout: 300 * time.Millisecond, says: "did not answer within 300ms"},
		"trickles": {answer: func(w http.ResponseWriter, q *http.Request) {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			<-q.Context().Done()
		}, timeout: 3 * time.Second, ok: true},
		"500":            {answer: answer(500), says: "the receiver answered 500 Internal Server Error: some reason"},
		"429":            {answer: answer(429, "Retry-After", "7"), after: 7 * time.Second, says: "429"},
		"503 for a day":  {answer: answer(503, "Retry-After", "86400"), after: time.Hour, says: "503"},
		"404":            {answer: answer(404), permanent: true, says: "404"},
		"redirection":    {answer: answer(302, "Location", "/elsewhere"), permanent: true, says: "302"},
		"100 MB, fine":   {answer: huge(200), ok: true},
		"100 MB, failed": {answer: huge(502), says: "502"},
		"cut off":        {answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, says: "EOF"},
		"nobody there":   {says: "connection refused"},
	} {
		for _, kind := range []string{KindWebhook, KindAlertmanager, KindDiscord} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				to := nobody
				if c.answer != nil {
					to = newReceiver(t, c.answer).URL
				}
				r := Route{Kind: kind, URL: "http://user:geheim42@" + strings.TrimPrefix(to, "http://") + "/geheim42", Timeout: cmp.Or(c.timeout, kafkatest.Deadline)}
				if kind == KindDiscord {
					r.URL, r.Transport = "discord://geheim42@123456789", detour{to}
				}
				err := open(t, r).Send(t.Context(), opening())
				if c.ok && kind != KindDiscord && err != nil || !c.ok && err == nil {
					t.Fatalf("got the error %v", err)
				}
				if err == nil {
					return
				}
				var f *Failure
				if errors.As(err, &f); f != nil && f.Permanent != c.permanent || f == nil && c.permanent {
					t.Errorf("permanent: %v, want %v: %v", f != nil && f.Permanent, c.permanent, err)
				}
				if c.after > 0 && (f == nil || f.After != c.after) {
					t.Errorf("asked to wait, got %+v, want %s", f, c.after)
				}
				if !strings.Contains(err.Error(), c.says) && kind != KindDiscord || strings.Contains(err.Error(), "geheim42") || strings.Contains(err.Error(), "\x00") {
					t.Errorf("the error says %q, want it to contain %q and no secret", err, c.says)
				}
			})
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]Route{
		"no address":         {Kind: KindWebhook},
		"no URL":             {Kind: KindWebhook, URL: "geheim42 %zz"},
		"other scheme":       {Kind: KindWebhook, URL: "ftp://geheim42.example.com"},
		"no host":            {Kind: KindAlertmanager, URL: "http:///geheim42"},
		"unknown kind":       {Kind: "pigeon", URL: "https://geheim42.example.com"},
		"scheme of another":  {Kind: KindSlack, URL: "discord://geheim42@1"},
		"unknown service":    {Kind: KindShoutrrr, URL: "pigeon://geheim42"},
		"no HTTP service":    {Kind: KindShoutrrr, URL: "smtp://geheim42@example.com/?from=a@b.c&to=a@b.c"},
		"chat with a login":  {Kind: KindShoutrrr, URL: "matrix://robot:geheim42@127.0.0.1:1/?disableTLS=yes&rooms=!a:b"},
		"half an address":    {Kind: KindTelegram, URL: "telegram://geheim42@telegram"},
		"mail to nobody":     {Kind: KindEmail, URL: "smtp://geheim42@example.com/?from=a@b.c"},
		"mail to no address": {Kind: KindEmail, URL: "smtp://geheim42@example.com/?from=a@b.c&to=geheim42"},
		"mail parameter":     {Kind: KindEmail, URL: "smtp://geheim42@example.com/?from=a@b.c&to=a@b.c&cc=x@y.z"},
		"mail encryption":    {Kind: KindEmail, URL: "smtp://geheim42@example.com/?from=a@b.c&to=a@b.c&tls=maybe"},
		"mail port":          {Kind: KindEmail, URL: "smtp://geheim42@example.com:99999/?from=a@b.c&to=a@b.c"},
		"template":           {Kind: KindWebhook, URL: "https://example.com", Title: "{{"},
	} {
		if _, err := Open(r); err == nil || strings.Contains(err.Error(), "geheim42") {
			t.Errorf("%s: got the error %v", name, err)
		}
	}
}

func TestContextEndsAnAttempt(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-r.requests; cancel() }()
	if err := open(t, Route{Kind: KindWebhook, URL: r.URL, Timeout: time.Hour}).Send(ctx, opening()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
