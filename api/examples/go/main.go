// This program prints live anomalies, one line each. It connects again by itself and misses nothing:
//
//	go run ./api/examples/go [-count N] [-since CURSOR] [ws://localhost:8000/ws/alerts?min_score=0.8]
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

// anomaly holds the members used here; there are more.
type anomaly struct {
	ID          string  `json:"id"`
	Stream      string  `json:"stream"`
	Entity      string  `json:"entity"`
	Score       float64 `json:"score"`
	Timestamp   string  `json:"timestamp"`
	Explanation struct {
		Sentence string `json:"sentence"`
	} `json:"explanation"`
}

// frame is one message. Only frames of type "anomalies" have items.
type frame struct {
	Seq    uint64    `json:"seq"`
	Type   string    `json:"type"`
	Cursor string    `json:"cursor"`
	Reason string    `json:"reason"`
	Items  []anomaly `json:"items"`
}

var errEnough = errors.New("as many as asked for")

// client follows the feed from one connection to the next.
type client struct {
	url    url.URL
	token  string
	cursor string // Where to go on.
	left   int    // Anomalies to print before the end; negative for no end.
}

func main() {
	count := flag.Int("count", -1, "end after so many anomalies")
	since := flag.String("since", "", "start after a cursor, an anomaly's id, or an RFC 3339 time")
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
		for _, a := range f.Items {
			fmt.Printf("%s %s %s %s %.3f %s\n", a.ID, a.Timestamp, a.Stream, a.Entity, a.Score, a.Explanation.Sentence)
			if c.left--; c.left == 0 {
				return errEnough
			}
		}
		if f.Cursor != "" {
			c.cursor = f.Cursor // After the items: a cursor says that they have been dealt with.
		}
	}
}
