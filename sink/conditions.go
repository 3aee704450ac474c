package sink

import (
	"strconv"
	"strings"
	"time"
)

// conditions gathers the WHERE clause of a query and its arguments. Values are never part of the text.
type conditions struct {
	s     *Store
	parts []string
	args  []any
}

// add adds a condition in which each ? stands for the next value.
func (c *conditions) add(condition string, values ...any) {
	for _, v := range values {
		if t, ok := v.(time.Time); ok {
			v = c.s.at(t)
		}
		c.args = append(c.args, v)
		condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(c.args)), 1)
	}
	c.parts = append(c.parts, condition)
}

// anyOf adds the condition that a column of text is one of the values.
func (c *conditions) anyOf(column string, values []string) {
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(values)), ", ")
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	c.add(column+" IN ("+marks+")", args...)
}

func (c *conditions) where() string {
	if len(c.parts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.parts, " AND ")
}
