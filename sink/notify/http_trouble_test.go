package notify

import (
	"cmp"
	"compress/gzip"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"anomalystream/internal/kafkatest"
)

// raw starts a server that answers each request by these words, and then does something with the connection.
func raw(t *testing.T, words string, then func(*net.TCPConn)) string {
	t.Helper()
	return "http://" + listen(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1<<16))
		_, _ = io.WriteString(conn, words)
		if then != nil {
			then(conn.(*net.TCPConn))
		}
	})
}

// listen starts a TCP server until the end of the test and returns its address. talk has a connection, which is closed after it and
// at the end of the test.
func listen(t *testing.T, talk func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go func() {
				defer conn.Close()
				talk(conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// TestBrokenReceivers: servers that break the protocol or the network. The attempt ends in its time, little is read, and
// whatever has not said that it took the message gets it again.
func TestBrokenReceivers(t *testing.T) {
	t.Parallel()
	reset := func(c *net.TCPConn) { _ = c.SetLinger(0) }
	drip := func(c *net.TCPConn) {
		for {
			if _, err := io.WriteString(c, "x"); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	var flooded atomic.Int64
	flood := func(c *net.TCPConn) {
		for block := strings.Repeat("x", 1<<20); ; {
			n, err := io.WriteString(c, block)
			if flooded.Add(int64(n)); err != nil {
				return
			}
		}
	}
	trusted := httptest.NewUnstartedServer(http.HandlerFunc(fine)) // By nobody but itself.
	trusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	trusted.StartTLS()
	t.Cleanup(trusted.Close)
	for name, c := range map[string]struct {
		url       string
		ok        bool // The receiver has said yes before it went wrong.
		permanent bool
		timeout   time.Duration // Of an attempt that goes on for as long.
		says      string
	}{
		"reset at once":            {url: raw(t, "", reset), says: "reset"},
		"reset in the header":      {url: raw(t, "HTTP/1.1 200 O", reset), says: "connection broken"},
		"cut off in the header":    {url: raw(t, "HTTP/1.1 200 OK\r\nContent-", nil), says: "connection broken"},
		"reset in the body":        {url: raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf", reset), ok: true},
		"reset in a refusal":       {url: raw(t, "HTTP/1.1 503 No\r\nContent-Length: 1000\r\n\r\nhalf", reset), says: "503"},
		"header that drips":        {url: raw(t, "HTTP/1.1 200 OK\r\nX-Slow: ", drip), timeout: 2 * time.Second, says: "did not answer within"},
		"body that drips":          {url: raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n", drip), timeout: 4 * time.Second, ok: true},
		"refusal that drips":       {url: raw(t, "HTTP/1.1 500 No\r\nContent-Length: 100000000\r\n\r\n", drip), timeout: 4 * time.Second, says: "500"},
		"header without end":       {url: raw(t, "HTTP/1.1 200 OK\r\nX-Long: ", flood), says: "exceeded"},
		"body without end":         {url: raw(t, "HTTP/1.1 500 No\r\n\r\n", flood), says: "500"},
		"chunks without sense":     {url: raw(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", nil), ok: true},
		"no HTTP":                  {url: raw(t, "220 mail.example.com ESMTP\r\n", nil), says: "malformed"},
		"informational for ever":   {url: raw(t, strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 5000), nil), says: ""},
		"moved for good":           {url: raw(t, "HTTP/1.1 308 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", nil), permanent: true, says: "308"},
		"moved to itself":          {url: raw(t, "HTTP/1.1 307 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", nil), permanent: true, says: "307"},
		"certificate of nobody":    {url: trusted.URL, says: "certificate"},
		"no encryption":            {url: strings.Replace(raw(t, "HTTP/1.1 200 OK\r\n\r\n", nil), "http:", "https:", 1), says: "HTTP response to HTTPS client"},
		"no encryption, and hangs": {url: strings.Replace(raw(t, "", drip), "http:", "https:", 1), timeout: 2 * time.Second, says: ""},
	} {
		for _, kind := range []string{KindWebhook, KindAlertmanager, KindSlack} {
			if kind == KindSlack && strings.HasPrefix(c.url, "https:") {
				continue // The detour does not encrypt.
			}
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				r := Route{Kind: kind, URL: c.url + "/hook", Timeout: cmp.Or(c.timeout, kafkatest.Deadline)}
				if kind == KindSlack {
					r.URL, r.Transport = chats[KindSlack].url, detour{c.url}
				}
				started := time.Now()
				err := open(t, r).Send(t.Context(), opening())
				if took := time.Since(started); took > kafkatest.Deadline/2 {
					t.Errorf("the attempt took %s", took)
				}
				// A chat says yes in its body, so one that breaks off has not.
				if c.ok && kind != KindSlack && err != nil || !c.ok && err == nil {
					t.Fatalf("got the error %v", err)
				}
				if err != nil && (isPermanent(err) != c.permanent || !c.ok && kind != KindSlack && !strings.Contains(err.Error(), c.says)) {
					t.Errorf("permanent: %v, want %v and %q: %v", isPermanent(err), c.permanent, c.says, err)
				}
			})
		}
	}
	t.Cleanup(func() {
		if n := flooded.Load(); n > 256<<20 {
			t.Errorf("%d MB were read", n>>20)
		}
	})
}

// TestAnswerThatUnpacks: a small answer may be a large one in disguise.
func TestAnswerThatUnpacks(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(http.StatusBadGateway)
		z := gzip.NewWriter(w)
		for block := make([]byte, 1<<20); ; {
			if _, err := z.Write(block); err != nil {
				return
			}
		}
	})
	err := open(t, Route{Kind: KindWebhook, URL: r.URL, Timeout: 30 * time.Second}).Send(t.Context(), opening())
	if err == nil || isPermanent(err) || !strings.Contains(err.Error(), "502") || len(err.Error()) > 2*maxReason {
		t.Errorf("got %v", err)
	}
}
