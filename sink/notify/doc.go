// Package notify delivers planned notifications. Each route has a consumer group of its own, so one that hangs holds up itself
// alone. A message is committed after its receiver has taken it: it is delivered at least once, always with the same
// idempotency key, and twice only where a process dies between the two.
package notify
