// Package backtest runs detectors over recorded events: the same decoder and the same Step as in production, so its scores
// are those that production would have given. It writes score files, measures them against labels, compares
// configurations, and draws a report.
package backtest
