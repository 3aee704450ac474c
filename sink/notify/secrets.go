package notify

import (
	"cmp"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// secrets hides the parts of a route's address in what receivers and libraries say: many repeat what they were asked for, and
// it ends up in logs and dead letters. The zero value hides nothing.
type secrets struct{ replacer *strings.Replacer }

// shortest is the length from which a part of an address is hidden, in bytes: shorter ones are words such as "api".
const shortest = 6

// secretsOf finds them. Of the address of an e-mail only the password is secret, of a chat the host too: some are tokens.
func secretsOf(kind string, u *url.URL) secrets {
	var parts []string
	add := func(part string) {
		if len(part) >= shortest {
			parts = append(parts, part)
		}
	}
	var split func(text, separators string)
	split = func(text, separators string) {
		for _, part := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
			add(part)
			if plain, err := url.QueryUnescape(part); err == nil && plain != part {
				add(plain)
				split(plain, separators)
			}
		}
	}
	user := u.User.Username()
	if password, ok := u.User.Password(); ok {
		add(password)
		add(url.QueryEscape(password))
		add(base64.StdEncoding.EncodeToString([]byte(user + ":" + password)))             // As HTTP sends them,
		add(base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))) // and as SMTP does.
		add(base64.StdEncoding.EncodeToString([]byte(password)))
	}
	if kind != KindEmail {
		rest := []string{u.User.String(), u.EscapedPath(), u.RawQuery}
		if kind != KindWebhook && kind != KindAlertmanager {
			rest = append(rest, u.Host)
		}
		for _, text := range rest {
			split(text, "/@?&=,")
			split(text, "/@?&=,:-") // Some services make a path of what stands in one piece here.
		}
	}
	slices.SortFunc(parts, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // What holds another goes before it.
	pairs := make([]string, 0, 2*len(parts))
	for _, part := range parts {
		pairs = append(pairs, part, "***")
	}
	return secrets{strings.NewReplacer(pairs...)}
}

func (s secrets) hide(text string) string {
	if s.replacer == nil {
		return text // There is no address.
	}
	return s.replacer.Replace(text)
}

// discreet is an error whose text shows no secret and is short.
type discreet struct {
	text string
	err  error
}

func (d discreet) Error() string { return d.text }
func (d discreet) Unwrap() error { return d.err }

// hideIn hides the secrets in an error, nil in nil.
func (s secrets) hideIn(err error) error {
	if err == nil {
		return nil
	}
	return discreet{oneLine(s.hide(err.Error()), maxReason), err}
}
