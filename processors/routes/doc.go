// Package routes decides which incidents become messages of a route: when an opening is told, what repeats, what a rate limit
// holds back. It knows no Kafka and no clock: everything follows from the signals it is given, so a crash plans the same
// messages with the same keys.
package routes
