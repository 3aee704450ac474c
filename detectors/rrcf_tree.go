package detectors

// cutTree is one random cut tree that rows are inserted into and removed from. Nodes live in slabs and are reused.
type cutTree struct {
	cols   int
	random rng
	root   int32 // -1 of an empty tree.
	free   int32 // The first unused node; they are linked by parent.
	nodes  []rrcfNode
	boxes  []float64 // Lows and highs of every node.
	leaf   []int32   // The leaf that holds each row slot.
}

// rrcfNode is an inner node, with rows of at most the cut in left, or a leaf, whose left is -1.
type rrcfNode struct {
	cut                 float64
	left, right, parent int32
	column, rows        int32
}

// reset makes the tree empty, with room for size rows and one to score.
func (t *cutTree) reset(size, cols int, random rng) {
	t.cols, t.random, t.root, t.free = cols, random, -1, 0
	nodes := 2*(size+1) - 1
	t.nodes, t.boxes, t.leaf = resize(t.nodes, nodes), resize(t.boxes, nodes*2*cols), resize(t.leaf, size+1)
	for i := range t.nodes {
		t.nodes[i].parent = int32(i + 1)
	}
	t.nodes[nodes-1].parent = -1
}

// box returns the lows and highs of a node.
func (t *cutTree) box(i int32) (lo, hi []float64) {
	b := t.boxes[int(i)*2*t.cols:][:2*t.cols]
	return b[:t.cols], b[t.cols:]
}

// take returns an unused node.
func (t *cutTree) take() int32 {
	i := t.free
	t.free = t.nodes[i].parent
	return i
}

// give returns a node to the unused ones.
func (t *cutTree) give(i int32) {
	t.nodes[i].parent = t.free
	t.free = i
}

// insert adds the row in a slot. At each node from the root a cut is drawn over the node's box stretched to the row: if
// it separates the row from the box, the row becomes the node's sibling there, else it goes on down. Equal rows share a
// leaf, which is one of no extent: nothing separates them.
func (t *cutTree) insert(rows []float64, slot int) {
	row := rows[slot*t.cols : (slot+1)*t.cols]
	if t.root < 0 {
		t.root = t.newLeaf(row, slot, -1)
		return
	}
	for i := t.root; ; {
		lo, hi := t.box(i)
		if column, cut, separated := t.cut(row, lo, hi); separated {
			t.join(i, row, slot, column, cut)
			return
		}
		for j, v := range row {
			lo[j], hi[j] = min(lo[j], v), max(hi[j], v)
		}
		node := &t.nodes[i]
		node.rows++
		switch {
		case node.left < 0:
			t.leaf[slot] = i
			return
		case row[node.column] <= node.cut:
			i = node.left
		default:
			i = node.right
		}
	}
}

// cut draws a point on the sides of a box stretched to a row, laid end to end, and says whether it lies in what was
// added: then rows of at most the cut are on one side, and the row on the other.
func (t *cutTree) cut(row, lo, hi []float64) (column int, cut float64, separated bool) {
	var total float64
	for j, v := range row {
		total += max(hi[j], v) - min(lo[j], v)
	}
	if total == 0 {
		return 0, 0, false
	}
	point := t.random.float() * total
	for j, v := range row {
		least, most := min(lo[j], v), max(hi[j], v)
		if side := most - least; point >= side {
			point -= side
			continue
		}
		if cut = least + point; cut >= most {
			cut = least // Rounded up: a cut must leave rows on both sides.
		}
		return j, cut, v <= cut && cut < lo[j] || hi[j] <= cut && cut < v
	}
	return t.cutLast(row, lo, hi)
}

// cutLast is the cut where rounding went past the last side: at the low end of the last column with an extent.
func (t *cutTree) cutLast(row, lo, hi []float64) (column int, cut float64, separated bool) {
	for j, v := range row {
		if max(hi[j], v) > min(lo[j], v) {
			column = j
		}
	}
	v := row[column]
	cut = min(lo[column], v)
	return column, cut, v <= cut && cut < lo[column] || hi[column] <= cut && cut < v
}

// join puts a new inner node in the place of node i, with node i and a leaf of the row as children.
func (t *cutTree) join(i int32, row []float64, slot, column int, cut float64) {
	above := t.nodes[i].parent
	parent := t.take()
	leaf := t.newLeaf(row, slot, parent)
	t.nodes[i].parent = parent
	node := rrcfNode{cut: cut, left: i, right: leaf, parent: above, column: int32(column), rows: t.nodes[i].rows + 1}
	if row[column] <= cut {
		node.left, node.right = leaf, i
	}
	t.nodes[parent] = node
	t.replace(above, i, parent)
	t.measure(parent)
}

// newLeaf makes a leaf of one row.
func (t *cutTree) newLeaf(row []float64, slot int, parent int32) int32 {
	i := t.take()
	t.nodes[i] = rrcfNode{left: -1, right: -1, parent: parent, rows: 1}
	lo, hi := t.box(i)
	copy(lo, row)
	copy(hi, row)
	t.leaf[slot] = i
	return i
}

// replace puts a node in the place of a child of above, or of the root.
func (t *cutTree) replace(above, child, by int32) {
	switch {
	case above < 0:
		t.root = by
	case t.nodes[above].left == child:
		t.nodes[above].left = by
	default:
		t.nodes[above].right = by
	}
}

// measure makes the box of an inner node that of its children.
func (t *cutTree) measure(i int32) {
	lo, hi := t.box(i)
	leftLo, leftHi := t.box(t.nodes[i].left)
	rightLo, rightHi := t.box(t.nodes[i].right)
	for j := range lo {
		lo[j], hi[j] = min(leftLo[j], rightLo[j]), max(leftHi[j], rightHi[j])
	}
}

// remove takes the row in a slot out: its sibling takes the place of their parent.
func (t *cutTree) remove(slot int) {
	i := t.leaf[slot]
	above := t.nodes[i].parent
	if t.nodes[i].rows > 1 {
		t.nodes[i].rows--
	} else {
		if above < 0 {
			t.root = -1
			t.give(i)
			return
		}
		sibling := t.sibling(i)
		parent := above
		above = t.nodes[parent].parent
		t.replace(above, parent, sibling)
		t.nodes[sibling].parent = above
		t.give(parent)
		t.give(i)
	}
	for ; above >= 0; above = t.nodes[above].parent {
		t.nodes[above].rows--
		t.measure(above)
	}
}

// sibling returns the other child of a node's parent.
func (t *cutTree) sibling(i int32) int32 {
	parent := &t.nodes[t.nodes[i].parent]
	if parent.left == i {
		return parent.right
	}
	return parent.left
}

// codisp returns the collusive displacement of the row in a slot, 0 if no other rows differ.
func (t *cutTree) codisp(slot int) float64 {
	var largest float64
	for i := t.leaf[slot]; t.nodes[i].parent >= 0; i = t.nodes[i].parent {
		largest = max(largest, float64(t.nodes[t.sibling(i)].rows)/float64(t.nodes[i].rows))
	}
	return largest
}

// sizeBytes returns the memory of the tree.
func (t *cutTree) sizeBytes() int { return 32*cap(t.nodes) + 8*cap(t.boxes) + 4*cap(t.leaf) }
