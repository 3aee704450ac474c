//go:build receivers

package notify

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"anomalystream/internal/realreceivers"
)

// startMailpit starts a mail server and returns it with a target for each address that it is asked for.
func startMailpit(t *testing.T, scheme string) (*realreceivers.Mailpit, func(user, to string) *Target) {
	t.Helper()
	config, roots := selfSigned(t)
	key, err := x509.MarshalECPrivateKey(config.Certificates[0].PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, block *pem.Block) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	m := realreceivers.StartMailpit(t, write("cert.pem", &pem.Block{Type: "CERTIFICATE", Bytes: config.Certificates[0].Certificate[0]}),
		write("key.pem", &pem.Block{Type: "EC PRIVATE KEY", Bytes: key}), "robot", "geheim42", scheme == "smtps")
	return m, func(user, to string) *Target {
		target := open(t, Route{Kind: KindEmail, URL: scheme + "://" + user + m.SMTP + "/?from=robot@example.com&to=" + to, Text: "größer: {{.Key}}\n.\nQUIT\n" + strings.Repeat("x", 2000)})
		target.sender.(*mailer).roots = roots
		return target
	}
}

// TestMailpit sends by both ways of encryption to a server that knows its users.
func TestMailpit(t *testing.T) {
	for _, scheme := range []string{"smtp", "smtps"} {
		t.Run(scheme, func(t *testing.T) {
			m, target := startMailpit(t, scheme)
			n := opening()
			if err := target("robot:geheim42@", "ann@example.com,bob@example.com").Send(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			list := m.Letters()
			if len(list) != 1 {
				t.Fatalf("the server has %d letters, want one", len(list))
			}
			got := list[0]
			if got.MessageID != n.Key+"@anomalystream" || got.From.Address != "robot@example.com" || len(got.To) != 2 || got.To[1].Address != "bob@example.com" ||
				got.Subject != "Anomaly: sample web-1" || !got.Date.Equal(noon) {
				t.Errorf("got the letter %+v", got)
			}
			if want := "größer: " + n.Key + "\n.\nQUIT\n" + strings.Repeat("x", 2000); strings.TrimSpace(strings.ReplaceAll(got.Text, "\r\n", "\n")) != want {
				t.Errorf("got the text %q, want %q", got.Text, want)
			}
			for name, c := range map[string]struct {
				user, to  string
				command   string // That the server refuses,
				code      int    // with this code.
				permanent bool
				says      string
			}{
				"wrong password":    {"robot:geheim43@", "ann@example.com", "", 0, true, "535"},
				"no password":       {"", "ann@example.com", "", 0, true, "530"},
				"foreign recipient": {"robot:geheim42@", "ann@example.com,eve@elsewhere.example", "", 0, true, "550"},
				"busy":              {"robot:geheim42@", "ann@example.com", "Authentication", 454, false, "454"},
				"sender for good":   {"robot:geheim42@", "ann@example.com", "Sender", 553, true, "553"},
				"full mailbox":      {"robot:geheim42@", "ann@example.com", "Recipient", 452, false, "452"},
			} {
				m.Refuse(c.command, c.code)
				err := target(c.user, c.to).Send(t.Context(), opening())
				var f *Failure
				if !errors.As(err, &f) || f.Permanent != c.permanent || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "geheim4") {
					t.Errorf("%s: got %v, permanent %v, want %v and %s", name, err, f != nil && f.Permanent, c.permanent, c.says)
				}
			}
			m.Refuse("", 0)
			if n := len(m.Letters()); n != 1 {
				t.Errorf("after refusals the server has %d letters, want one", n)
			}
			m.Kill()
			if err := target("robot:geheim42@", "ann@example.com").Send(t.Context(), opening()); err == nil || isPermanent(err) {
				t.Errorf("a server that is away gives %v", err)
			}
			m.Restart()
			again := opening()
			again.At = time.Now()
			if err := target("robot:geheim42@", "ann@example.com").Send(t.Context(), again); err != nil {
				t.Errorf("a server that is back gives %v", err)
			}
		})
	}
}
