package main

import (
	"fmt"
	"math"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"anomalystream/streams"
)

// Problem is one thing wrong with the configuration.
type Problem struct {
	File         string // File name, or the environment variable.
	Line, Column int    // 1-based; 0 where unknown.
	Path         string // For example streams.server_metrics.warmup.
	Message      string // What was found and what was expected.
}

// String returns file:line:column: path: message.
func (p Problem) String() string {
	s := p.File
	if p.Line > 0 {
		s += fmt.Sprintf(":%d:%d", p.Line, p.Column)
	}
	if s != "" {
		s += ": "
	}
	if p.Path != "" {
		s += p.Path + ": "
	}
	return s + p.Message
}

// ConfigError lists everything wrong with the configuration at once.
type ConfigError struct{ Problems []Problem }

// Error returns one line per problem.
func (e *ConfigError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

type position struct {
	file         string
	line, column int
}

// configDecoder decodes YAML nodes into structs strictly, collecting every problem with its position, and remembers where
// each path was set so that later checks can name the place too.
type configDecoder struct {
	file      string
	positions map[string]position
	problems  []Problem
}

func (d *configDecoder) problem(n ast.Node, path, format string, args ...any) {
	p := Problem{File: d.file, Path: path, Message: fmt.Sprintf(format, args...)}
	if n != nil && n.GetToken() != nil && n.GetToken().Position != nil {
		p.Line, p.Column = n.GetToken().Position.Line, n.GetToken().Position.Column
	}
	d.problems = append(d.problems, p)
}

// invalid reports an impossible value found after decoding, at the place where the path (or its nearest parent) was set.
func (d *configDecoder) invalid(path, format string, args ...any) {
	p := Problem{File: d.file, Path: path, Message: fmt.Sprintf(format, args...)}
	for at := path; at != ""; {
		if pos, ok := d.positions[at]; ok {
			p.File, p.Line, p.Column = pos.file, pos.line, pos.column
			break
		}
		i := strings.LastIndexByte(at, '.')
		if i < 0 {
			break
		}
		at = at[:i]
	}
	d.problems = append(d.problems, p)
}

// document decodes a YAML text into v.
func (d *configDecoder) document(text []byte, v any) {
	f, err := parseYAML(text)
	if err != nil {
		p := Problem{File: d.file, Message: "not valid YAML: " + err.Error()}
		if s, ok := err.(interface{ GetMessage() string }); ok {
			p.Message = "not valid YAML: " + s.GetMessage()
		}
		if t := errorToken(err); t != nil {
			p.Line, p.Column = t.Line, t.Column
		}
		d.problems = append(d.problems, p)
		return
	}
	var body ast.Node
	for _, doc := range f.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if body != nil {
			d.problem(doc.Body, "", "a second YAML document, expected one")
			return
		}
		body = doc.Body
	}
	if body != nil {
		d.value(body, reflect.ValueOf(v).Elem(), "")
	}
}

// environment applies ANOMALYSTREAM_SECTION__KEY=value overrides: the value is YAML, a list may be separated by commas.
func (d *configDecoder) environment(environ []string, v any) {
	const prefix = "ANOMALYSTREAM_"
	environ = append([]string(nil), environ...)
	sort.Strings(environ)
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, prefix) || !strings.Contains(name[len(prefix):], "__") {
			continue // Other variables with our prefix (tests, secrets) have no double underscore.
		}
		parts := strings.Split(strings.ToLower(name[len(prefix):]), "__")
		var text strings.Builder
		for i, p := range parts {
			text.WriteString(strings.Repeat("  ", i) + strconv.Quote(p) + ":")
			if i < len(parts)-1 {
				text.WriteString("\n")
			}
		}
		quoted := value
		if value == "" || strings.ContainsAny(value, ":#{}[]&*!|>'\"%@`\n") && !strings.HasPrefix(value, "[") && !strings.HasPrefix(value, "{") {
			quoted = strconv.Quote(value)
		}
		text.WriteString(" " + quoted + "\n")
		file := d.file
		d.file = "environment variable " + name
		before := len(d.problems)
		d.document([]byte(text.String()), v)
		for i := before; i < len(d.problems); i++ {
			d.problems[i].Line, d.problems[i].Column = 0, 0
		}
		for path, pos := range d.positions {
			if pos.file == d.file {
				pos.line, pos.column = 0, 0
				d.positions[path] = pos
			}
		}
		d.file = file
	}
}

