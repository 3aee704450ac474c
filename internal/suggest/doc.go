// Package suggest proposes the configuration of a stream from a sample of its events, with the reason for each choice.
package suggest
