package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// headerKey carries the idempotency key of a message.
const headerKey = "Idempotency-Key"

// poster sends JSON by POST.
type poster struct {
	client  *http.Client
	secrets secrets
}

// stay keeps a client from following a redirection: it would turn most POSTs into GETs, and the message would be lost.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// post sends a body and judges the answer. Of the answer only the beginning is read, whatever its length.
func (p *poster) post(ctx context.Context, address, key string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return &Failure{Permanent: true, Err: errors.New("making the request: its address is no URL")}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "anomalystream")
	request.Header.Set(headerKey, key)
	response, err := p.client.Do(request)
	if err != nil {
		return withoutURL(err)
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer)) // What it says is for people: half of it will do.
	return judge(response.StatusCode, response.Header, p.secrets.hide(string(answer)))
}

// judge makes an error of an answer that is no success.
func judge(status int, header http.Header, answer string) error {
	if status >= 200 && status < 300 {
		return nil
	}
	f := &Failure{Permanent: permanent(status), After: retryAfter(header, time.Now())}
	f.Err = fmt.Errorf("the receiver answered %d %s", status, http.StatusText(status))
	if said := oneLine(answer, maxSaying); said != "" {
		f.Err = fmt.Errorf("%w: %s", f.Err, said)
	}
	return f
}

// permanent reports whether an answer means that the message will never be taken. Redirections are not followed.
func permanent(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status >= 300 && status < 500
}

// retryAfter reads how long the receiver asks to wait: seconds, or a date.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return time.Duration(min(seconds, int(longestAsked/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// withoutURL strips the address from an error of the HTTP client: it holds secrets.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// Bounds of what is kept of others' words, in bytes.
const (
	maxSaying = 300
	maxReason = 1000 // An error with all that our libraries add to it.
)

// oneLine is the beginning of a text, fit for a log and a dead letter.
func oneLine(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s[:min(len(s), most)], " "))
	return strings.Join(strings.Fields(s), " ")
}
