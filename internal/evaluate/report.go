package evaluate

// nabSet is the name of the set that the Numenta scores are for.
const nabSet = "nab"

// EpisodeSpan is how many rows an alarm episode must stand out from.
const EpisodeSpan = 150

// Report holds every figure of a number of streams.
type Report struct {
	Epsilon float64                 `json:"epsilon"`
	Sets    map[string]SetReport    `json:"sets"`
	Streams map[string]Measurements `json:"streams"` // By set/name.
	NAB     *NABReport              `json:"nab"`     // Of the streams of the set "nab"; null without any.
	Shifts  map[string]Shift        `json:"shifts"`  // By set/name, for streams with a shift.
}

// SetReport holds the figures of the streams of one set.
type SetReport struct {
	Measurements
	Streams int    `json:"streams"`
	Kept    Figure `json:"far_eps_within_half_to_double"` // Share of its streams whose false-alarm rate is within half and double of what was asked for.
}

// Evaluate measures valid streams.
func Evaluate(streams []*Stream, o Options) Report {
	o = o.WithDefaults()
	r := Report{Epsilon: o.Epsilon, Sets: map[string]SetReport{}, Streams: map[string]Measurements{}, Shifts: map[string]Shift{}}
	groups := map[string][]Counts{}
	kept := map[string]int{}
	var nab []*Stream
	for _, s := range streams {
		c := Measure(s, o)
		m := Summarize([]Counts{c}, o.Epsilon)
		groups[s.Set] = append(groups[s.Set], c)
		r.Streams[s.Set+"/"+s.Name] = m
		if m.FAREpsilon >= 0.5 && m.FAREpsilon <= 2 {
			kept[s.Set]++
		}
		if s.Set == nabSet {
			nab = append(nab, s)
		}
		if s.ShiftAt > 0 {
			r.Shifts[s.Set+"/"+s.Name] = MeasureShift(s)
		}
	}
	for set, counts := range groups {
		r.Sets[set] = SetReport{Summarize(counts, o.Epsilon), len(counts), ratio(kept[set], len(counts))}
	}
	if len(nab) > 0 {
		n := MeasureNAB(nab, EpisodeSpan, o.Threshold)
		r.NAB = &n
	}
	return r
}
