//go:build receivers

package notify

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"anomalystream/internal/realreceivers"
)

// TestMatrix sends to a room of a real chat server.
func TestMatrix(t *testing.T) {
	m := realreceivers.StartMatrix(t)
	host := strings.TrimPrefix(m.URL, "http://")
	address := func(credentials, room string) Route {
		return Route{Kind: KindShoutrrr, URL: "matrix://" + credentials + "@" + host + "/?disableTLS=yes&rooms=" + url.QueryEscape(room)}
	}
	n := opening()
	if err := open(t, address(":"+m.Token, m.Room)).Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	texts := m.Texts()
	if len(texts) != 1 {
		t.Fatalf("the room holds %q, want one message", texts)
	}
	for _, want := range []string{"Anomaly: sample web-1", "latency_ms is 912", n.Key} {
		if !strings.Contains(texts[0], want) {
			t.Errorf("the message does not hold %q: %s", want, texts[0])
		}
	}
	for name, r := range map[string]Route{
		"wrong token":  address(":syt_geheim43_geheim43", m.Room),
		"foreign room": address(":"+m.Token, "!geheim43:chat.example.com"),
	} {
		err := open(t, r).Send(t.Context(), opening())
		if !isPermanent(err) || strings.Contains(err.Error(), "geheim43") || strings.Contains(err.Error(), m.Token) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// It takes a few messages at once and then asks to wait: that is no refusal.
	var err error
	target := open(t, address(":"+m.Token, m.Room))
	taken := 1
	for ; taken < 100; taken++ {
		if err = target.Send(t.Context(), opening()); err != nil {
			break
		}
	}
	var f *Failure
	if !errors.As(err, &f) || f.Permanent || f.After <= 0 || !strings.Contains(err.Error(), "429") {
		t.Errorf("after %d messages: got %v, permanent %v", taken, err, isPermanent(err))
	}
	if got := len(m.Texts()); got != taken {
		t.Errorf("the room holds %d messages, want the %d that were taken", got, taken)
	}
}
