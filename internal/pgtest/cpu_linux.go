package pgtest

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// CPU returns the processor time that our own server has used, those of its processes that have ended included: on a machine
// that does other work too, it says more than the clock.
func (s *Server) CPU() time.Duration {
	s.t.Helper()
	first, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		s.t.Fatal(err)
	}
	postmaster, _, _ := bytes.Cut(first, []byte("\n"))
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var ticks int
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // Ended in between.
		}
		// The name of the program may hold anything, so fields count from behind it: parent 1, times 11 to 14.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		itself := string(postmaster) == filepath.Base(filepath.Dir(name))
		if len(fields) < 15 || !itself && !bytes.Equal(fields[1], postmaster) {
			continue
		}
		times := fields[11:13]
		if itself {
			times = fields[11:15]
		}
		for _, f := range times {
			n, _ := strconv.Atoi(string(f))
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / 100
}
