package checkpoint

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/IBM/sarama"
)

// TestErrorsOfTheConnection sorts what may pass by waiting from what a person must change, and says more where the error
// itself says nothing.
func TestErrorsOfTheConnection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err   error
		waits bool
		says  string
	}{
		"broker away":        {fmt.Errorf("dial tcp 10.0.0.1:9092: %w", syscall.ECONNREFUSED), true, "dial tcp 10.0.0.1:9092: connection refused"},
		"wrong port":         {io.EOF, true, "do kafka.tls and kafka.sasl fit this port?"},
		"TLS port":           {io.ErrUnexpectedEOF, true, "do kafka.tls and kafka.sasl fit this port?"},
		"unknown authority":  {&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, false, "unknown authority"},
		"no certificate":     {&net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}, false, "certificate required"},
		"broker closing":     {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, true, "reset"},
		"wrong password":     {sarama.ErrSASLAuthenticationFailed, false, "SASL Authentication failed"},
		"not allowed":        {sarama.ErrTopicAuthorizationFailed, false, "not authorized"},
		"leader not elected": {sarama.ErrLeaderNotAvailable, true, "leader"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := fmt.Errorf("%w: %w", sarama.ErrOutOfBrokers, c.err)
			if got := transient(err); got != c.waits {
				t.Errorf("transient is %v, want %v", got, c.waits)
			}
			if got := cause(err); !strings.Contains(got, c.says) || strings.Contains(got, "run out of available brokers") {
				t.Errorf("the cause is %q, want %q in it and nothing about running out", got, c.says)
			}
		})
	}
	if transient(&TopicError{}) || transient(errors.Join(ErrGroupActive)) {
		t.Error("waiting for what only a person can change")
	}
}
