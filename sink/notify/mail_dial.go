package notify

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
)

// maxSaid is how much a mail server may say in one conversation, in bytes. Its answers are lines, and they are read whole.
const maxSaid = 1 << 20

// dialer returns a function that connects to a mail server for one attempt, encrypted where config is not nil. The connection
// ends with the attempt, wherever the conversation is.
func dialer(attempt context.Context, config *tls.Config) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		raw, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		conn := &conversation{Conn: raw, left: maxSaid}
		conn.stop = context.AfterFunc(attempt, func() { _ = raw.Close() })
		if config == nil {
			return conn, nil
		}
		encrypted := tls.Client(conn, config)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return encrypted, nil
	}
}

// conversation is a connection on which the other side may say so much and no more.
type conversation struct {
	net.Conn
	stop func() bool
	left int
}

func (c *conversation) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, fmt.Errorf("the server says more than %d bytes", maxSaid)
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

func (c *conversation) Close() error {
	c.stop()
	return c.Conn.Close()
}
