// This program prints live anomalies, or the revisions of incidents, one line each. It connects again by itself and misses
// nothing:
//
//	go run ./api/examples/go [-count N] [-since CURSOR] [ws://localhost:8000/ws/alerts?min_score=0.8]
//	go run ./api/examples/go ws://localhost:8000/ws/incidents
//
// A token is taken from ANOMALYSTREAM_TOKEN.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"time"

	"github.com/gorilla/websocket"
)

// item is an anomaly or a revision of an incident. It holds the members used here; there are more.
type item struct {
	ID     string `json:"id"`
	Stream string `json:"stream"`
	Entity string `json:"entity"`

	// Of an anomaly.
	Timestamp   string  `json:"timestamp"`
	Score       float64 `json:"score"`
	Explanation struct {
		Sentence string `json:"sentence"`
	} `json:"explanation"`

	// Of an incident; the newest revision says all about it.
	Revision int64  `json:"revision"`
	Change   string `json:"change"`
	Start    string `json:"start"`
	Sentence string `json:"sentence"`
}

func (i item) String() string {
	if i.Revision > 0 {
		return fmt.Sprintf("%s@%d %s %s %s %s %s", i.ID, i.Revision, i.Start, i.Stream, i.Entity, i.Change, i.Sentence)
	}
	return fmt.Sprintf("%s %s %s %s %.3f %s", i.ID, i.Timestamp, i.Stream, i.Entity, i.Score, i.Explanation.Sentence)
}

// frame is one message. Only frames of the types "anomalies" and "incidents" have items.
type frame struct {
	Seq    uint64 `json:"seq"`
	Type   string `json:"type"`
	Cursor string `json:"cursor"`
	Reason string `json:"reason"`
	Items  []item `json:"items"`
}

var errEnough = errors.New("as many as asked for")

// client follows the feed from one connection to the next.
type client struct {
	url    url.URL
	token  string
	cursor string // Where to go on.
	left   int    // Items to print before the end; negative for no end.
}

func main() {
	count := flag.Int("count", -1, "end after so many lines")
	since := flag.String("since", "", "start after a cursor, an anomaly's id, an incident's ID@REVISION, or an RFC 3339 time")
	flag.Parse()
	target := "ws://localhost:8000/ws/alerts"
	if flag.NArg() > 0 {
		target = flag.Arg(0)
	}
	u, err := url.Parse(target)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c := &client{url: *u, token: os.Getenv("ANOMALYSTREAM_TOKEN"), cursor: *since, left: *count}
	for {
		err := c.follow(ctx)
		if errors.Is(err, errEnough) || ctx.Err() != nil {
			return
		}
		fmt.Fprintln(os.Stderr, "connecting again:", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// follow prints what one connection brings, until it ends.
func (c *client) follow(ctx context.Context) error {
	u := c.url
	q := u.Query()
	if c.cursor != "" {
		q.Set("since", c.cursor)
	}
	u.RawQuery = q.Encode()
	header := http.Header{}
	if c.token != "" {
		header.Set("Authorization", "Bearer "+c.token)
	}
	conn, response, err := websocket.DefaultDialer.DialContext(ctx, u.String(), header)
	if err != nil {
		if response != nil {
			return fmt.Errorf("%w: %s", err, response.Status)
		}
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	for last := uint64(0); ; {
		// Heartbeats come every 15 s: silence means that the network is gone.
		if err := conn.SetReadDeadline(time.Now().Add(45 * time.Second)); err != nil {
			return err
		}
		var f frame
		if err := conn.ReadJSON(&f); err != nil {
			return err
		}
		if last != 0 && f.Seq != last+1 {
			return fmt.Errorf("frame %d follows %d", f.Seq, last)
		}
		last = f.Seq
		if f.Type == "gap" {
			fmt.Fprintln(os.Stderr, "some were missed:", f.Reason)
		}
		for _, i := range f.Items {
			fmt.Println(i)
			if c.left--; c.left == 0 {
				return errEnough
			}
		}
		if f.Cursor != "" {
			c.cursor = f.Cursor // After the items: a cursor says that they have been dealt with.
		}
	}
}
