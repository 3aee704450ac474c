package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

// mailer sends e-mail. Its address is smtp://USER:PASSWORD@HOST:PORT/?from=ADDRESS&to=ADDRESS,ADDRESS, or smtps:// where the
// connection is encrypted from the start. With smtp:// it becomes so by STARTTLS, unless tls= says opportunistic or none.
type mailer struct {
	host     string
	port     int
	user     *url.Userinfo
	implicit bool
	policy   mail.TLSPolicy
	from     string
	to       []string
	timeout  time.Duration
	roots    *x509.CertPool // Nil trusts the system's.
}

func newMail(u *url.URL, timeout time.Duration) (*mailer, error) {
	m := &mailer{host: u.Hostname(), user: u.User, timeout: timeout, policy: mail.TLSMandatory}
	switch u.Scheme {
	case "smtp":
		m.port = 587
	case "smtps":
		m.port, m.implicit = 465, true
	default:
		return nil, errors.New("expected an address that starts with smtp:// or smtps:// for the kind email")
	}
	if port := u.Port(); port != "" {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return nil, errors.New("the port of its address is none")
		}
		m.port = n
	}
	query := u.Query()
	for name := range query {
		if name != "from" && name != "to" && name != "tls" {
			return nil, fmt.Errorf("its address has the parameter %q, expected from, to and tls", name)
		}
	}
	switch query.Get("tls") {
	case "", "mandatory":
	case "opportunistic":
		m.policy = mail.TLSOpportunistic
	case "none":
		m.policy = mail.NoTLS
	default:
		return nil, errors.New("the parameter tls of its address is none of mandatory, opportunistic, none")
	}
	m.from = query.Get("from")
	for _, to := range query["to"] {
		m.to = append(m.to, strings.Split(to, ",")...)
	}
	if m.host == "" || m.from == "" || len(m.to) == 0 {
		return nil, errors.New("expected smtp://USER:PASSWORD@HOST:PORT/?from=ADDRESS&to=ADDRESS,ADDRESS")
	}
	if _, err := m.compose(&message{}); err != nil {
		return nil, err
	}
	return m, nil
}

// send delivers to all recipients or to none.
func (m *mailer) send(ctx context.Context, msg *message) error {
	letter, err := m.compose(msg)
	if err != nil {
		return &Failure{Permanent: true, Err: err}
	}
	client, err := m.client(ctx)
	if err != nil {
		return &Failure{Permanent: true, Err: err}
	}
	err = client.DialAndSendWithContext(ctx, letter)
	if err == nil || letter.IsDelivered() {
		return nil // What fails after the server has taken the letter, such as to say goodbye, is no failure.
	}
	return &Failure{Permanent: refusedForGood(err), Err: err}
}

func (m *mailer) compose(msg *message) (*mail.Msg, error) {
	letter := mail.NewMsg()
	if err := letter.From(m.from); err != nil {
		return nil, errors.New("the parameter from of its address is no e-mail address")
	}
	if err := letter.To(m.to...); err != nil {
		return nil, errors.New("the parameter to of its address holds something that is no e-mail address")
	}
	letter.Subject(oneLine(msg.Title, maxTitle))
	letter.SetBodyString(mail.TypeTextPlain, msg.Text+"\n")
	if msg.Notification != nil {
		// The same letter again has the same id and date, so that a mailbox can tell.
		letter.SetMessageIDWithValue(msg.Key + "@anomalystream")
		letter.SetDateWithValue(msg.At)
		letter.SetGenHeader("X-Anomalystream-Key", msg.Key)
	}
	return letter, nil
}

// client returns a client for one attempt.
func (m *mailer) client(ctx context.Context) (*mail.Client, error) {
	config := &tls.Config{ServerName: m.host, RootCAs: m.roots, MinVersion: tls.VersionTLS12}
	options := []mail.Option{
		mail.WithPort(m.port), mail.WithTLSConfig(config), mail.WithTLSPolicy(m.policy), mail.WithoutNoop(),
		mail.WithTimeout(m.timeout + time.Second), // The context of the attempt is over before, and says why.
	}
	if m.implicit {
		options = append(options, mail.WithSSL(), mail.WithDialContextFunc(dialer(ctx, config)))
	} else {
		options = append(options, mail.WithDialContextFunc(dialer(ctx, nil)))
	}
	if m.user != nil {
		password, _ := m.user.Password()
		options = append(options, m.login(), mail.WithUsername(m.user.Username()), mail.WithPassword(password))
	}
	return mail.NewClient(m.host, options...)
}

// login says how to prove who we are: never by a password in the clear, unless somebody has asked for it.
func (m *mailer) login() mail.Option {
	switch {
	case m.implicit: // The library does not see that our connection is encrypted, and would choose among less.
		return mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256PLUS, mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthSCRAMSHA1PLUS, mail.SMTPAuthSCRAMSHA1, mail.SMTPAuthPlain, mail.SMTPAuthLogin)
	case m.policy == mail.NoTLS:
		return mail.WithSMTPAuth(mail.SMTPAuthPlainNoEnc)
	}
	return mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover)
}

// refusedForGood reports whether the server has refused a letter with a code that says it always will.
func refusedForGood(err error) bool {
	var refused *textproto.Error
	if errors.As(err, &refused) {
		return refused.Code >= 500
	}
	var failed *mail.SendError
	return errors.As(err, &failed) && failed.ErrorCode() >= 500
}
