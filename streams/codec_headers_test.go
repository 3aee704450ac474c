package streams

import (
	"testing"
)

func TestPositionHeaders(t *testing.T) {
	t.Parallel()
	want := Position{Topic: "server_metrics", Partition: 7, Offset: 1 << 40}
	headers := map[string][]byte{}
	lookup := func(name string) []byte { return headers[name] }
	if _, ok, err := PositionFromHeaders(lookup); ok || err != nil {
		t.Errorf("without headers: got %v, %v", ok, err)
	}
	for _, h := range want.Headers() {
		headers[h.Key] = h.Value
	}
	if got, ok, err := PositionFromHeaders(lookup); got != want || !ok || err != nil {
		t.Errorf("got %v, %v, %v, want %v", got, ok, err, want)
	}
	for name, values := range map[string][]string{
		HeaderSourcePartition: {"", "x", "-1", "4294967296"},
		HeaderSourceOffset:    {"", "1.5", "-1", "9223372036854775808"},
	} {
		good := headers[name]
		for _, v := range values {
			headers[name] = []byte(v)
			if _, _, err := PositionFromHeaders(lookup); err == nil {
				t.Errorf("%s %q was accepted", name, v)
			}
		}
		headers[name] = good
	}
	if ReplayFromHeaders(lookup) {
		t.Error("a replay without its header")
	}
	headers[HeaderReplay] = []byte("1")
	if !ReplayFromHeaders(lookup) {
		t.Error("the replay header was not seen")
	}
}
