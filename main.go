// Command anomalystream detects anomalies in Kafka streams in real time.
//
// This package is the composition root: it reads the configuration, knows the commands, wires the roles together and
// turns errors into exit codes. Everything else lives in the packages it ties: see docs/design.md for the map.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"anomalystream/emitters"
)

// version is set by the linker at release builds.
var version = "dev"

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// cli is the command line.
type cli struct {
	Demo        demoCmd        `cmd:"" help:"Run everything in one process, with nothing installed: broker, database, simulators, detection, API and page."`
	Run         runCmd         `cmd:"" help:"Run the roles of a configuration against real servers."`
	Emit        emitCmd        `cmd:"" help:"Write simulated traffic with named faults to Kafka."`
	Replay      replayCmd      `cmd:"" help:"Send the rows of CSV or JSON Lines files to a stream's topic."`
	Backtest    backtestCmd    `cmd:"" help:"Score files with the production code path, without Kafka: score files, metrics, report."`
	Suggest     suggestCmd     `cmd:"" help:"Propose a stream's configuration from a file or a topic, with reasons."`
	Validate    validateCmd    `cmd:"" help:"Check a configuration and print what it means."`
	Topics      topicsCmd      `cmd:"" help:"Create or check the topics of a configuration."`
	DeadLetters deadLettersCmd `cmd:"" name:"dead-letters" help:"List or replay records that could not be processed."`
	Notify      notifyCmd      `cmd:"" help:"Try the routes by which people hear of incidents."`
	Health      healthCmd      `cmd:"" help:"Ask a running API whether it is healthy (for container health checks)."`
	HashToken   hashTokenCmd   `cmd:"" name:"hash-token" help:"Make an API token and the hash that goes into the configuration."`
	Version     versionCmd     `cmd:"" help:"Print the version."`

	ShowVersion versionFlag `name:"version" group:"Everywhere:" help:"Print the version."`

	LogLevel  string `name:"log-level" group:"Everywhere:" placeholder:"LEVEL" help:"Log level on standard error: debug, info, warn or error. Default: the configuration's." enum:",debug,info,warn,error" default:""`
	LogFormat string `name:"log-format" group:"Everywhere:" placeholder:"FORMAT" help:"Log format: text or json. Default: the configuration's." enum:",text,json" default:""`
}

// app is what every command gets.
type app struct {
	ctx     context.Context
	stdout  io.Writer
	stderr  io.Writer
	environ []string
	cli     *cli
}

// usageError is an error of the person at the keyboard: exit code 2.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // A second signal ends the process at once.
	os.Exit(execute(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// execute runs one command line and returns its exit code.
func execute(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("anomalystream"),
		kong.Description(description),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
	)
	if err != nil {
		fmt.Fprintln(stderr, "anomalystream:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	kctx, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		fmt.Fprintf(stderr, "anomalystream: %s\nTry: anomalystream %s--help\n", err, commandOf(err))
		return exitUsage
	}
	err = kctx.Run(&app{ctx: ctx, stdout: stdout, stderr: stderr, environ: environ, cli: &c})
	var usage usageError
	var config *ConfigError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &config):
		fmt.Fprintf(stderr, "anomalystream: the configuration is wrong:\n%s\n", indent(config.Error()))
		return exitUsage
	case errors.As(err, &usage), errors.Is(err, emitters.ErrFormat):
		fmt.Fprintln(stderr, "anomalystream:", err)
		return exitUsage
	case ctx.Err() != nil:
		// What runs until it is stopped returns nil then; this command was to come to an end, and has not.
		fmt.Fprintln(stderr, "anomalystream: interrupted:", err)
		return exitFailed
	}
	fmt.Fprintln(stderr, "anomalystream:", err)
	return exitFailed
}

// commandOf returns the words of the command that a command line names before it goes wrong, for a hint.
func commandOf(err error) string {
	var wrong *kong.ParseError
	words := ""
	if errors.As(err, &wrong) && wrong.Context != nil {
		for _, p := range wrong.Context.Path {
			if p.Command != nil {
				words += p.Command.Name + " "
			}
		}
	}
	return words
}

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }

// logger returns the logger of a command: on standard error, as configured, flags first.
func (a *app) logger(c LogConfig) *slog.Logger {
	if a.cli.LogLevel != "" {
		c.Level = a.cli.LogLevel
	}
	if a.cli.LogFormat != "" {
		c.Format = a.cli.LogFormat
	}
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // Checked by validate; the zero level is info.
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, options))
	}
	return slog.New(slog.NewTextHandler(a.stderr, options))
}

// config loads the configuration file ("" for the defaults) with the environment's overrides.
func (a *app) config(path string) (*Config, error) { return LoadConfig(path, a.environ) }
