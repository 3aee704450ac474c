package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// chat sends by a service of shoutrrr. Of those it has we take the ones that let us make their HTTP requests: only so is it
// bounded how long they take and how much they read.
type chat struct {
	address   string
	secrets   secrets
	transport http.RoundTripper
	titled    bool // The service has a place for the title; of others some refuse it and some drop it.
}

func newChat(r Route, u *url.URL, s secrets) (*chat, error) {
	if r.Kind != KindShoutrrr && u.Scheme != r.Kind {
		return nil, fmt.Errorf("expected an address that starts with %s:// for the kind %s", r.Kind, r.Kind)
	}
	// With a password it would log in while the address is read, out of our sight, and again for each message: servers allow few logins.
	if u.Scheme == "matrix" && u.User.Username() != "" {
		return nil, errors.New("expected matrix://:TOKEN@HOST/?rooms=ROOM with an access token, not a user with a password")
	}
	c := &chat{address: r.URL, secrets: s, transport: r.Transport, titled: r.Kind != KindShoutrrr}
	_, err := c.service(&visitor{})
	return c, err
}

func (c *chat) service(client types.HTTPClient) (types.Service, error) {
	silent := log.New(io.Discard, "", 0)
	// The services report their own URLs in errors, and these are secrets.
	services, err := router.NewWithOptions(silent, types.SenderOptions{HTTPClient: client})
	if err != nil {
		return nil, errors.New("shoutrrr cannot be used")
	}
	service, err := services.Locate(c.address)
	if err != nil {
		return nil, errors.New("its address is not as the documentation of shoutrrr says for this service")
	}
	if _, ok := service.(types.HTTPClientSetter); !ok {
		return nil, fmt.Errorf("the service %s does not work by HTTP, or not in bounded time", service.GetID())
	}
	return service, nil
}

// maxChat bounds the text of a message, in bytes: Telegram takes 4096 characters, the others more.
const maxChat = 3500

// calm keeps a text from calling people: names of entities come from whoever sends events.
var calm = strings.NewReplacer("@everyone", "@\u200beveryone", "@here", "@\u200bhere", "@channel", "@\u200bchannel", "<!", "<\u200b!", "<@", "<\u200b@")

// send makes one attempt. A service that goes on after the context has ended can make no more requests.
func (c *chat) send(ctx context.Context, m *message) error {
	v := &visitor{ctx: ctx, secrets: c.secrets, client: &http.Client{Transport: c.transport, CheckRedirect: stay}}
	service, err := c.service(v)
	if err != nil {
		return &Failure{Permanent: true, Err: err}
	}
	title, text := calm.Replace(m.Title), clip(calm.Replace(m.Text), maxChat)+"\n(message "+m.Key+")"
	params := types.Params{types.TitleKey: title}
	if !c.titled {
		text, params = title+"\n"+text, types.Params{}
	}
	done := make(chan error, 1)
	go func() { done <- service.Send(text, &params) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	asked, failure := v.outcome()
	switch {
	case failure != nil:
		return failure // It says more than the service does.
	case err == nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		return err
	}
	return &Failure{Permanent: !asked, Err: errors.New(oneLine(c.secrets.hide(err.Error()), maxSaying))}
}

// visitor makes the requests of one attempt, and keeps what came back.
type visitor struct {
	ctx     context.Context
	secrets secrets
	client  *http.Client

	mu      sync.Mutex
	asked   bool  // A request was made.
	failure error // Of the last one.
}

func (v *visitor) outcome() (asked bool, failure error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.asked, v.failure
}

// Do implements types.HTTPClient. Whatever fails, the service is told that its request was bad: some would wait and try again
// by themselves, for minutes and out of our sight.
func (v *visitor) Do(request *http.Request) (*http.Response, error) {
	response, answer, failure := v.ask(request)
	if failure == nil {
		failure = judge(response.StatusCode, response.Header, v.secrets.hide(string(answer)))
	}
	if failure != nil {
		response = &http.Response{
			Status: "400 Bad Request", StatusCode: http.StatusBadRequest, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{}, Request: request,
		}
	}
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(answer)), int64(len(answer))
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked, v.failure = true, failure
	return response, nil
}

// ask makes a request and reads the beginning of the answer.
func (v *visitor) ask(request *http.Request) (*http.Response, []byte, error) {
	response, err := v.client.Do(request.WithContext(v.ctx))
	if err != nil {
		return nil, nil, withoutURL(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, nil, err
	}
	return response, answer, nil
}
