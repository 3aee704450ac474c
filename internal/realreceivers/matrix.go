//go:build unix

package realreceivers

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"anomalystream/internal/freeport"
)

const synapseVersion = "1.163.2"

// Matrix is a running Matrix chat server with a room and a user in it.
type Matrix struct {
	program
	Token string // Of the user.
	Room  string // Id of the room.
}

// StartMatrix starts a Synapse, with the rate limits it has by default.
func StartMatrix(t testing.TB) *Matrix {
	t.Helper()
	python := pythonPackage(t, "matrix-synapse", synapseVersion)
	dir, address := t.TempDir(), freeport.Address(t)
	file := filepath.Join(dir, "homeserver.yaml")
	generate := exec.Command(python, "-m", "synapse.app.homeserver", "--server-name=chat.example.com", "--config-path="+file, "--generate-config", "--report-stats=no")
	generate.Dir = dir
	if out, err := generate.CombinedOutput(); err != nil {
		t.Fatalf("making the configuration of Synapse: %v\n%s", err, out)
	}
	port := address[strings.LastIndexByte(address, ':')+1:]
	own := fmt.Sprintf(`
listeners: [{port: %s, type: http, bind_addresses: [127.0.0.1], resources: [{names: [client]}]}]
enable_registration: true
enable_registration_without_verification: true
trusted_key_servers: []
`, port)
	second := filepath.Join(dir, "own.yaml")
	if err := os.WriteFile(second, []byte(own), 0o644); err != nil {
		t.Fatal(err)
	}
	m := &Matrix{program: program{t: t, URL: "http://" + address, dir: dir, healthy: "/health", command: []string{
		python, "-m", "synapse.app.homeserver", "--config-path=" + file, "--config-path=" + second,
	}}}
	m.launch()
	var user struct {
		Token string `json:"access_token"`
	}
	m.call("POST", "/_matrix/client/v3/register", "", map[string]any{
		"username": "robot", "password": "geheim42", "auth": map[string]string{"type": "m.login.dummy"},
	}, &user)
	var room struct {
		ID string `json:"room_id"`
	}
	m.Token = user.Token
	m.call("POST", "/_matrix/client/v3/createRoom", m.Token, map[string]any{"name": "alerts"}, &room)
	m.Room = room.ID
	return m
}

// Texts returns what was said in the room, the newest first.
func (m *Matrix) Texts() []string {
	m.t.Helper()
	var page struct {
		Chunk []struct {
			Type    string `json:"type"`
			Content struct {
				Body string `json:"body"`
			} `json:"content"`
		} `json:"chunk"`
	}
	m.call("GET", "/_matrix/client/v3/rooms/"+url.PathEscape(m.Room)+"/messages?dir=b&limit=100", m.Token, nil, &page)
	var out []string
	for _, e := range page.Chunk {
		if e.Type == "m.room.message" {
			out = append(out, e.Content.Body)
		}
	}
	return out
}
