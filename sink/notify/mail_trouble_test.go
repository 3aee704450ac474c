package notify

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"anomalystream/internal/kafkatest"
)

// Ways of a mail server to fail at a stage, beside an answer.
const (
	stageHangs  = "(hangs)"
	stageHangUp = "(hangs up)"
	stageFloods = "(floods)"
)

// stages are the commands of a conversation in their order; "" is the greeting, "." the end of the letter.
var stages = []string{"", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", ".", "QUIT"}

// mailServer is an SMTP server that fails at one stage in one way. taken counts the letters it has said yes to.
type mailServer struct {
	stage, way string
	taken      atomic.Int64
	flooded    atomic.Int64 // Bytes.
}

func (s *mailServer) start(t *testing.T) string {
	t.Helper()
	return listen(t, s.converse)
}

func (s *mailServer) converse(conn net.Conn) {
	in := bufio.NewReader(conn)
	answers := map[string]string{
		"": "220 mail.example.com", "EHLO": "250-mail.example.com\r\n250 AUTH PLAIN", "HELO": "250 mail.example.com", "AUTH": "235 welcome",
		"MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go on", ".": "250 taken", "QUIT": "221 bye", "RSET": "250 ok",
	}
	for stage := ""; ; {
		answer := answers[stage]
		if stage == s.stage || stage == "HELO" && s.stage == "EHLO" {
			answer = s.way
		}
		switch answer {
		case stageHangs:
			_, _ = io.Copy(io.Discard, conn)
			return
		case stageHangUp:
			return
		case stageFloods:
			for line := bytes.Repeat([]byte("x"), 1<<20); ; {
				n, err := conn.Write(line)
				s.flooded.Add(int64(n))
				if err != nil {
					return
				}
			}
		}
		if stage == "." && strings.HasPrefix(answer, "250 ") {
			s.taken.Add(1)
		}
		if _, err := fmt.Fprintf(conn, "%s\r\n", answer); err != nil || stage == "QUIT" {
			return
		}
		if stage == "DATA" && strings.HasPrefix(answer, "3") {
			stage = "."
			for line := ""; line != ".\r\n"; {
				var err error
				if line, err = in.ReadString('\n'); err != nil {
					return
				}
			}
			continue
		}
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		stage, _, _ = strings.Cut(strings.TrimSpace(strings.ToUpper(line)), " ")
	}
}

// TestMailRefusedAtEachStage: what a server refuses for good is not tried again, what it refuses for now, or breaks off, is; and a
// letter that it has taken is not sent again, whatever follows.
func TestMailRefusedAtEachStage(t *testing.T) {
	t.Parallel()
	for _, stage := range stages {
		for _, way := range []string{"451 4.7.1 not now geheim42", "554 5.7.1 never geheim42", "421 closing", "rubbish", "250-", stageHangs, stageHangUp, stageFloods} {
			t.Run(stage+" "+way, func(t *testing.T) {
				t.Parallel()
				s := &mailServer{stage: stage, way: way}
				timeout := kafkatest.Deadline
				switch {
				case stage == "QUIT" && way == stageHangs:
					timeout = 4 * time.Second // Before that the letter is taken.
				case way == stageHangs || way == "250-":
					timeout = 2 * time.Second
				}
				target := open(t, Route{Kind: KindEmail, URL: "smtp://robot:geheim42@" + s.start(t) + envelope + "&tls=none", Timeout: timeout})
				started := time.Now()
				err := target.Send(t.Context(), opening())
				if took := time.Since(started); took > kafkatest.Deadline/2 {
					t.Errorf("the attempt took %s", took)
				}
				if s.flooded.Load() > 64<<20 {
					t.Errorf("%d bytes were read", s.flooded.Load())
				}
				var f *Failure
				permanent := errors.As(err, &f) && f.Permanent
				switch {
				case stage == "QUIT":
					if err != nil || s.taken.Load() != 1 {
						t.Errorf("the letter was taken, and the error is %v", err)
					}
				case err == nil || s.taken.Load() != 0:
					t.Errorf("got the error %v, and %d letters were taken", err, s.taken.Load())
				case permanent != strings.HasPrefix(way, "5"):
					t.Errorf("permanent: %v: %v", permanent, err)
				case strings.Contains(err.Error(), "geheim42"):
					t.Errorf("the error shows the password: %v", err)
				case len(err.Error()) > 2*maxReason:
					t.Errorf("the error has %d bytes", len(err.Error()))
				}
			})
		}
	}
}

// TestMailServerThatFloods: what is read of a server that does not stop talking is bounded.
func TestMailServerThatFloods(t *testing.T) {
	s := &mailServer{stage: "", way: stageFloods}
	target := open(t, Route{Kind: KindEmail, URL: "smtp://" + s.start(t) + envelope + "&tls=none", Timeout: kafkatest.Deadline})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := target.Send(t.Context(), opening())
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "the server says more than 1048576 bytes") {
		t.Errorf("got the error %v", err)
	}
	if made := after.TotalAlloc - before.TotalAlloc; made > 64<<20 {
		t.Errorf("it took %d MB of memory", made>>20)
	}
}
