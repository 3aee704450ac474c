//go:build unix

package kafkatest

import "syscall"

// Pause stops the clock of the process: to the rest of the system it looks like a long pause of its garbage collector.
func (p *Process) Pause() { p.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (p *Process) Resume() { p.signal(syscall.SIGCONT) }

// Terminate asks the process to end in order.
func (p *Process) Terminate() { p.signal(syscall.SIGTERM) }

func (p *Process) signal(s syscall.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Logf("signalling a child: %v", err)
	}
}
