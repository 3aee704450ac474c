package main

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"anomalystream/streams"
)

// streamMap decodes the ordered section of streams; a definition starts from what it already is (file before
// environment), else from the defaults.
func (d *configDecoder) streamMap(n ast.Node, m *StreamMap, path string) {
	entries, ok := mapping(n)
	if !ok {
		if n.Type() != ast.NullType {
			d.problem(n, path, "found %s, expected a mapping of stream names", describe(n))
		}
		return
	}
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
		d.definition(unwrap(e.Value), def, at)
		m.add(def)
	}
}

// definition decodes one stream; the features are an ordered mapping, everything else is a plain struct.
func (d *configDecoder) definition(n ast.Node, def *streams.Definition, path string) {
	entries, ok := mapping(n)
	if !ok {
		if n.Type() != ast.NullType {
			d.problem(n, path, "found %s, expected a mapping", describe(n))
		}
		return
	}
	var rest []*ast.MappingValueNode
	profile := def.Profile
	for _, e := range entries {
		if keyName(e) == "features" {
			at := join(path, "features")
			if t := e.Value.GetToken(); t != nil && t.Position != nil {
				d.positions[at] = position{d.file, t.Position.Line, t.Position.Column}
			}
			d.features(unwrap(e.Value), def, at)
			continue
		}
		rest = append(rest, e)
	}
	v := reflect.ValueOf(def).Elem()
	fields := map[string]int{}
	names := []string{"features"}
	for i := 0; i < v.NumField(); i++ {
		if tag := v.Type().Field(i).Tag.Get("yaml"); tag != "" && tag != "-" {
			fields[tag] = i
			names = append(names, tag)
		}
	}
	set := map[string]bool{}
	for _, e := range rest {
		name := keyName(e)
		i, ok := fields[name]
		if !ok {
			d.problem(e.Key, join(path, name), "unknown key, expected one of: %s%s", strings.Join(names, ", "), hint(name))
			continue
		}
		set[name] = true
		d.value(e.Value, v.Field(i), join(path, name))
	}
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

func (d *configDecoder) features(n ast.Node, def *streams.Definition, path string) {
	if seq, ok := n.(*ast.SequenceNode); ok { // A plain list of names takes every default.
		def.Features = nil
		for _, e := range seq.Values {
			name, ok := scalarString(unwrap(e))
			if !ok {
				d.problem(e, path, "found %s, expected a feature name", describe(e))
				continue
			}
			d.addFeature(def, newFeature(name), e, path)
		}
		return
	}
	if name, ok := scalarString(n); ok && name == "*" {
		def.Features = []streams.Feature{newFeature("*")}
		return
	}
	entries, ok := mapping(n)
	if !ok {
		d.problem(n, path, "found %s, expected a mapping of feature names, a list, or \"*\"", describe(n))
		return
	}
	old := def.Features
	def.Features = nil
	for _, e := range entries {
		f := newFeature(keyName(e))
		for _, o := range old {
			if o.Name == f.Name {
				f = o
			}
		}
		at := join(path, f.Name)
		d.value(e.Value, reflect.ValueOf(&f).Elem(), at)
		d.addFeature(def, f, e.Key, path)
	}
}

func (d *configDecoder) addFeature(def *streams.Definition, f streams.Feature, at ast.Node, path string) {
	if f.Name == "" || len(f.Name) > 200 {
		d.problem(at, path, "a feature needs a name of 1 to 200 characters")
		return
	}
	def.Features = append(def.Features, f)
}

// detectorSpec decodes "lof" or {name: lof, weight: 2, n_neighbors: 10}.
func (d *configDecoder) detectorSpec(n ast.Node, s *streams.DetectorSpec, path string) {
	s.Weight = 1
	if t := n.GetToken(); t != nil && t.Position != nil {
		d.positions[path] = position{d.file, t.Position.Line, t.Position.Column}
	}
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
			if t := val.GetToken(); t != nil && t.Position != nil {
				d.positions[at] = position{d.file, t.Position.Line, t.Position.Column}
			}
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
