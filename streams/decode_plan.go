package streams

import "strings"

// pathNode is a place in the JSON value: what is wanted there, and the places below it.
type pathNode struct {
	path     string // Dotted path from the top, "" at the top.
	features []int  // Indexes of the features with this path; usually one.
	time     bool   // The event time is here.
	key      bool   // The entity is here.
	top      bool   // A wildcard stream takes every number of this object.

	names    []string
	children []*pathNode
	index    map[string]int // By name; for objects with many wanted members.
	next     int            // Child expected next: members usually come in the same order.
}

// newPlan lays out the paths of a definition.
func newPlan(d *Definition) *pathNode {
	root := &pathNode{}
	if d.Wildcard() {
		root.top = true
	} else {
		for i, f := range d.Features {
			root.add("", f.Path, func(n *pathNode) { n.features = append(n.features, i) })
		}
	}
	if d.Time != "" {
		root.add("", d.Time, func(n *pathNode) { n.time = true })
	}
	if d.Key != KeyRecord && d.Key != KeyStream {
		root.add("", d.Key, func(n *pathNode) { n.key = true })
	}
	return root
}

// add marks the place of a dotted path below n. On the way down a member whose name is all that is left of the path,
// dots included, is that place too: flat records with dotted names need no escape.
func (n *pathNode) add(prefix, path string, mark func(*pathNode)) {
	mark(n.ensure(path, prefix+path))
	if head, rest, ok := strings.Cut(path, "."); ok && head != "" && rest != "" {
		n.ensure(head, prefix+head).add(prefix+head+".", rest, mark)
	}
}

func (n *pathNode) ensure(name, path string) *pathNode {
	if i, ok := n.index[name]; ok {
		return n.children[i]
	}
	if n.index == nil {
		n.index = map[string]int{}
	}
	child := &pathNode{path: path}
	n.index[name] = len(n.children)
	n.names = append(n.names, name)
	n.children = append(n.children, child)
	return child
}

// child is the place of a member, nil where nothing is wanted.
func (n *pathNode) child(name []byte) *pathNode {
	if n == nil || len(n.names) == 0 {
		return nil
	}
	if n.next >= len(n.names) {
		n.next = 0
	}
	if n.names[n.next] != string(name) {
		i, ok := n.index[string(name)]
		if !ok {
			return nil
		}
		n.next = i
	}
	child := n.children[n.next]
	n.next++
	return child
}

// wanted reports whether a value is wanted here, not only below.
func (n *pathNode) wanted() bool { return n != nil && (n.time || n.key || len(n.features) > 0) }

// expects names what belongs here.
func (n *pathNode) expects() string {
	var want []string
	if len(n.features) > 0 {
		want = append(want, "a number")
	}
	if n.key {
		want = append(want, "a string or an integer that names the entity")
	}
	if n.time {
		want = append(want, "an RFC 3339 time or Unix seconds or milliseconds")
	}
	return strings.Join(want, " and ")
}
