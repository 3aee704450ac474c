package api

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxLimiters bounds the clients remembered; beyond it the idle ones are forgotten.
const maxLimiters = 10000

// limits keeps one token bucket per client.
type limits struct {
	rate float64 // Requests per second; 0 for no limit.

	mu      sync.Mutex
	clients map[string]*rate.Limiter
}

func newLimits(perSecond float64) *limits {
	return &limits{rate: perSecond, clients: map[string]*rate.Limiter{}}
}

// take reports whether the client may make a request now.
func (l *limits) take(client string, now time.Time) bool {
	if l.rate <= 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter, ok := l.clients[client]
	if !ok {
		if len(l.clients) >= maxLimiters {
			l.forget(now)
		}
		limiter = rate.NewLimiter(rate.Limit(l.rate), max(1, int(2*l.rate)))
		l.clients[client] = limiter
	}
	return limiter.AllowN(now, 1)
}

// forget drops the clients whose bucket is full again; if none is, all.
func (l *limits) forget(now time.Time) {
	for name, limiter := range l.clients {
		if limiter.TokensAt(now) >= float64(limiter.Burst()) {
			delete(l.clients, name)
		}
	}
	if len(l.clients) >= maxLimiters {
		clear(l.clients)
	}
}
