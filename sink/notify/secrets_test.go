package notify

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"anomalystream/internal/kafkatest"
)

// confidential are addresses with what must never be seen of them.
var confidential = map[string]struct {
	kind, url string
	secrets   []string
}{
	"webhook": {KindWebhook, "http://geheimuser:geheimpass@RECEIVER/hooks/geheimtoken-1/in?sig=geheim%2Fsignature&x=1", []string{
		"geheim", base64.StdEncoding.EncodeToString([]byte("geheimuser:geheimpass")),
	}},
	"alertmanager": {KindAlertmanager, "http://geheimuser:geheimpass@RECEIVER/geheimpath", []string{
		"geheim", base64.StdEncoding.EncodeToString([]byte("geheimuser:geheimpass")),
	}},
	"slack":      {KindSlack, chats[KindSlack].url, []string{"T0123ABCD", "B0123ABCD", "abcdefghijklmnopqrstuvwx"}},
	"discord":    {KindDiscord, "discord://geheimtoken@123456789", []string{"geheim"}},
	"teams":      {KindTeams, chats[KindTeams].url, []string{"geheim"}},
	"telegram":   {KindTelegram, chats[KindTelegram].url, []string{"AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsawx"}},
	"ntfy":       {KindShoutrrr, "ntfy://geheimuser:geheimpass@ntfy.example.com/geheimtopic", []string{"geheim", base64.StdEncoding.EncodeToString([]byte("geheimuser:geheimpass"))}},
	"gotify":     {KindShoutrrr, chats["gotify"].url, []string{"Aaa.bbb.ccc.ddd"}},
	"opsgenie":   {KindShoutrrr, chats["opsgenie"].url, []string{"eb243592-faa2"}},
	"pagerduty":  {KindShoutrrr, chats["pagerduty"].url, []string{"eb243592faa24ba2a5511afdf565c889"}},
	"mattermost": {KindShoutrrr, "mattermost://robot@mattermost.example.com/geheimtoken", []string{"geheim"}},
	"rocketchat": {KindShoutrrr, "rocketchat://rocket.example.com/geheimA/geheimB", []string{"geheim"}},
	"googlechat": {KindShoutrrr, "googlechat://chat.googleapis.com/v1/spaces/FOO/messages?key=geheimkey&token=geheimtoken", []string{"geheim"}},
	"matrix":     {KindShoutrrr, "matrix://:geheimtoken@matrix.example.com/?rooms=!a:matrix.example.com", []string{"geheim"}},
}

// echoes are receivers that refuse a message and repeat all that they were asked, as error pages do.
var echoes = map[string]func(request string) string{
	"in its answer":        func(q string) string { return q },
	"at the end of a text": func(q string) string { return strings.Repeat("x", maxSaying-150) + q },
	"as HTML":              func(q string) string { return strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(q) },
	"in no HTTP at all":    nil,
}

// TestSecretsAreNotRepeated: what a receiver repeats of an address is hidden, and the reason around it is not.
func TestSecretsAreNotRepeated(t *testing.T) {
	t.Parallel()
	for name, c := range confidential {
		for how, echo := range echoes {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				at := echoing(t, echo)
				r := Route{Kind: c.kind, URL: strings.Replace(c.url, "RECEIVER", strings.TrimPrefix(at, "http://"), 1)}
				if r.URL == c.url {
					r.Transport = detour{at}
				}
				err := open(t, r).Send(t.Context(), opening())
				if err == nil {
					t.Fatal("the message was taken")
				}
				for _, secret := range c.secrets {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("the error shows %s: %v", secret, err)
					}
				}
				if echo != nil && !strings.Contains(err.Error(), "418") {
					t.Errorf("the error does not tell the answer: %v", err)
				}
			})
		}
	}
}

// echoing starts a receiver that answers with what it was asked.
func echoing(t *testing.T, echo func(string) string) string {
	t.Helper()
	if echo == nil {
		return "http://" + listen(t, func(conn net.Conn) {
			line, _ := bufio.NewReader(conn).ReadString('\n')
			fmt.Fprintf(conn, "%s\r\n\r\n", line)
		})
	}
	return newReceiver(t, func(w http.ResponseWriter, q *http.Request) {
		head, _ := httputil.DumpRequest(q, false)
		plain, _ := url.QueryUnescape(q.URL.String())
		http.Error(w, echo("cannot "+q.URL.String()+" "+plain+" "+string(head)), http.StatusTeapot)
	}).URL
}

// TestMailSecrets: a mail server that repeats the login. Whose letter it was may be seen.
func TestMailSecrets(t *testing.T) {
	t.Parallel()
	login := base64.StdEncoding.EncodeToString([]byte("\x00robot\x00geheim42"))
	s := &mailServer{stage: "AUTH", way: "535 5.7.8 bob@example.com: no AUTH PLAIN " + login + " (robot, geheim42)"}
	err := open(t, Route{Kind: KindEmail, URL: "smtp://robot:geheim42@" + s.start(t) + envelope + "&tls=none"}).Send(t.Context(), opening())
	if err == nil || strings.Contains(err.Error(), "geheim42") || strings.Contains(err.Error(), login) || !strings.Contains(err.Error(), "bob@example.com") {
		t.Errorf("got %v", err)
	}
}

// TestSecretsStayInTheProcess: neither the log nor the dead letters of a route show its address, whatever goes wrong.
func TestSecretsStayInTheProcess(t *testing.T) {
	t.Parallel()
	broker := start(t)
	var log bytes.Buffer
	refused := 0
	for _, name := range []string{"webhook", "slack", "telegram", "teams"} {
		c := confidential[name]
		at := echoing(t, echoes["in its answer"])
		r := Route{Name: name, Kind: c.kind, URL: strings.Replace(c.url, "RECEIVER", strings.TrimPrefix(at, "http://"), 1)}
		if r.URL == c.url {
			r.Transport = detour{at}
		}
		target, err := Open(r)
		if err != nil {
			t.Fatal(err)
		}
		consumer, err := NewConsumer(Config{
			Target: target, Topics: names, Brokers: broker.Brokers(), Sarama: clientConfig(),
			Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		if err != nil {
			t.Fatal(err)
		}
		record, _ := planned(t, name, "1")
		broker.Produce(record)
		refused++
		run(t, consumer, func() {
			kafkatest.Eventually(t, kafkatest.Deadline, func() error {
				if n := len(broker.ReadAll(names.DeadLetters())); n < refused {
					return fmt.Errorf("%d dead letters, want %d", n, refused)
				}
				return nil
			})
		})
	}
	texts := []string{log.String()}
	for _, m := range broker.ReadAll(names.DeadLetters()) {
		texts = append(texts, string(m.Value)+fmt.Sprint(m.Headers))
	}
	if !strings.Contains(texts[0], "418") {
		t.Fatalf("the log does not tell of the refusals: %s", texts[0])
	}
	for name, c := range confidential {
		for _, secret := range c.secrets {
			if i := slices.IndexFunc(texts, func(text string) bool { return strings.Contains(text, secret) }); i >= 0 {
				t.Errorf("%s of %s can be seen in %s", secret, name, texts[i])
			}
		}
	}
}

// run runs a consumer while a function works.
func run(t *testing.T, c *Consumer, work func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	work()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(kafkatest.Deadline):
		t.Error("the consumer does not end")
	}
}
