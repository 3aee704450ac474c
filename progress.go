package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how far long work is: a bar on standard error where that is a terminal, nothing elsewhere.
type progress struct {
	bar   *progressbar.ProgressBar
	total int64 // 0 where only the share is known.
}

// shares is the length of a bar that shows a share.
const shares = 1000

// progress starts a bar; total is the number of events, 0 where it is not known.
func (a *app) progress(what string, total int64) *progress {
	f, ok := a.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &progress{}
	}
	length := total
	if length == 0 {
		length = shares
	}
	return &progress{total: total, bar: newBar(f, what, length)}
}

func newBar(w io.Writer, what string, length int64) *progressbar.ProgressBar {
	return progressbar.NewOptions64(length, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30),
		progressbar.OptionSetPredictTime(true))
}

// set shows a number of events done and, where the end is known, the share of the work.
func (p *progress) set(done int64, share float64) {
	switch {
	case p.bar == nil:
	case p.total > 0:
		_ = p.bar.Set64(min(done, p.total))
	default:
		p.bar.Describe(fmt.Sprintf("%d events", done))
		_ = p.bar.Set64(int64(share * shares))
	}
}

// clear removes the bar, so that a line can be written; the next set draws it again.
func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// finish removes the bar for good.
func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
