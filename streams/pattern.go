package streams

import "unicode/utf8"

// MatchPattern reports whether a text matches a pattern, in which * stands for any characters, or none, and ? for one.
// Everything else stands for itself, slashes included, and case counts.
func MatchPattern(pattern, text string) bool {
	star, again := -1, 0 // After the last *, and the place in the text from which it is tried next.
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			p++
			star, again = p, t
		case p < len(pattern) && pattern[p] == '?':
			_, size := utf8.DecodeRuneInString(text[t:])
			p, t = p+1, t+size
		case p < len(pattern) && pattern[p] == text[t]:
			p, t = p+1, t+1
		case star >= 0:
			_, size := utf8.DecodeRuneInString(text[again:])
			again += size
			p, t = star, again
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
