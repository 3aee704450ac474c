#!/usr/bin/env python3
"""Print live anomalies, or the revisions of incidents, one line each, with nothing but the standard library.

    python3 alerts.py [--count N] [--since CURSOR] [http://localhost:8000/api/alerts?min_score=0.8]
    python3 alerts.py http://localhost:8000/api/incidents/live

It reads server-sent events, connects again by itself and misses nothing. A token is taken from ANOMALYSTREAM_TOKEN.
"""

import argparse
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request


def events(url, token, last_id):
    """Yield (event, id, data) of one connection until it ends. A heartbeat has an id only."""
    request = urllib.request.Request(url, headers={"Accept": "text/event-stream"})
    if token:
        request.add_header("Authorization", "Bearer " + token)
    if last_id:
        request.add_header("Last-Event-ID", last_id)
    # Heartbeats come every 15 s: silence for longer means that the network is gone.
    with urllib.request.urlopen(request, timeout=45) as response:
        event, event_id, data = "message", None, []
        for raw in response:
            line = raw.decode("utf-8").rstrip("\r\n")
            if not line:
                if data or event_id:
                    yield event, event_id, json.loads("\n".join(data) or "null")
                event, event_id, data = "message", None, []
                continue
            name, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if name == "event":
                event = value
            elif name == "id":
                event_id = value
            elif name == "data":
                data.append(value)


def line(item):
    """Return the line of an anomaly or of a revision of an incident, whose newest says all about it."""
    if "revision" in item:
        words = ["%s@%d" % (item["id"], item["revision"]), item["start"], item["stream"], item["entity"], item["change"], item["sentence"]]
    else:
        words = [item["id"], item["timestamp"], item["stream"], item["entity"], "%.3f" % item["score"], item["explanation"]["sentence"]]
    return " ".join(words)


def main():
    parser = argparse.ArgumentParser(description="Print live anomalies or incidents.")
    parser.add_argument("url", nargs="?", default="http://localhost:8000/api/alerts")
    parser.add_argument("--count", type=int, default=-1, help="end after so many lines")
    parser.add_argument("--since", help="start after a cursor, an anomaly's id, an incident's ID@REVISION, or an RFC 3339 time")
    args = parser.parse_args()
    if urllib.parse.urlsplit(args.url).scheme not in ("http", "https"):
        parser.error("the URL must start with http:// or https://")
    token, last_id, left = os.environ.get("ANOMALYSTREAM_TOKEN"), args.since, args.count
    while True:
        try:
            for event, event_id, data in events(args.url, token, last_id):
                if event == "gap":
                    print("some were missed:", data["reason"], file=sys.stderr)
                if event == "message" and data:  # The others are hello, closing, deleted ...
                    print(line(data), flush=True)
                    left -= 1
                    if left == 0:
                        return
                last_id = event_id or last_id  # After the work: an id says that it has been done.
            reason = "the server ended the stream"
        except (OSError, http.client.HTTPException, urllib.error.URLError) as error:
            if isinstance(error, urllib.error.HTTPError) and error.code in (400, 401, 403, 422):
                sys.exit("%s: %s" % (error, error.read().decode("utf-8", "replace")))
            reason = error
        print("connecting again:", reason, file=sys.stderr)
        time.sleep(1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
