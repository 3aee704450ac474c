package main

import (
	"context"
	"slices"
	"strings"

	"anomalystream/processors"
)

// parseResets reads STREAM and STREAM/ENTITY: entities by stream, none where the whole stream is meant.
func parseResets(cfg *Config, list []string) (map[string][]string, error) {
	out := map[string][]string{}
	whole := map[string]bool{}
	for _, item := range list {
		stream, entity, one := strings.Cut(item, "/")
		if cfg.Streams.Get(stream) == nil {
			return nil, usagef("--reset-state %s: there is no stream %q; the configuration has: %s", item, stream, strings.Join(cfg.Streams.Names(), ", "))
		}
		if one && entity == "" {
			return nil, usagef("--reset-state %s: no entity follows the slash; leave it out to reset the whole stream", item)
		}
		if whole[stream] = whole[stream] || !one; whole[stream] {
			out[stream] = nil
		} else if !slices.Contains(out[stream], entity) {
			out[stream] = append(out[stream], entity)
		}
	}
	return out, nil
}

// resetState deletes saved states before anything runs. It refuses a stream on which some process is still detecting.
func (s *site) resetState(ctx context.Context, resets map[string][]string) error {
	for _, stream := range s.cfg.Streams.Names() {
		entities, wanted := resets[stream]
		if !wanted {
			continue
		}
		n, err := processors.ResetState(ctx, s.admin(), s.topics, stream, entities...)
		if err != nil {
			return err
		}
		s.log.Warn("saved states were deleted: these detectors start anew", "stream", stream, "entities", entities, "deleted", n)
	}
	return nil
}
