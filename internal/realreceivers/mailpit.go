//go:build unix

package realreceivers

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"anomalystream/internal/freeport"
)

const mailpitVersion = "v1.33.1"

// Mailpit is a running SMTP server that keeps the letters it gets.
type Mailpit struct {
	program
	SMTP string // Address of its SMTP server.
}

// Letter is a letter as Mailpit has read it.
type Letter struct {
	ID        string
	MessageID string
	From      struct{ Address string }
	To        []struct{ Address string }
	Subject   string
	Date      time.Time
	Text      string
	Username  string // As whom it was sent.
}

// StartMailpit starts a Mailpit with the certificate and the key in these files, which lets in one user, and takes letters to
// example.com only. encrypted says whether connections are encrypted from the start, else by STARTTLS.
func StartMailpit(t testing.TB, cert, key, user, password string, encrypted bool) *Mailpit {
	t.Helper()
	binary := goProgram(t, "github.com/axllent/mailpit", mailpitVersion)
	dir, address := t.TempDir(), freeport.Address(t)
	users := filepath.Join(dir, "users")
	if err := os.WriteFile(users, []byte(user+":"+password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := &Mailpit{SMTP: freeport.Address(t)}
	m.program = program{t: t, URL: "http://" + address, dir: dir, healthy: "/readyz", command: []string{
		binary, "--listen=" + address, "--smtp=" + m.SMTP, "--database=" + filepath.Join(dir, "letters.db"), "--disable-version-check",
		"--smtp-auth-file=" + users, "--smtp-tls-cert=" + cert, "--smtp-tls-key=" + key, "--smtp-disable-rdns",
		"--smtp-allowed-recipients=@example\\.com$", "--enable-chaos", "--tags-username", "--smtp-strict-rfc-headers",
	}}
	if encrypted {
		m.command = append(m.command, "--smtp-require-tls")
	} else {
		m.command = append(m.command, "--smtp-require-starttls")
	}
	m.launch()
	return m
}

// Letters returns the letters it has got, the newest first.
func (m *Mailpit) Letters() []Letter {
	m.t.Helper()
	var list struct{ Messages []Letter }
	m.call("GET", "/api/v1/messages", "", nil, &list)
	for i := range list.Messages {
		m.call("GET", "/api/v1/message/"+url.PathEscape(list.Messages[i].ID), "", nil, &list.Messages[i])
	}
	return list.Messages
}

// Refuse makes the server answer a command (Authentication, Sender or Recipient) with this code; 0 lets it pass again.
func (m *Mailpit) Refuse(command string, code int) {
	m.t.Helper()
	trouble := map[string]any{}
	if code != 0 {
		trouble[command] = map[string]int{"ErrorCode": code, "Probability": 100}
	}
	m.call("PUT", "/api/v1/chaos", "", trouble, nil)
}
