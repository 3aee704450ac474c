package suggest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"anomalystream/streams"
)

// YAML writes the suggestion as the section "streams" of a configuration file, with the reasons as comments. Keys that
// keep their defaults are left out.
func (s *Suggestion) YAML() string {
	d, plain := &s.Definition, streams.DefaultDefinition(s.Definition.Name)
	var b strings.Builder
	b.WriteString("streams:\n  " + scalar(d.Name) + ":\n")
	for _, line := range s.Summary {
		b.WriteString("    # " + comment(line) + "\n")
	}
	line := func(text, reason string) {
		if reason == "" {
			fmt.Fprintf(&b, "    %s\n", text)
			return
		}
		fmt.Fprintf(&b, "    %-32s # %s\n", text, comment(reason))
	}
	line("topic: "+scalar(d.Topic), "")
	line("key: "+scalar(d.Key), s.Reasons["key"])
	time := "time: " + scalar(d.Time)
	if d.Time == "" {
		time = `time: ""`
	}
	line(time, s.Reasons["time"])
	line("expected_anomaly_rate: "+strconv.FormatFloat(d.Rate, 'g', -1, 64), s.Reasons["rate"])
	if d.Profile != plain.Profile {
		line("profile: "+d.Profile, s.Reasons["profile"])
	}
	var names []string
	for _, spec := range d.Detectors {
		names = append(names, spec.Name)
	}
	line("detectors: ["+strings.Join(names, ", ")+"]", s.Reasons["detectors"])
	if d.Vote != plain.Vote {
		line("vote: "+d.Vote, s.Reasons["vote"])
	}
	if d.Alert != plain.Alert {
		line("alert_score: "+d.Alert, s.Reasons["alert"])
	}
	b.WriteString("    features:\n")
	for _, f := range d.Features {
		var keys []string
		keys = append(keys, "transforms: ["+strings.Join(f.Transforms, ", ")+"]")
		if f.Path != f.Name {
			keys = append(keys, "path: "+scalar(f.Path))
		}
		if f.Missing != streams.MissingReject {
			keys = append(keys, "missing: "+f.Missing)
		}
		fmt.Fprintf(&b, "      # %s\n      %s: {%s}\n", comment(s.Features[f.Name]), scalar(f.Name), strings.Join(keys, ", "))
	}
	for i, text := range s.LeftOut {
		if i == 0 {
			b.WriteString("    # left out:\n")
		}
		b.WriteString("    #   " + comment(text) + "\n")
	}
	return b.String()
}

// word is what YAML reads as a plain string whatever stands around it.
var word = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// scalar writes a string that YAML reads back.
func scalar(s string) string {
	reserved := []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
	if word.MatchString(s) && !slices.Contains(reserved, strings.ToLower(s)) {
		return s
	}
	return strconv.Quote(s)
}

// comment keeps a text on its line.
func comment(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == '\u0085' {
			return ' '
		}
		return r
	}, s)
}
