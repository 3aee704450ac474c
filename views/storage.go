package views

import (
	"sync/atomic"

	"github.com/lovoo/goka/storage"
)

// rowStorage is the goka storage of one partition of a Table. It keeps no bytes: rows are decoded once, when they arrive,
// into the table that all partitions share. goka's memory storage would sort all keys at each new one.
type rowStorage[V any] struct {
	table  *Table[V]
	offset atomic.Int64
	known  atomic.Bool
}

func (s *rowStorage[V]) Open() error                  { return nil }
func (s *rowStorage[V]) Close() error                 { return nil }
func (s *rowStorage[V]) MarkRecovered() error         { return nil }
func (s *rowStorage[V]) Get(string) ([]byte, error)   { return nil, nil }
func (s *rowStorage[V]) Delete(key string) error      { s.table.remove(key); return nil }
func (s *rowStorage[V]) Set(k string, v []byte) error { s.table.set(k, v); return nil }

func (s *rowStorage[V]) Has(key string) (bool, error) {
	_, ok := s.table.Get(key)
	return ok, nil
}

func (s *rowStorage[V]) GetOffset(def int64) (int64, error) {
	if !s.known.Load() {
		return def, nil
	}
	return s.offset.Load(), nil
}

func (s *rowStorage[V]) SetOffset(offset int64) error {
	s.offset.Store(offset)
	s.known.Store(true)
	return nil
}

func (s *rowStorage[V]) Iterator() (storage.Iterator, error) { return noRows{}, nil }

func (s *rowStorage[V]) IteratorWithRange(_, _ []byte) (storage.Iterator, error) {
	return noRows{}, nil
}

// noRows iterates over nothing: rows are read from the table, never through goka.
type noRows struct{}

func (noRows) Next() bool             { return false }
func (noRows) Err() error             { return nil }
func (noRows) Key() []byte            { return nil }
func (noRows) Value() ([]byte, error) { return nil, nil }
func (noRows) Release()               {}
func (noRows) Seek([]byte) bool       { return false }
