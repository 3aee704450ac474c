package emitters

import (
	"math"
	"math/rand/v2"
)

// Faults of transactions: three ways of using a stolen card.
const (
	FaultFraudAmount = "fraud_amount"   // Purchases far above the holder's habit.
	FaultFraudHour   = "fraud_odd_hour" // Purchases in the dead of night, above habit.
	FaultFraudBurst  = "fraud_burst"    // Many payments within minutes, above habit.
)

// cards simulates stream transactions: payments of a few cards in the order of their simulated time.
type cards struct{ all []*card }

type card struct {
	number  string
	rng     *rand.Rand
	trouble trouble
	due     float64   // Simulated time of the next payment, in hours.
	recent  []float64 // Times of the payments of the last 24 hours.
	theft   string    // What the payment that is due is part of.
	used    float64   // Progress of it.

	amount float64 // Median payment.
	spread float64
	perDay float64
	habit  float64 // Hours by which the holder's day is shifted.
}

// wakeful is how likely a payment is in each hour of the day: shops at noon and after work.
var wakeful = [24]float64{0.02, 0.01, 0.005, 0.005, 0.005, 0.02, 0.1, 0.3, 0.5, 0.6, 0.6, 0.8, 1, 0.9, 0.6, 0.6, 0.7, 0.9, 1, 0.9, 0.6, 0.4, 0.2, 0.08}

func newCards(cfg SimulatorConfig) *cards {
	w := &cards{}
	for i, number := range []string{"card-1021", "card-2410", "card-3387", "card-4059", "card-5733", "card-6174"} {
		rng := source(cfg.Seed, cfg.Stream, number)
		c := &card{
			number: number, rng: rng, due: 48 + 24*rng.Float64(),
			trouble: newTrouble(cfg, i, []fault{{FaultFraudAmount, 3}, {FaultFraudBurst, 14}, {FaultFraudHour, 4}}),
			amount:  14 + 30*rng.Float64(), spread: 0.55 + 0.15*rng.Float64(), perDay: 5 + 2*rng.Float64(), habit: 2*rng.Float64() - 1,
		}
		for range 12 { // What the two days before held: no payment starts with an empty history.
			c.recent = append(c.recent, c.due)
			c.due = c.next()
		}
		w.all = append(w.all, c)
	}
	return w
}

func (w *cards) next(b []byte) (string, []byte, string) {
	c := w.all[0]
	for _, other := range w.all[1:] {
		if other.due < c.due {
			c = other
		}
	}
	at, truth := c.due, c.theft
	c.recent = append(c.recent, at)
	for c.recent[0] <= at-24 {
		c.recent = c.recent[1:]
	}
	amount := c.price()
	b = appendText(b, "card", c.number)
	b = appendNumber(b, "amount", amount, 2)
	b = appendNumber(b, "hour_of_day", math.Floor(math.Mod(at, 24)), 0)
	b = appendNumber(b, "tx_frequency", float64(len(c.recent)), 0)
	c.theft, c.used = c.trouble.step(c.rng)
	c.due = c.next()
	return c.number, b, truth
}

// price is what the payment that is due costs: lognormal with a heavy tail, more where somebody else pays.
func (c *card) price() float64 {
	amount := c.amount * lognormal(c.rng, c.spread)
	if c.rng.Float64() < 0.01 {
		amount *= min(pareto(c.rng, 2.5), 6)
	}
	switch c.theft {
	case FaultFraudAmount:
		amount = c.amount * (25 + 25*c.rng.Float64())
	case FaultFraudBurst:
		amount = c.amount * (2 + 4*c.rng.Float64())
	case FaultFraudHour:
		amount = c.amount * (6 + 6*c.rng.Float64())
	}
	return max(amount, 0.5)
}

// next is when the payment after the one that is due happens.
func (c *card) next() float64 {
	at := c.due
	switch c.theft {
	case FaultFraudAmount:
		return at + 0.2 + c.rng.Float64()
	case FaultFraudBurst:
		return at + (0.5+3*c.rng.Float64())/60
	case FaultFraudHour:
		if hour := math.Mod(at, 24); hour >= 2 && hour < 4 {
			return at + 0.3*c.rng.Float64()
		}
		return at - math.Mod(at, 24) + 24 + 2 + c.rng.Float64() // Between two and three, the night after.
	}
	var share float64
	for _, w := range wakeful {
		share += w
	}
	for peak := c.perDay / share; ; { // Thinning: candidates at the highest rate, kept by the hour's.
		at += c.rng.ExpFloat64() / peak
		hour := int(math.Mod(at+c.habit+24, 24))
		if c.rng.Float64() < wakeful[hour] {
			return at
		}
	}
}
