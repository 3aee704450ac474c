package notify

import (
	"slices"
	"strings"
)

// memory holds the keys of the messages delivered last. It is committed with the offset of each delivery, as the text that Kafka
// keeps beside an offset: so a message that is in the topic twice, because its planner died, is delivered once, also by
// whoever takes over the partition.
type memory struct{ keys []string }

// Kafka keeps 4096 bytes beside an offset.
const (
	memoryVersion = "1 "
	keyLength     = 12 // Hexadecimal digits of a key that are kept: 48 bits.
	maxMemory     = (4096 - len(memoryVersion)) / keyLength
)

// remembered reads what was committed. A text of somebody else is no memory.
func remembered(metadata string) *memory {
	m := &memory{}
	text, ok := strings.CutPrefix(metadata, memoryVersion)
	if !ok {
		return m
	}
	for len(text) >= keyLength {
		m.keys = append(m.keys, text[:keyLength])
		text = text[keyLength:]
	}
	return m
}

func (m *memory) has(key string) bool { return slices.Contains(m.keys, short(key)) }

func (m *memory) add(key string) {
	if len(m.keys) >= maxMemory {
		m.keys = slices.Delete(m.keys, 0, 1)
	}
	m.keys = append(m.keys, short(key))
}

// String returns what is committed.
func (m *memory) String() string { return memoryVersion + strings.Join(m.keys, "") }

// short is the kept part of a key. Keys that are too short to have come from NotificationKey are padded.
func short(key string) string { return (key + strings.Repeat("-", keyLength))[:keyLength] }