func (d *configDecoder) value(n ast.Node, v reflect.Value, path string) {
	n = unwrap(n)
	d.mark(n, path)
	if v.CanAddr() {
		switch x := v.Addr().Interface().(type) {
		case *StreamMap:
			d.streamMap(n, x, path)
			return
		case *RouteMap:
			d.routeMap(n, x, path)
			return
		case *streams.Definition:
			d.definition(n, x, path)
			return
		case *[]streams.Feature:
			d.features(n, x, path)
			return
		case *streams.DetectorSpec:
			d.detectorSpec(n, x, path)
			return
		case *time.Duration:
			d.duration(n, x, path)
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.String:
		if s, ok := scalarString(n); ok {
			v.SetString(s)
			return
		}
		d.problem(n, path, "found %s, expected text", describe(n))
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			d.problem(n, path, "found %s, expected true or false", describe(n))
			return
		}
		v.SetBool(b.Value)
	case reflect.Int, reflect.Int64, reflect.Uint64:
		d.integer(n, v, path)
	case reflect.Float64:
		f, ok := number(n)
		if !ok {
			d.problem(n, path, "found %s, expected a number", describe(n))
			return
		}
		v.SetFloat(f)
	case reflect.Slice:
		d.slice(n, v, path)
	case reflect.Map:
		d.texts(n, v, path)
	default:
		d.problem(n, path, "cannot be configured")
	}
}

// mark remembers where a path was set.
func (d *configDecoder) mark(n ast.Node, path string) {
	if t := n.GetToken(); t != nil && t.Position != nil && path != "" {
		d.positions[path] = position{d.file, t.Position.Line, t.Position.Column}
	}
}

// entries returns what a section holds; one without a value has no entries. what says what is expected, if it is no section.
func (d *configDecoder) entries(n ast.Node, path, what string) (entries []*ast.MappingValueNode, ok bool) {
	entries, ok = mapping(n)
	if ok || n.Type() == ast.NullType {
		return entries, true
	}
	d.problem(n, path, "found %s, expected %s", describe(n), what)
	return nil, false
}

// structure decodes a section into a struct, which keeps the fields that are not in it, and returns the names that were set.
func (d *configDecoder) structure(n ast.Node, v reflect.Value, path string) (set map[string]bool) {
	entries, _ := d.entries(n, path, "a mapping")
	fields := map[string]int{}
	var names []string
	for i := range v.NumField() {
		if tag := v.Type().Field(i).Tag.Get("yaml"); tag != "" && tag != "-" {
			fields[tag] = i
			names = append(names, tag)
		}
	}
	set = map[string]bool{}
	for _, e := range entries {
		name := keyName(e)
		i, ok := fields[name]
		if !ok {
			d.problem(e.Key, join(path, name), "unknown key, expected one of: %s%s", strings.Join(names, ", "), hint(name))
			continue
		}
		set[name] = true
		d.value(e.Value, v.Field(i), join(path, name))
	}
	return set
}

// texts decodes a mapping of names to texts.
func (d *configDecoder) texts(n ast.Node, v reflect.Value, path string) {
	entries, ok := d.entries(n, path, "a mapping of names to texts")
	if !ok {
		return
	}
	out := map[string]string{}
	for _, e := range entries {
		name := keyName(e)
		var text string
		d.value(e.Value, reflect.ValueOf(&text).Elem(), join(path, name))
		out[name] = text
	}
	v.SetZero()
	if len(out) > 0 {
		v.Set(reflect.ValueOf(out))
	}
}

func (d *configDecoder) slice(n ast.Node, v reflect.Value, path string) {
	if s, ok := scalarString(n); ok && v.Type().Elem().Kind() == reflect.String {
		out := reflect.MakeSlice(v.Type(), 0, 1)
		for _, part := range strings.Split(s, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = reflect.Append(out, reflect.ValueOf(part))
			}
		}
		v.Set(out)
		return
	}
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.problem(n, path, "found %s, expected a list", describe(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values))
	for i, e := range seq.Values {
		d.value(e, out.Index(i), join(path, strconv.Itoa(i)))
	}
	v.Set(out)
}

func (d *configDecoder) integer(n ast.Node, v reflect.Value, path string) {
	f, ok := number(n)
	if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		d.problem(n, path, "found %s, expected an integer", describe(n))
		return
	}
	if v.Kind() == reflect.Uint64 {
		if f < 0 {
			d.problem(n, path, "found %s, expected an integer of at least 0", describe(n))
			return
		}
		v.SetUint(uint64(f))
		return
	}
	v.SetInt(int64(f))
}

func (d *configDecoder) duration(n ast.Node, v *time.Duration, path string) {
	s, ok := scalarString(n)
	if ok {
		if x, err := parseDuration(s); err == nil {
			*v = x
			return
		}
	}
	d.problem(n, path, "found %s, expected a duration such as 500ms, 2s, 15m, 12h or 30d", describe(n))
}

// parseDuration reads a Go duration, or whole days as 30d.
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || n > 36500 || n < -36500 || n != n {
			return 0, fmt.Errorf("reading duration %q", s)
		}
		return time.Duration(n * 24 * float64(time.Hour)), nil
	}
	if s == "0" {
		return 0, nil
	}
	return time.ParseDuration(s)
}
