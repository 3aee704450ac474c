package kafkatest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// childVariable names the function that a child process runs instead of the tests.
const childVariable = "KAFKATEST_CHILD"

// Main runs the tests and then looks for goroutines they left behind, or, in a process that Spawn started, the child function
// of that name. Call it from TestMain with the functions a test may spawn; a child function that returns ends its process with
// exit code 0.
func Main(m *testing.M, children map[string]func()) {
	name, ok := os.LookupEnv(childVariable)
	if !ok {
		code := m.Run()
		if code == 0 {
			if err := leftBehind(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
		}
		os.Exit(code)
	}
	run, ok := children[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "no child function %q\n", name)
		os.Exit(2)
	}
	run()
	os.Exit(0)
}

// leftBehind names the goroutines that tests left behind. Those of closed connections end soon, but how soon depends on the
// machine: goleak by itself waits for half a second.
func leftBehind() error {
	for began := time.Now(); ; {
		err := goleak.Find(goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick")) // One per process, of sarama.
		if err == nil || time.Since(began) > Deadline {
			return err
		}
	}
}

// Process is a child process.
type Process struct {
	t      testing.TB
	cmd    *exec.Cmd
	exited chan struct{}
	output *output
}

// Spawn starts this test binary again as a child that runs the named function, with variables added to its environment. It
// is killed when the test ends.
func Spawn(t testing.TB, name string, environment ...string) *Process {
	t.Helper()
	p := &Process{t: t, cmd: exec.Command(os.Args[0]), exited: make(chan struct{}), output: &output{}}
	p.cmd.Env = append(append(os.Environ(), childVariable+"="+name), environment...)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("starting child %s: %v", name, err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(p.Kill)
	return p
}

// Kill ends the process at once, as kill -9 does, and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Output returns the last lines the process wrote.
func (p *Process) Output() string { return p.output.String() }

// output keeps the end of what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// keptOutput is how many bytes of output are kept.
const keptOutput = 64 << 10

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf.Write(b)
	if extra := o.buf.Len() - keptOutput; extra > 0 {
		o.buf.Next(extra)
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
