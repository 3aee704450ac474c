package streams

import "testing"

func TestMatchPattern(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "rack/7:web", true}, {"web-?", "web-1", true},
		{"web-?", "web-12", false}, {"web-?", "web-é", true}, {"*-db-*", "eu-db-1", true}, {"*-db-*", "eu-web-1", false},
		{"a*b*c", "aXbXbXc", true}, {"a*b*c", "aXbXbX", false}, {"[a]", "[a]", true}, {"Web", "web", false},
		{"**", "x", true}, {"?*", "", false}, {"*é", "caf\xc3\xa9", true},
	} {
		if got := MatchPattern(c.pattern, c.text); got != c.want {
			t.Errorf("MatchPattern(%q, %q) = %v, want %v", c.pattern, c.text, got, c.want)
		}
	}
}
