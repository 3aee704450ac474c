package incidents

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
)

// The saved form of a State, version 2; version 1 is read too:
//
//	magic "ASIS" | version uint16 | crc32c uint32 of everything after it, both little-endian
//	the State as JSON
//
// In version 1 nobody is away, no pause is usual, and what ended is kept from the time of reading.
const (
	formatMagic   = "ASIS"
	formatVersion = 2
	headerBytes   = len(formatMagic) + 2 + 4
)

// Errors of Restore.
var (
	ErrFormatVersion = errors.New("incidents were saved by another version") // Upgrade the binary, or reset the state.
	ErrCorrupt       = errors.New("saved incidents are damaged")             // Reset the state of the stream.
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Append appends the saved form of the state to b. The policy is not part of it and may change at any time.
func (s *State) Append(b []byte) []byte {
	body, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("encoding incidents: %v", err)) // Every number in a state is finite: decoded from JSON, or computed of such.
	}
	b = binary.LittleEndian.AppendUint16(append(b, formatMagic...), formatVersion)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(body, castagnoli))
	return append(b, body...)
}

// Restore makes the state of a saved form. Errors: ErrFormatVersion, ErrCorrupt.
func Restore(payload []byte) (*State, error) {
	if len(payload) < headerBytes || string(payload[:len(formatMagic)]) != formatMagic {
		return nil, fmt.Errorf("%w: they do not begin as they should", ErrCorrupt)
	}
	version := binary.LittleEndian.Uint16(payload[len(formatMagic):])
	if version < 1 || version > formatVersion {
		return nil, fmt.Errorf("%w: format %d, this binary reads 1 to %d", ErrFormatVersion, version, formatVersion)
	}
	body := payload[headerBytes:]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(payload[headerBytes-4:]) {
		return nil, fmt.Errorf("%w: the checksum differs", ErrCorrupt)
	}
	s := NewState()
	if err := json.Unmarshal(body, s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	for _, k := range s.Keys {
		if k == nil || s.byEntity[k.Entity] != nil {
			return nil, fmt.Errorf("%w: a key is empty or there twice", ErrCorrupt)
		}
		s.byEntity[k.Entity] = k
	}
	if version == 1 {
		for _, b := range s.Closed {
			s.Kept = append(s.Kept, kept{ID: b.Incident.ID, Since: s.Passed})
		}
	}
	return s, nil
}
