package notify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"anomalystream/internal/kafkatest"
)

// mailbox is an SMTP server that keeps the letters it got.
type mailbox struct {
	letters chan string
	refuse  func(to string) error
	accept  func() error // Asked when a letter has arrived.
}

func (b *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &mailSession{box: b}, nil }

type mailSession struct {
	box *mailbox
	to  []string
}

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "robot" || password != "geheim42" {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "wrong password"}
		}
		return nil
	}), nil
}
func (s *mailSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	if s.box.refuse != nil {
		return s.box.refuse(to)
	}
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err == nil && s.box.accept != nil {
		err = s.box.accept()
	}
	if err == nil {
		s.box.letters <- strings.Join(s.to, ",") + "\n" + string(b)
	}
	return err
}
func (s *mailSession) Reset()        { s.to = nil }
func (s *mailSession) Logout() error { return nil }

// newMailbox starts a server and returns its address.
func newMailbox(t *testing.T, config *tls.Config, implicit bool) (*mailbox, string) {
	t.Helper()
	box := &mailbox{letters: make(chan string, 100)}
	server := smtp.NewServer(box)
	server.ErrorLog = log.New(io.Discard, "", 0)
	server.Domain, server.AllowInsecureAuth, server.TLSConfig = "mail.example.com", config == nil, config
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if implicit {
		listener = tls.NewListener(listener, config)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	return box, address
}

const envelope = "/?from=robot@example.com&to=ann@example.com,bob@example.com"

func TestMail(t *testing.T) {
	t.Parallel()
	box, address := newMailbox(t, nil, false)
	n := opening()
	target := open(t, Route{Kind: KindEmail, URL: "smtp://robot:geheim42@" + address + envelope + "&tls=none", Title: "{{.Sentence}}\nBcc: eve@example.com", Text: "größer: {{.Key}}\n.\nQUIT"})
	for range 2 {
		if err := target.Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	first, second := <-box.letters, <-box.letters
	if first != second {
		t.Errorf("the same message again is another letter:\n%s\n%s", first, second)
	}
	for _, want := range []string{"ann@example.com,bob@example.com\n", "Message-ID: <" + n.Key + "@anomalystream>", "X-Anomalystream-Key: " + n.Key, "gr=C3=B6=C3=9Fer: " + n.Key, "\r\nQUIT", "Date: Sun, 01 Mar 2026 12:00:00 +0000"} {
		if !strings.Contains(first, want) {
			t.Errorf("the letter does not hold %q:\n%s", want, first)
		}
	}
	if strings.Contains(first, "\r\nBcc:") {
		t.Errorf("a title makes a header:\n%s", first)
	}
}

// TestMailEncrypted: the connection must be encrypted unless the address says otherwise, with a certificate we trust.
func TestMailEncrypted(t *testing.T) {
	t.Parallel()
	plain, address := newMailbox(t, nil, false)
	err := open(t, Route{Kind: KindEmail, URL: "smtp://" + address + envelope}).Send(t.Context(), opening())
	if err == nil || len(plain.letters) > 0 {
		t.Errorf("a letter was sent in the clear: %v", err)
	}
	for _, scheme := range []string{"smtp", "smtps"} {
		config, roots := selfSigned(t)
		box, address := newMailbox(t, config, scheme == "smtps")
		target := open(t, Route{Kind: KindEmail, URL: scheme + "://robot:geheim42@" + address + envelope})
		err := target.Send(t.Context(), opening())
		var unknown *tls.CertificateVerificationError
		if !errors.As(err, &unknown) || len(box.letters) > 0 {
			t.Errorf("%s: a letter was sent to a server that nobody vouches for: %v", scheme, err)
		}
		target.sender.(*mailer).roots = roots
		if err := target.Send(t.Context(), opening()); err != nil || len(box.letters) != 1 {
			t.Errorf("%s: a letter was not sent to a server that somebody vouches for: %v", scheme, err)
		}
	}
}

func selfSigned(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, roots
}

func TestMailFailures(t *testing.T) {
	t.Parallel()
	full := &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "mailbox full"}
	unknown := &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	for name, c := range map[string]struct {
		user      string
		change    func(*mailbox)
		permanent bool
		says      string
	}{
		"unknown recipient": {"robot:geheim42", func(b *mailbox) {
			b.refuse = func(to string) error {
				if strings.HasPrefix(to, "bob") {
					return unknown
				}
				return nil
			}
		}, true, "no such user"},
		"full mailbox":   {"robot:geheim42", func(b *mailbox) { b.refuse = func(string) error { return full } }, false, "mailbox full"},
		"refused letter": {"robot:geheim42", func(b *mailbox) { b.accept = func() error { return unknown } }, true, "no such user"},
		"wrong password": {"robot:geheim43", nil, true, "wrong password"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box, address := newMailbox(t, nil, false)
			if c.change != nil {
				c.change(box)
			}
			err := open(t, Route{Kind: KindEmail, URL: "smtp://" + c.user + "@" + address + envelope + "&tls=none"}).Send(t.Context(), opening())
			var f *Failure
			if !errors.As(err, &f) || f.Permanent != c.permanent || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "geheim4") {
				t.Errorf("got %v, permanent %v, want %v and %q", err, f != nil && f.Permanent, c.permanent, c.says)
			}
			if len(box.letters) > 0 {
				t.Error("some recipients got the letter, and will get it again")
			}
		})
	}
}

// TestMailServerThatHangs: one that takes the connection and says nothing, and one that never acknowledges the letter.
func TestMailServerThatHangs(t *testing.T) {
	t.Parallel()
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mute.Close() })
	box, slow := newMailbox(t, nil, false)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	box.accept = func() error { <-release; return nil }
	for _, address := range []string{mute.Addr().String(), slow} {
		started := time.Now()
		err := open(t, Route{Kind: KindEmail, URL: "smtp://" + address + envelope + "&tls=none", Timeout: 300 * time.Millisecond}).Send(t.Context(), opening())
		if err == nil || !strings.Contains(err.Error(), "did not answer within 300ms") || time.Since(started) > kafkatest.Deadline/2 {
			t.Errorf("after %s: %v", time.Since(started), err)
		}
	}
}
