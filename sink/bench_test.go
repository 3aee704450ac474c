//go:build postgres && linux

package sink

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"anomalystream/internal/kafkatest"
	"anomalystream/internal/pgtest"
)

// BenchmarkWrite measures Store.Write alone: batches of 1,000 new anomalies, written by one and by four at once.
func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 4} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			server := pgtest.Start(b)
			s := open(b, Config{URL: server.Database(b), MaxConnections: writers + 1})
			batches := make([]Batch, b.N+1)
			for i := range batches {
				batches[i].Anomalies = numbered(i*1000, 1000)
			}
			write(b, s, batches[b.N]) // Makes the partition, prepares the statements.
			work := make(chan *Batch, b.N)
			for i := range b.N {
				work <- &batches[i]
			}
			close(work)
			b.ResetTimer()
			used := used(server)
			var group sync.WaitGroup
			for range writers {
				group.Go(func() {
					for batch := range work {
						if _, err := s.Write(context.Background(), batch); err != nil {
							b.Error(err)
						}
					}
				})
			}
			group.Wait()
			b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "rows/s")
			used.report(b, b.N*1000)
		})
	}
}

// BenchmarkConsumer measures the way from Kafka's topic to Postgres: 100,000 anomalies per operation wait in four partitions.
func BenchmarkConsumer(b *testing.B) {
	const rows = 100_000
	for range b.N {
		b.StopTimer()
		broker := newBroker(b)
		server := pgtest.Start(b)
		s := open(b, Config{URL: server.Database(b)})
		all := numbered(0, rows)
		broker.Produce(records(b, all)...)
		c, err := newConsumer(s, broker.Brokers(), 30*time.Second, func(c *ConsumerConfig) { c.BatchSize, c.BatchWait = 0, 0 })
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		kafkatest.Eventually(b, kafkatest.Deadline, func() error { return c.Ready(ctx) })
		used := used(server)
		b.StartTimer()
		broker.AwaitCommitted(c.cfg.Group, topics.Anomalies(), 10*time.Minute)
		b.StopTimer()
		used.report(b, rows)
		if n := rowsOf(b, s, "anomalies"); n != rows {
			b.Fatalf("%d rows, want %d", n, rows)
		}
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*rows/b.Elapsed().Seconds(), "rows/s")
}

// usage is processor time, of Postgres and of this process.
type usage struct {
	server         *pgtest.Server
	postgres, ours time.Duration
}

func used(server *pgtest.Server) usage {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return usage{server, server.CPU(), time.Duration(u.Utime.Nano() + u.Stime.Nano())}
}

// report says what was used since, per row: on a machine that does other work too, it says more than rows per second.
func (before usage) report(b *testing.B, rows int) {
	b.Helper()
	now := used(before.server)
	b.ReportMetric(float64((now.postgres-before.postgres).Microseconds())/float64(rows), "postgres-us/row")
	b.ReportMetric(float64((now.ours-before.ours).Microseconds())/float64(rows), "sink-us/row")
}
