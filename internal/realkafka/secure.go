//go:build unix

package realkafka

import (
	"fmt"
	"testing"
)

// Secure is a cluster of one broker that also listens with every kind of encryption and authentication clients use.
type Secure struct {
	*Cluster
	SASLTLS   string // Address that asks for TLS and a password: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
	SASL      string // The same without TLS.
	MutualTLS string // Address that asks for a client's certificate.

	User, Password string   // Whom the broker knows.
	Ours           Identity // Made by the authority that made the broker's certificate, for localhost and 127.0.0.1.
	Foreign        Identity // Made by an authority the broker does not know.
}

// StartSecure starts a broker with secure listeners and stops it when the test ends.
func StartSecure(t testing.TB) *Secure {
	t.Helper()
	dir := t.TempDir()
	ours := newAuthority(t)
	sec := &security{
		user: "app", password: "app-secret",
		keystore: ours.issue(t, dir, "broker"),
	}
	s := &Secure{
		Cluster: start(t, 1, sec), User: sec.user, Password: sec.password,
		Ours: ours.issue(t, dir, "client"), Foreign: newAuthority(t).issue(t, dir, "foreign"),
	}
	for i, address := range []*string{&s.SASLTLS, &s.SASL, &s.MutualTLS} {
		*address = s.nodes[0].secure[i]
	}
	return s
}

// security is what brokers ask of clients; a nil one asks nothing.
type security struct {
	user, password string
	keystore       Identity // The broker's own; it trusts clients of the same authority.
}

type listener struct{ name, protocol string }

// listeners are the secure ones, in the order of the addresses of Secure.
func (s *security) listeners() []listener {
	if s == nil {
		return nil
	}
	return []listener{{"SASLTLS", "SASL_SSL"}, {"SASL", "SASL_PLAINTEXT"}, {"MUTUAL", "SSL"}}
}

// users are the arguments that make the storage know the user.
func (s *security) users() (args []string) {
	if s == nil {
		return nil
	}
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, s.user, s.password))
	}
	return args
}

// properties are the broker's settings.
func (s *security) properties() []string {
	if s == nil {
		return nil
	}
	lines := []string{
		"sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512,PLAIN",
		"ssl.keystore.type=PEM", "ssl.keystore.location=" + s.keystore.Pair,
		"ssl.truststore.type=PEM", "ssl.truststore.location=" + s.keystore.CA,
		"listener.name.mutual.ssl.client.auth=required",
	}
	for _, name := range []string{"sasltls", "sasl"} {
		prefix := "listener.name." + name
		lines = append(lines,
			fmt.Sprintf(`%s.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_%s="%s";`, prefix, s.user, s.password),
			prefix+".scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;",
			prefix+".scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;")
	}
	return lines
}
