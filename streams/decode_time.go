package streams

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// ParseTime reads an event time: RFC 3339 ("2026-01-02T15:04:05.5+01:00"), also with a space for the T and, as files
// have it, without a zone (then it is UTC), without seconds or with the date alone; or, in digits, Unix seconds or
// milliseconds. It reports false for anything else, and for times outside MinTime..MaxTime.
func ParseTime(text []byte) (time.Time, bool) {
	if len(text) > 0 && (isDigit(text[0]) || text[0] == '-') && bytes.IndexByte(text[1:], '-') < 0 && bytes.IndexByte(text, ':') < 0 {
		return parseUnix(text)
	}
	t, ok := parseTime(text)
	return t, ok && !absurd(t)
}

// takeTime keeps the event time unless it is absurd.
func (d *Decoder) takeTime(n *pathNode, t time.Time, at int) {
	switch {
	case absurd(t):
		d.complain(CodeAbsurdTime, n.path, "the time at byte %d %s", at, describeTime(t))
	case d.time.found:
		d.twice(n, at)
	default:
		d.time = timestamp{t, true}
	}
}

func absurd(t time.Time) bool { return t.Before(MinTime) || !t.Before(MaxTime) }

func describeTime(t time.Time) string {
	return fmt.Sprintf("is %s, outside the years %d to %d", t.UTC().Format(time.RFC3339), MinTime.Year(), MaxTime.Year()-1)
}

// parseTime reads a date and time of RFC 3339 with the liberties of ParseTime. It exists because time.Parse accepts less
// and more than that, and allocates a zone for each offset.
func parseTime(s []byte) (time.Time, bool) {
	const date = "0000-00-00T00:00"
	if len(s) == len("0000-00-00") {
		var midnight [len(date)]byte
		copy(midnight[copy(midnight[:], s):], "T00:00")
		s = midnight[:]
	}
	if len(s) < len(date) || s[4] != '-' || s[7] != '-' || s[13] != ':' || s[10] != 'T' && s[10] != 't' && s[10] != ' ' {
		return time.Time{}, false
	}
	year, ok1 := number(s[0:4])
	month, ok2 := number(s[5:7])
	day, ok3 := number(s[8:10])
	hour, ok4 := number(s[11:13])
	minute, ok5 := number(s[14:16])
	second, nanos, offset, ok6 := parseClockTail(s[len(date):])
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6) || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	if t.Day() != day { // The 30th of February became a day of March.
		return time.Time{}, false
	}
	return t.Add(-time.Duration(offset) * time.Second), true
}

// parseClockTail reads what follows hours and minutes: [:seconds[.fraction]] and [Z or an offset].
func parseClockTail(s []byte) (second, nanos, offset int, ok bool) {
	if len(s) >= 3 && s[0] == ':' {
		if second, ok = number(s[1:3]); !ok {
			return 0, 0, 0, false
		}
		s = s[3:]
		if len(s) >= 2 && s[0] == '.' && isDigit(s[1]) {
			nanos, s = fraction(s[1:])
		}
	}
	switch {
	case len(s) == 0, len(s) == 1 && (s[0] == 'Z' || s[0] == 'z'):
		return second, nanos, 0, true
	case len(s) == 6 && (s[0] == '+' || s[0] == '-') && s[3] == ':':
		hours, ok1 := number(s[1:3])
		minutes, ok2 := number(s[4:6])
		if !ok1 || !ok2 || hours > 23 || minutes > 59 {
			return 0, 0, 0, false
		}
		offset = hours*3600 + minutes*60
		if s[0] == '-' {
			offset = -offset
		}
		return second, nanos, offset, true
	}
	return 0, 0, 0, false
}

// parseUnix reads Unix seconds or milliseconds, whichever falls into MinTime..MaxTime: no number does as both. The
// digits of a fraction count down to the nanosecond.
func parseUnix(s []byte) (time.Time, bool) {
	whole, rest := s, []byte(nil)
	if i := bytes.IndexByte(s, '.'); i >= 0 {
		whole, rest = s[:i], s[i+1:]
	}
	if bytes.ContainsAny(s, "eE") { // 1.7e9: rare enough to take the way over float64.
		v, err := strconv.ParseFloat(string(s), 64)
		if err != nil || v < 0 || v >= float64(MaxTime.UnixMilli()) {
			return time.Time{}, false
		}
		whole, rest = []byte(strconv.FormatInt(int64(v), 10)), nil
	}
	n, ok := number(whole)
	if !ok {
		return time.Time{}, false
	}
	nanos := 0
	if len(rest) > 0 {
		var tail []byte
		if nanos, tail = fraction(rest); len(tail) > 0 {
			return time.Time{}, false
		}
	}
	v := int64(n)
	t := time.Unix(v, int64(nanos))
	if absurd(t) {
		t = time.UnixMilli(v).Add(time.Duration(nanos / 1000))
	}
	return t.UTC(), !absurd(t)
}

// number reads at most 18 decimal digits.
func number(s []byte) (int, bool) {
	if len(s) == 0 || len(s) > 18 {
		return 0, false
	}
	n := 0
	for _, c := range s {
		if !isDigit(c) {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

// fraction reads the digits after a decimal point as nanoseconds, cut off, and returns what follows them.
func fraction(s []byte) (nanos int, rest []byte) {
	scale := 100_000_000
	for len(s) > 0 && isDigit(s[0]) {
		nanos += int(s[0]-'0') * scale
		scale /= 10
		s = s[1:]
	}
	return nanos, s
}
