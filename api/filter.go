package api

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Formats of a live connection.
const (
	formatFrames = 'f' // WebSocket: one frame per message.
	formatSingle = 's' // WebSocket: one anomaly per message and nothing else.
	formatEvents = 'e' // Server-sent events.
)

// groupKey is the filter and format of a live connection. Connections with equal keys share their frames.
type groupKey struct {
	streams     string // Sorted, separated by NUL, with NUL at both ends; "" for all.
	entity      string
	anyEntity   bool
	minScore    float64
	minSeverity float64
	rollups     bool
	detectors   bool
	items       string // Type of the frames that bring what the feed carries.
	format      byte
}

func (k *groupKey) stream(name string) bool {
	return k.streams == "" || strings.Contains(k.streams, "\x00"+name+"\x00")
}

// source reports whether the filter lets a stream's entity through.
func (k *groupKey) source(stream, entity string) bool {
	return (k.anyEntity || k.entity == entity) && k.stream(stream)
}

func (k *groupKey) matches(e *entry) bool {
	return e.score >= k.minScore && e.severity >= k.minSeverity && k.source(e.stream, e.entity)
}

// liveParams are the query parameters of the live routes; access_token is for browsers, which cannot set headers there.
var liveParams = []string{"stream", "entity", "min_score", "min_severity", "since", "include", "batch", "access_token"}

// parseLive reads the query of a live connection. Every bad parameter is in the errors.
func parseLive(q url.Values, format byte, carry *cargo, who *principal, known func(string) bool) (groupKey, *since, []error) {
	key := groupKey{anyEntity: !q.Has("entity"), entity: q.Get("entity"), items: carry.items, format: format}
	var errs []error
	bad := func(name, message string) {
		errs = append(errs, &huma.ErrorDetail{Location: "query." + name, Message: message, Value: q.Get(name)})
	}
	for name, values := range q {
		switch {
		case !slices.Contains(liveParams, name):
			bad(name, "unknown query parameter")
		case len(values) > 1 && name != "stream":
			bad(name, "given more than once")
		}
	}
	var names []string
	for _, v := range q["stream"] {
		for name := range strings.SplitSeq(v, ",") {
			switch {
			case !known(name):
				bad("stream", "no such stream")
			case !who.sees(name):
				bad("stream", "not a stream of this token")
			default:
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		names = slices.Clone(who.streams)
	}
	if len(names) > 0 {
		slices.Sort(names)
		key.streams = "\x00" + strings.Join(slices.Compact(names), "\x00") + "\x00"
	}
	number := func(name string, limit float64) float64 {
		if !q.Has(name) {
			return 0
		}
		v, err := strconv.ParseFloat(q.Get(name), 64)
		if err != nil || math.IsNaN(v) || v < 0 || v > limit {
			bad(name, "expected a number from 0 to "+strconv.FormatFloat(limit, 'g', -1, 64))
			return 0
		}
		return v
	}
	key.minScore, key.minSeverity = number("min_score", 1), number("min_severity", 30)
	if q.Has("include") && !carry.extras {
		bad("include", "nothing more can be included here")
	} else if v := q.Get("include"); v != "" {
		for what := range strings.SplitSeq(v, ",") {
			switch what {
			case "rollups":
				key.rollups = true
			case "detectors":
				key.detectors = true
			default:
				bad("include", "expected rollups, detectors or both")
			}
		}
	}
	if q.Has("batch") {
		switch v := q.Get("batch"); {
		case format == formatEvents || v != "true" && v != "false":
			bad("batch", "expected true or false, on WebSocket only")
		case v == "false":
			key.format = formatSingle
		}
	}
	from, err := parseSince(q.Get("since"), carry.isID)
	if err != nil {
		bad("since", "neither a cursor, nor "+carry.named+", nor an RFC 3339 time")
	}
	return key, from, errs
}
