//go:build browser

package browsertest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"anomalystream/api"
	"anomalystream/internal/freeport"
)

// outcome is one line of the script: the end of a check, or a request to the test.
type outcome struct {
	Check string `json:"check"` // Name of the check that has ended.
	Error string `json:"error"` // "" when it passed.
	Ask   string `json:"ask"`   // What to do with the server or the world; see start.
}

// drive runs the script's suite against an address. Each of its checks becomes a subtest; do answers what it asks for.
func drive(t *testing.T, suite, url string, environment []string, do func(ask string) error) {
	t.Helper()
	folder := install(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "node", filepath.Join(folder, "page.mjs"), suite, url)
	command.Env = append(os.Environ(), environment...)
	command.Env = append(command.Env, "CHROMIUM="+chromium(t))
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	checks := 0
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var o outcome
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			t.Errorf("line of the script: %q", lines.Text())
			continue
		}
		if o.Ask != "" {
			if err := do(o.Ask); err != nil {
				t.Errorf("%s: %v", o.Ask, err)
			}
			fmt.Fprintln(in, "done")
			continue
		}
		checks++
		t.Run(o.Check, func(t *testing.T) {
			if o.Error != "" {
				t.Error(o.Error)
			}
		})
	}
	if err := command.Wait(); err != nil {
		t.Errorf("running the script: %v", err)
	}
	if checks == 0 {
		t.Error("the script checked nothing")
	}
}

// start serves a world of our own and returns its address and what stops and starts its server.
func start(t *testing.T, tokens []api.Token) (url string, do func(ask string) error) {
	t.Helper()
	modules(t) // Before the world begins, whose warm-up is soon over: the first test of a machine waits for the registry.
	w := newWorld()
	go w.run(t.Context())
	addr, before := freeport.Address(t), 0
	s, err := serve(context.WithoutCancel(t.Context()), w, addr, tokens)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s != nil {
			_ = s.stop()
		}
	})
	return "http://" + addr, func(ask string) (err error) {
		switch ask {
		case "stop":
			before = w.found()
			err, s = s.stop(), nil
		case "start": // Only when clients have missed something.
			for deadline := time.Now().Add(time.Minute); w.found() < before+2; time.Sleep(50 * time.Millisecond) {
				if time.Now().After(deadline) {
					return fmt.Errorf("the world found nothing for a minute")
				}
			}
			s, err = serve(context.WithoutCancel(t.Context()), w, addr, tokens)
		case "flood":
			w.flood(5000)
		case "break":
			w.broken.Store(true)
		case "mend":
			w.broken.Store(false)
		case "fault":
			w.begin(presentFault, time.Now().UTC())
		case "storm":
			w.storm()
		case "heal":
			w.end(presentFault, time.Now().UTC())
		default:
			err = fmt.Errorf("unknown request")
		}
		return err
	}
}

func TestPage(t *testing.T) {
	if url := os.Getenv("ANOMALYSTREAM_URL"); url != "" {
		drive(t, "page", url, nil, nil)
		return
	}
	url, do := start(t, nil)
	drive(t, "page", url, nil, do)
}

// TestWorld checks what only a server of our own can show: restarts, warm-up, hostile names, deletion, many entities.
func TestWorld(t *testing.T) {
	url, do := start(t, nil)
	drive(t, "world", url, nil, do)
}

// TestAccess checks the page against a server that needs tokens.
func TestAccess(t *testing.T) {
	reader, admin := api.NewToken(), api.NewToken()
	url, do := start(t, []api.Token{
		{Name: "reader", SHA256: api.HashToken(reader), Role: api.RoleRead},
		{Name: "admin", SHA256: api.HashToken(admin), Role: api.RoleAdmin},
	})
	drive(t, "access", url, []string{"READER=" + reader, "ADMIN=" + admin}, do)
}

// TestIncidents goes through an incident from its opening to its recovery.
func TestIncidents(t *testing.T) {
	url, do := start(t, nil)
	drive(t, "incidents", url, nil, do)
}

// TestRoles checks who may say something about incidents.
func TestRoles(t *testing.T) {
	reader, writer := api.NewToken(), api.NewToken()
	url, do := start(t, []api.Token{
		{Name: "reader", SHA256: api.HashToken(reader), Role: api.RoleRead},
		{Name: "writer", SHA256: api.HashToken(writer), Role: api.RoleIngest},
	})
	drive(t, "roles", url, []string{"READER=" + reader, "WRITER=" + writer}, do)
}

// TestTrouble checks the page under a broken store and under a flood of anomalies.
func TestTrouble(t *testing.T) {
	url, do := start(t, nil)
	drive(t, "trouble", url, nil, do)
}
