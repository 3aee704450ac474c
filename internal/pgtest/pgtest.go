//go:build unix

// Package pgtest gives tests a real Postgres: the running one that PG_DSN names, or its own, started from the installed
// binaries on loopback and stopped when the test ends. A lane that runs without its server proves nothing, so the test fails
// where there is none.
package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"anomalystream/internal/freeport"
)

// Server is a Postgres.
type Server struct {
	t    testing.TB
	dsn  string // Of a database from which others can be made.
	dir  string // Of our own server; "" for one that was running.
	bin  string
	host string
	port string
}

// Start returns the server of PG_DSN, or starts one and stops it when the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	if dsn := os.Getenv("PG_DSN"); dsn != "" {
		return &Server{t: t, dsn: dsn}
	}
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.Sort(bins)
	if len(bins) == 0 {
		t.Fatal("no Postgres: set PG_DSN to a running one, or install the server's package")
	}
	// The folder's parents must be open to the user postgres, and the path of the socket in it short.
	dir, err := os.MkdirTemp("/tmp", "pg.")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	host, port, _ := net.SplitHostPort(freeport.Address(t))
	s := &Server{t: t, dir: dir, bin: bins[len(bins)-1], host: host, port: port}
	s.init()
	t.Cleanup(func() { _ = s.ctl("stop", "-m", "immediate", "-w") })
	s.StartAgain()
	s.dsn = fmt.Sprintf("postgres://postgres:test@%s/postgres?sslmode=disable", net.JoinHostPort(s.host, s.port))
	return s
}

// init makes the cluster's folder.
func (s *Server) init() {
	s.t.Helper()
	if err := os.Chmod(s.dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	if c := credential(); c != nil {
		if err := os.Chown(s.dir, int(c.Uid), int(c.Gid)); err != nil {
			s.t.Fatal(err)
		}
	}
	password := filepath.Join(s.dir, "password")
	if err := os.WriteFile(password, []byte("test\n"), 0o644); err != nil {
		s.t.Fatal(err)
	}
	cmd := s.command("initdb", "-D", s.data(), "-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile="+password, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("making a Postgres cluster: %v\n%s", err, out)
	}
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Own reports whether the server is ours, to be stopped and started again.
func (s *Server) Own() bool { return s.dir != "" }

// Stop ends our own server at once, as a crash does.
func (s *Server) Stop() {
	s.t.Helper()
	if err := s.ctl("stop", "-m", "immediate", "-w"); err != nil {
		s.t.Fatalf("stopping Postgres: %v", err)
	}
}

// StartAgain starts our own server on its data, at the same port.
func (s *Server) StartAgain() {
	s.t.Helper()
	options := fmt.Sprintf("-c listen_addresses=%s -p %s -c unix_socket_directories=%s -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c timezone=UTC -c max_connections=100", s.host, s.port, s.dir)
	if err := s.ctl("start", "-w", "-t", "60", "-l", filepath.Join(s.dir, "log"), "-o", options); err != nil {
		log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
		s.t.Fatalf("starting Postgres: %v\n%s", err, log)
	}
}

func (s *Server) ctl(args ...string) error {
	cmd := s.command("pg_ctl", append([]string{"-D", s.data()}, args...)...)
	return cmd.Run() // Its output would be inherited by the server and never end.
}

// command runs a program of Postgres, as the user postgres where we are root: it refuses root.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + s.bin + ":/usr/bin:/bin", "LC_ALL=C.UTF-8", "HOME=" + s.dir}
	if c := credential(); c != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c}
	}
	return cmd
}

// credential is the user postgres where we are root, else nil.
func credential() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// Database makes an empty database, removes it when the test ends, and returns its address.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	random := make([]byte, 6)
	_, _ = rand.Read(random)
	name := "test_" + hex.EncodeToString(random)
	s.exec(t, "CREATE DATABASE "+name)
	t.Cleanup(func() { s.exec(t, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	u, err := url.Parse(s.dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

func (s *Server) exec(t testing.TB, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		t.Fatalf("connecting to Postgres: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", strings.Fields(statement)[0], err)
	}
}
