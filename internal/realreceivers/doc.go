// Package realreceivers starts the real programs that notifications go to, for tests: Alertmanager, Mailpit (an SMTP server
// that keeps its letters) and Synapse (a Matrix chat server). They run on loopback, without a container. The first use fetches
// the pinned versions from the package registries; a test fails where they cannot be had, since a lane that runs without its
// server proves nothing.
package realreceivers
