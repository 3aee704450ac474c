package checkpoint

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// logger gives goka's messages to slog: its progress as detail, its errors as warnings.
type logger struct{ log *slog.Logger }

// Print implements goka.Logger.
func (l logger) Print(args ...any) { l.say(fmt.Sprint(args...)) }

// Println implements goka.Logger.
func (l logger) Println(args ...any) { l.say(fmt.Sprint(args...)) }

// Printf implements goka.Logger.
func (l logger) Printf(format string, args ...any) { l.say(fmt.Sprintf(format, args...)) }

func (l logger) say(message string) {
	level := slog.LevelDebug
	if lower := strings.ToLower(message); strings.Contains(lower, "error") && !strings.Contains(lower, "no error") {
		level = slog.LevelWarn
	}
	l.log.Log(context.Background(), level, "goka", "message", short(message))
}

// longestMessage bounds what is logged of an error: goka joins the errors of all messages in flight.
const longestMessage = 400

// short is the beginning of a text, on one line.
func short(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > longestMessage {
		return strings.ToValidUTF8(text[:longestMessage], "") + " ..."
	}
	return text
}
