// Package browsertest drives the live page in a real browser. Its tests need Chromium, Node and npm and run with
//
//	go test -tags browser ./internal/browsertest
//
// They serve the page from the real API over a small world held in memory; with ANOMALYSTREAM_URL set, the tests that
// need no restart run against that address instead, for example against a running demo. Screenshots go to the directory
// named by ARTIFACTS, if any.
package browsertest
