//go:build unix

package realreceivers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// program is a server in a process of its own. It can be killed and started again on its data.
type program struct {
	t       testing.TB
	URL     string // Of its HTTP API.
	dir     string // Where it keeps its data.
	healthy string // Path that answers 200 when it is ready.
	command []string
	process *exec.Cmd
}

// launch starts the program, waits until it is ready, and ends it with the test.
func (p *program) launch() {
	p.t.Helper()
	p.t.Cleanup(p.Kill)
	p.Restart()
}

// Kill ends the program at once.
func (p *program) Kill() {
	if p.process != nil {
		_ = p.process.Process.Kill()
		_ = p.process.Wait()
		p.process = nil
	}
}

// Restart starts the program after Kill, at the same address.
func (p *program) Restart() {
	p.t.Helper()
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	p.process = exec.Command(p.command[0], p.command[1:]...)
	p.process.Dir, p.process.Stdout, p.process.Stderr = p.dir, log, log
	if err := p.process.Start(); err != nil {
		p.t.Fatalf("starting %s: %v", p.command[0], err)
	}
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		response, err := http.Get(p.URL + p.healthy)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(filepath.Join(p.dir, "log"))
			p.t.Fatalf("%s is not ready after three minutes: %v\n%s", p.command[0], err, text)
		}
	}
}

// call makes a request with a JSON body, nil for none, and reads the JSON answer into out, nil for none.
func (p *program) call(method, path, token string, body, out any) {
	p.t.Helper()
	if err := p.ask(method, path, token, body, out); err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
}

func (p *program) ask(method, path, token string, body, out any) error {
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(b)
	}
	request, err := http.NewRequest(method, p.URL+path, sent)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s: %s", response.Status, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}
