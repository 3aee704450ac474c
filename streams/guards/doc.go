// Package guards makes rules and maintenance windows ready to be asked: schedules and calendars are read. What it makes never
// changes and knows no clock, so whoever asks by event time gets the same answer at any time.
package guards
