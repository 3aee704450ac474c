package checkpoint

import "fmt"

// SavedStates returns the states of a table whose records feed hands over in order.
func SavedStates[S any](app App[S], feed func(load func(key string, value []byte, chunk bool))) (map[string]S, error) {
	p := newPartition(0, app, &shared{metrics: NewMetrics(nil).group("saved"), careful: map[string]bool{}}, 0)
	feed(p.load)
	p.recovered()
	out := map[string]S{}
	for key, e := range p.keys {
		if p.restore(e); e.unreadable != nil {
			return nil, fmt.Errorf("key %q: %w", key, e.unreadable)
		}
		out[key] = e.state
	}
	return out, nil
}
