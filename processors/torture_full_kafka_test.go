//go:build torture && kafka

package processors_test

import (
	"testing"
	"time"
)

// TestTortureFullOnKafka runs what a real cluster can take part in.
func TestTortureFullOnKafka(t *testing.T) {
	var scenarios []scenario
	for _, sc := range fullSize() {
		if sc.refusals = 0; sc.name != "refused records" {
			scenarios = append(scenarios, sc)
		}
	}
	table(t, scenarios, func(t *testing.T, sc scenario) verdict { return onKafka(t, sc, 30*time.Second) })
}
