package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"time"

	"github.com/alecthomas/kong"
)

// versionCmd prints the version.
type versionCmd struct{}

// Run prints version, Go version and platform.
func (versionCmd) Run(a *app) error { return printVersion(a.stdout) }

// versionFlag is the same as a flag, which is what people try first.
type versionFlag bool

// BeforeReset prints the version and ends, before anything else of the command line is looked at.
func (versionFlag) BeforeReset(k *kong.Kong) error {
	err := printVersion(k.Stdout)
	k.Exit(exitOK)
	return err
}

func printVersion(w io.Writer) error {
	_, err := fmt.Fprintf(w, "anomalystream %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// healthCmd asks a running API for its health: the image holds no shell and no curl.
type healthCmd struct {
	URL string `default:"http://127.0.0.1:8000/readyz" help:"Address to ask. With TLS or another port, say so here."`
}

// Run fails unless the answer is 200.
func (c *healthCmd) Run(a *app) error {
	ctx, cancel := context.WithTimeout(a.ctx, 4*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return usagef("reading the address: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("asking for health: %w", err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("asking for health: %s: %s", res.Status, body)
	}
	_, err = fmt.Fprintf(a.stdout, "%s\n", body)
	return err
}

// hashTokenCmd makes an API token.
type hashTokenCmd struct{}

// Run prints a fresh random token and its hash; only the hash belongs into the configuration.
func (hashTokenCmd) Run(a *app) error {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return fmt.Errorf("making a token: %w", err)
	}
	token := base64.RawURLEncoding.EncodeToString(raw)
	sum := sha256.Sum256([]byte(token))
	_, err := fmt.Fprintf(a.stdout, "token:  %s\nsha256: %s\n", token, hex.EncodeToString(sum[:]))
	return err
}
