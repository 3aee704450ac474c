package main

import (
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parseYAML parses a YAML text as the specification reads it: a colon inside a plain scalar separates key and value only
// where white space follows. The lexer of goccy/go-yaml splits at every colon of a list within braces, so that
// {brokers: [localhost:9092]} would hold a mapping; joining what touches gives the text back.
func parseYAML(text []byte) (*ast.File, error) {
	tokens := lexer.Tokenize(string(text))
	joined := make(token.Tokens, 0, len(tokens))
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		for i+2 < len(tokens) && touching(t, tokens[i+1], tokens[i+2]) {
			colon, rest := tokens[i+1], tokens[i+2]
			t = token.String(t.Value+colon.Value+rest.Value, t.Origin+colon.Origin+rest.Origin, t.Position)
			i += 2
		}
		joined.Add(t)
	}
	return parser.Parse(joined, 0)
}

// touching reports whether three tokens are a plain scalar, a colon and a plain scalar with nothing between them.
func touching(left, colon, right *token.Token) bool {
	return plain(left) && colon.Type == token.MappingValueType && plain(right) &&
		left.Position.Line == colon.Position.Line && colon.Position.Line == right.Position.Line &&
		left.Position.Column+utf8.RuneCountInString(left.Value) == colon.Position.Column && colon.Position.Column+1 == right.Position.Column
}

func plain(t *token.Token) bool {
	switch t.Type {
	case token.StringType, token.IntegerType, token.FloatType, token.BoolType:
		return true
	}
	return false
}
