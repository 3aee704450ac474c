package checkpoint_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"

	"anomalystream/processors/checkpoint"
)

// ledger is an App whose state and output depend on every message of a key, in order: it emits, for every tenth message of a
// key, how many there were and a hash of them all.
//
// Values are decimal numbers. Others are dead letters, "boom" panics after it has changed the state, "big" makes the state
// larger than one record.
type ledger struct {
	out, dead, status string
}

// account is the state of a key.
type account struct {
	count, hash uint64
	window      []uint64
	orders      []order
	padding     []byte
}

// order is an intervention and where it took effect: after how many messages.
type order struct{ id, after uint64 }

// obey carries an order out, once.
func (a *account) obey(id uint64) bool {
	if slices.ContainsFunc(a.orders, func(o order) bool { return o.id == id }) {
		return false
	}
	a.orders = append(a.orders, order{id, a.count})
	a.hash ^= id * 0x9e3779b97f4a7c15
	return true
}

const ledgerWindow = 40

func newLedger(int32) checkpoint.App[*account] {
	return ledger{out: "out", dead: "dead", status: "status"}
}

func (l ledger) Key(m *checkpoint.Message, out *checkpoint.Outputs) (string, bool) {
	if v := string(m.Value); v != "boom" && v != "big" {
		if _, err := strconv.ParseUint(v, 10, 64); err != nil {
			l.Refuse(m, "not_a_number", err.Error(), out)
			return "", false
		}
	}
	return string(m.Key), true
}

func (ledger) New(string) *account { return &account{} }

func (l ledger) Apply(a *account, m *checkpoint.Message, out *checkpoint.Outputs) {
	a.count++
	switch string(m.Value) {
	case "boom":
		a.hash++
		panic("the message says boom")
	case "big":
		a.padding = bytes.Repeat([]byte{7}, 1_300_000)
	}
	n, _ := strconv.ParseUint(string(m.Value), 10, 64)
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, [3]uint64{a.hash, a.count, n})
	a.hash = h.Sum64()
	if a.window = append(a.window, n); len(a.window) > ledgerWindow {
		a.window = a.window[1:]
	}
	if a.count%10 == 0 {
		sum := uint64(0)
		for _, v := range a.window {
			sum += v
		}
		out.Emit(l.out, string(m.Key), fmt.Appendf(nil, "%d/%d key %s count %d hash %016x sum %d backfill %v", m.Source.Partition, m.Source.Offset, m.Key, a.count, a.hash, sum, m.Backfill))
	}
}

func (l ledger) Refuse(m *checkpoint.Message, code, reason string, out *checkpoint.Outputs) {
	out.Emit(l.dead, string(m.Key), fmt.Appendf(nil, "%d/%d %s %q %q null=%v %v %s", m.Source.Partition, m.Source.Offset, code, m.Key, m.Value, m.Key == nil, m.Headers(), reason))
}

func (ledger) Append(b []byte, a *account) []byte {
	b = binary.LittleEndian.AppendUint64(b, a.count)
	b = binary.LittleEndian.AppendUint64(b, a.hash)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(a.window)))
	for _, v := range a.window {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(a.orders)))
	for _, o := range a.orders {
		b = binary.LittleEndian.AppendUint64(b, o.id)
		b = binary.LittleEndian.AppendUint64(b, o.after)
	}
	return append(b, a.padding...)
}

var errShort = errors.New("the account ends too early")

func (ledger) Restore(_ string, b []byte) (*account, error) {
	if len(b) < 20 {
		return nil, errShort
	}
	a := &account{count: binary.LittleEndian.Uint64(b), hash: binary.LittleEndian.Uint64(b[8:])}
	n := int(binary.LittleEndian.Uint32(b[16:]))
	if b = b[20:]; len(b) < 8*n {
		return nil, errShort
	}
	for range n {
		a.window = append(a.window, binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	if len(b) < 4 {
		return nil, errShort
	}
	if n, b = int(binary.LittleEndian.Uint32(b)), b[4:]; len(b) < 16*n {
		return nil, errShort
	}
	for range n {
		a.orders = append(a.orders, order{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])})
		b = b[16:]
	}
	a.padding = bytes.Clone(b)
	return a, nil
}

func (l ledger) Report(key string, a *account, size int, out *checkpoint.Outputs) {
	out.Emit(l.status, key, fmt.Appendf(nil, "count %d size %d", a.count, size))
}
