package api

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// since is where a client wants to resume: exactly one of cursor, id and time is set.
type since struct {
	text   string
	cursor *cursor
	id     string
	time   time.Time
}

// cursor is a point of the feed. In the process with the same epoch the arrival number says all; elsewhere the positions
// in the topic do, as far as the feed reaches back, and beyond that the last entry's id.
type cursor struct {
	epoch     string
	seq       uint64
	at        time.Time
	positions map[int32]int64
	id        string // Of the last entry; "" before any.
}

var errSince = errors.New("no point to resume at")

// cursor returns the text that resumes after this entry, nil for the present. The lock is held.
//
// Layout: ~EPOCH.SEQ.MILLIS.PARTITION-OFFSET_PARTITION-OFFSET.ID with numbers in base 36.
func (f *feed) cursor(e *entry) string {
	var b strings.Builder
	seq, id := f.next-1, ""
	if e != nil {
		seq, id = e.seq, e.id
	} else if len(f.ring) > 0 {
		id = f.ring[(f.head+len(f.ring)-1)%len(f.ring)].id
	}
	b.WriteString("~" + f.epoch + "." + strconv.FormatUint(seq, 36) + "." + strconv.FormatInt(f.now().UnixMilli(), 36) + ".")
	partitions := make([]int32, 0, len(f.last))
	for p := range f.last {
		partitions = append(partitions, p)
	}
	slices.Sort(partitions)
	for i, p := range partitions {
		if i > 0 {
			b.WriteByte('_')
		}
		b.WriteString(strconv.FormatInt(int64(p), 36) + "-" + strconv.FormatInt(f.last[p], 36))
	}
	b.WriteString("." + id)
	return b.String()
}

// parseSince reads the since parameter; isID tells what may be an id.
func parseSince(s string, isID func(string) bool) (*since, error) {
	if s == "" {
		return nil, nil
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return nil, errSince // It would break the lines of server-sent events, which repeat it.
	}
	if rest, ok := strings.CutPrefix(s, "~"); ok {
		c, err := parseCursor(rest)
		if err != nil {
			return nil, err
		}
		return &since{text: s, cursor: c}, nil
	}
	// A plus sign in a query that was not escaped arrives as a space.
	if t, err := time.Parse(time.RFC3339, strings.Replace(s, " ", "+", 1)); err == nil {
		if t.Year() < 1971 || t.Year() > 2100 {
			return nil, errSince
		}
		return &since{text: s, time: t}, nil
	}
	if len(s) > 512 || !isID(s) {
		return nil, errSince
	}
	return &since{text: s, id: s}, nil
}

func parseCursor(s string) (*cursor, error) {
	parts := strings.SplitN(s, ".", 5)
	if len(parts) != 5 || len(s) > 4096 {
		return nil, errSince
	}
	c := &cursor{epoch: parts[0], positions: map[int32]int64{}, id: parts[4]}
	var err error
	if c.seq, err = strconv.ParseUint(parts[1], 36, 63); err != nil {
		return nil, errSince
	}
	ms, err := strconv.ParseInt(parts[2], 36, 48)
	if err != nil || ms < 0 {
		return nil, errSince
	}
	c.at = time.UnixMilli(ms)
	if parts[3] == "" {
		return c, nil
	}
	for pair := range strings.SplitSeq(parts[3], "_") {
		p, o, ok := strings.Cut(pair, "-")
		partition, err1 := strconv.ParseInt(p, 36, 32)
		offset, err2 := strconv.ParseInt(o, 36, 64)
		if !ok || err1 != nil || err2 != nil || partition < 0 || offset < 0 {
			return nil, errSince
		}
		c.positions[int32(partition)] = offset
	}
	return c, nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
