package freeport

import (
	"net"
	"testing"
)

// TestAddresses: each is given once, can be listened at, and is none where somebody listens already.
func TestAddresses(t *testing.T) {
	t.Parallel()
	mu.Lock()
	next = span - 5 // It goes on at the lowest after the highest.
	mu.Unlock()
	given := map[string]bool{}
	for range 5 {
		for _, address := range append(Addresses(t, 3), Address(t)) {
			if given[address] {
				t.Errorf("%s is given twice", address)
			}
			given[address] = true
			l, err := net.Listen("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
		}
	}
	mu.Lock()
	next = span - 5
	mu.Unlock()
	if address := Address(t); given[address] {
		t.Errorf("%s is given although somebody listens there", address)
	}
}
