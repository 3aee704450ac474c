// Package freeport finds ports for the servers that tests start by themselves: a port that is chosen before its server listens,
// or that a server shall get again after it was down, must not go to somebody else in the meantime.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// The ports lie below those that systems give to whoever asks for any port, and to outgoing connections: Linux begins with 32768.
const (
	lowest = 20000
	span   = 12000
)

// Every process begins somewhere else and goes on from there, so it gives no port twice.
var (
	mu   sync.Mutex
	next = rand.IntN(span)
)

// Addresses returns n different free addresses of the loopback interface, host and port.
func Addresses(t testing.TB, n int) []string {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	var out []string
	for range span {
		if len(out) == n {
			return out
		}
		address := fmt.Sprintf("127.0.0.1:%d", lowest+next)
		next = (next + 1) % span
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue // Somebody listens there.
		}
		_ = l.Close()
		out = append(out, address)
	}
	t.Fatalf("no %d free ports from %d to %d", n, lowest, lowest+span-1)
	return nil
}

// Address returns a free address of the loopback interface.
func Address(t testing.TB) string {
	t.Helper()
	return Addresses(t, 1)[0]
}
