package checkpoint

import "github.com/lovoo/goka/storage"

// table is the goka storage of a partition's state. The state lives in the partition, which reads the table's records in the
// update callback and writes them by itself: of a storage goka needs the end of the recovery only.
type table[S any] struct{ partition *partition[S] }

func (t table[S]) Open() error                      { return nil }
func (t table[S]) Close() error                     { return nil }
func (t table[S]) MarkRecovered() error             { t.partition.recovered(); return nil }
func (t table[S]) Has(string) (bool, error)         { return false, nil }
func (t table[S]) Get(string) ([]byte, error)       { return nil, nil }
func (t table[S]) Set(string, []byte) error         { return nil }
func (t table[S]) Delete(string) error              { return nil }
func (t table[S]) SetOffset(int64) error            { return nil }
func (t table[S]) GetOffset(d int64) (int64, error) { return d, nil }

func (t table[S]) Iterator() (storage.Iterator, error)                     { return nothing{}, nil }
func (t table[S]) IteratorWithRange(_, _ []byte) (storage.Iterator, error) { return nothing{}, nil }

// nothing is an iterator over nothing.
type nothing struct{}

func (nothing) Next() bool             { return false }
func (nothing) Err() error             { return nil }
func (nothing) Key() []byte            { return nil }
func (nothing) Value() ([]byte, error) { return nil, nil }
func (nothing) Seek([]byte) bool       { return false }
func (nothing) Release()               {}
