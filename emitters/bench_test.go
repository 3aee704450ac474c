package emitters

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"anomalystream/internal/kafkatest"
)

// BenchmarkReadCSV reads rows of eight columns.
func BenchmarkReadCSV(b *testing.B) {
	var text strings.Builder
	text.WriteString("timestamp,a,b,c,d,e,f,g\n")
	for i := range 10_000 {
		fmt.Fprintf(&text, "%s,%d.25,%d.5,0.001,1e-3,-4,,7\n", start.Add(time.Duration(i)*time.Second).Format(time.RFC3339), i, i%10)
	}
	path := write(b, "a.csv.gz", text.String())
	b.ReportAllocs()
	rows := 0
	for b.Loop() {
		f, err := OpenFile(path, FileOptions{})
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			_, err = f.Next()
			rows++
		}
		if err != io.EOF {
			b.Fatal(err)
		}
		f.Close()
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(rows), "ns/row")
}

// BenchmarkEmit sends simulated events through an in-process broker.
func BenchmarkEmit(b *testing.B) {
	broker := kafkatest.Start(b)
	for _, name := range SimulatedStreams() {
		broker.CreateTopic("test."+name, 4)
	}
	p, err := NewPublisher(config(broker.Brokers()))
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	var sent int64
	for b.Loop() {
		out, err := Emit(b.Context(), p, EmitOptions{Count: 3000, Seed: 1, Log: quiet()})
		if err != nil {
			b.Fatal(err)
		}
		sent += out.Sent
	}
	b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "events/s")
}
