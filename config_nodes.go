package main

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"anomalystream/streams"
)

// streamMap decodes the ordered section of streams; a definition starts from what it already is (file before
// environment), else from the defaults.
func (d *configDecoder) streamMap(n ast.Node, m *StreamMap, path string) {
	entries, _ := d.entries(n, path, "a mapping of stream names")
	for _, e := range entries {
		name := keyName(e)
		at := join(path, name)
		if name != "*" && !validStreamName(name) {
			d.problem(e.Key, at, "expected a stream name of letters, digits, '_', '-' and '.', at most 100 characters")
			continue
		}
		def := m.ByName[name]
		if name == "*" {
			def = m.Template
		}
		if def == nil {
			fresh := streams.DefaultDefinition(name)
			fresh.Features = nil
			for _, b := range BuiltinStreams() {
				if b.Name == name {
					fresh = *b
				}
			}
			def = &fresh
		}
		d.value(e.Value, reflect.ValueOf(def).Elem(), at)
		m.add(def)
	}
}

// definition decodes one stream. A profile that it chooses brings defaults with it.
func (d *configDecoder) definition(n ast.Node, def *streams.Definition, path string) {
	profile := def.Profile
	set := d.structure(n, reflect.ValueOf(def).Elem(), path)
	if def.Profile == streams.ProfileCompact && profile != def.Profile {
		compactDefaults(def, set)
	}
}

// compactDefaults shrinks window and calibration buffer where the configuration does not say otherwise.
func compactDefaults(def *streams.Definition, set map[string]bool) {
	if !set["window"] {
		def.Window = 256
	}
	if !set["buffer"] {
		def.Buffer = 1000
	}
}

// features decodes the ordered mapping of features, a list of names, which takes every default, or "*". A feature starts from
// what it already is.
func (d *configDecoder) features(n ast.Node, features *[]streams.Feature, path string) {
	old := *features
	add := func(f streams.Feature, at ast.Node) {
		if f.Name == "" || len(f.Name) > 200 {
			d.problem(at, path, "a feature needs a name of 1 to 200 characters")
			return
		}
		*features = append(*features, f)
	}
	if seq, ok := n.(*ast.SequenceNode); ok {
		*features = nil
		for _, e := range seq.Values {
			name, ok := scalarString(unwrap(e))
			if !ok {
				d.problem(e, path, "found %s, expected a feature name", describe(e))
				continue
			}
			add(newFeature(name), e)
		}
		return
	}
	if name, ok := scalarString(n); ok && name == "*" {
		*features = []streams.Feature{newFeature("*")}
		return
	}
	entries, ok := mapping(n)
	if !ok {
		d.problem(n, path, "found %s, expected a mapping of feature names, a list, or \"*\"", describe(n))
		return
	}
	*features = nil
	for _, e := range entries {
		f := newFeature(keyName(e))
		if i := slices.IndexFunc(old, func(o streams.Feature) bool { return o.Name == f.Name }); i >= 0 {
			f = old[i]
		}
		d.value(e.Value, reflect.ValueOf(&f).Elem(), join(path, f.Name))
		add(f, e.Key)
	}
}

// detectorSpec decodes "lof" or {name: lof, weight: 2, n_neighbors: 10}.
func (d *configDecoder) detectorSpec(n ast.Node, s *streams.DetectorSpec, path string) {
	s.Weight = 1
	if name, ok := scalarString(n); ok {
		s.Name = name
		return
	}
	entries, ok := mapping(n)
	if !ok {
		d.problem(n, path, "found %s, expected a detector name or {name: ..., parameters}", describe(n))
		return
	}
	for _, e := range entries {
		key, val := keyName(e), unwrap(e.Value)
		at := join(path, key)
		switch key {
		case "name":
			d.value(val, reflect.ValueOf(&s.Name).Elem(), at)
		case "weight":
			d.value(val, reflect.ValueOf(&s.Weight).Elem(), at)
		default:
			var x any
			if err := yaml.NodeToValue(val, &x); err != nil {
				d.problem(val, at, "found %s, expected a number, text, true or false", describe(val))
				continue
			}
			if s.Params == nil {
				s.Params = map[string]any{}
			}
			s.Params[key] = x
			d.mark(val, at)
		}
	}
}

// unwrap strips anchors and tags, which carry no meaning here.
func unwrap(n ast.Node) ast.Node {
	for {
		switch x := n.(type) {
		case *ast.AnchorNode:
			n = x.Value
		case *ast.TagNode:
			n = x.Value
		default:
			return n
		}
	}
}

func mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch x := n.(type) {
	case *ast.MappingNode:
		return x.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{x}, true
	}
	return nil, false
}

func keyName(e *ast.MappingValueNode) string {
	if s, ok := scalarString(unwrap(e.Key)); ok {
		return s
	}
	return e.Key.String()
}

func scalarString(n ast.Node) (string, bool) {
	switch x := n.(type) {
	case *ast.StringNode:
		return x.Value, true
	case *ast.LiteralNode:
		return x.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func number(n ast.Node) (float64, bool) {
	var f float64
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.NanNode, *ast.InfinityNode:
		if err := yaml.NodeToValue(n, &f); err == nil {
			return f, true
		}
	}
	return 0, false
}

func describe(n ast.Node) string {
	switch x := unwrap(n).(type) {
	case *ast.StringNode:
		return fmt.Sprintf("the text %q", x.Value)
	case *ast.LiteralNode:
		return "a block of text"
	case *ast.IntegerNode, *ast.FloatNode:
		return "the number " + n.GetToken().Value
	case *ast.BoolNode:
		return n.GetToken().Value
	case *ast.NullNode:
		return "nothing"
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.AliasNode:
		return "an alias"
	}
	return n.Type().String()
}

func errorToken(err error) *token.Position {
	var withToken interface{ GetToken() *token.Token }
	if errors.As(err, &withToken) && withToken.GetToken() != nil {
		return withToken.GetToken().Position
	}
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// hint explains the wrong keys that people will type on purpose.
func hint(name string) string {
	switch name {
	case "password":
		return " (a secret belongs in password_file or password_env)"
	case "url":
		return " (an address that is a secret belongs in url_file or url_env)"
	}
	return ""
}

func validStreamName(s string) bool {
	if s == "" || len(s) > 100 || s == "." || s == ".." {
		return false
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-', r == '.':
		default:
			return false
		}
	}
	return true
}
