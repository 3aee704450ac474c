"""Follows a live route with a library that others use: feed.py LIBRARY URL COUNT [SINCE]. Prints what happens, a word and its value a
line. With COUNT 0 it does not read until a line comes on its input, and then prints how the connection ends."""

import json
import os
import sys

TOKEN = os.environ["ANOMALYSTREAM_TOKEN"]


def say(*words):
    print(*words, flush=True)


def name(item):
    return "%s@%d" % (item["id"], item["revision"]) if "revision" in item else item["id"]


class Reader:
    def __init__(self, count):
        self.left, self.cursor, self.seq = count, "", 0

    def frame(self, text):
        frame = json.loads(text)
        if self.seq and frame["seq"] != self.seq + 1:
            say("lost", self.seq, frame["seq"])
        self.seq = frame["seq"]
        if frame["type"] == "hello":
            say("resume", frame["resume"])
        for item in frame["items"]:
            say("item", name(item))
            self.left -= 1
        self.cursor = frame.get("cursor") or self.cursor


def websockets(url, count, since):
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect
    with connect(url + ("?since=" + since if since else ""), subprotocols=["anomalystream", "bearer." + TOKEN], max_size=None, max_queue=1) as ws:
        say("subprotocol", ws.subprotocol)
        say("compression", ws.response.headers.get("Sec-WebSocket-Extensions", "none"))
        if count == 0:
            sys.stdin.readline()
            try:
                while True:
                    ws.recv()
            except ConnectionClosed as closed:
                say("code", closed.rcvd.code if closed.rcvd else 1006)
            return
        if not ws.ping().wait(20):
            say("no pong")
        say("pong")
        reader = Reader(count)
        while reader.left > 0:
            reader.frame(ws.recv())
        say("cursor", reader.cursor)


def websocket_client(url, count, since):
    import websocket
    ws = websocket.create_connection(url + ("?since=" + since if since else ""), header=["Authorization: Bearer " + TOKEN], timeout=30)
    say("subprotocol", ws.subprotocol)
    say("compression", ws.getheaders().get("sec-websocket-extensions", "none"))
    if count == 0:
        sys.stdin.readline()
        while True:
            opcode, data = ws.recv_data()
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                say("code", int.from_bytes(data[:2], "big"))
                return
    ws.ping("hello")
    reader, ponged = Reader(count), False
    while reader.left > 0 or not ponged:
        opcode, data = ws.recv_data(control_frame=True)
        if opcode == websocket.ABNF.OPCODE_PONG:
            ponged = True
            say("pong")
        elif opcode == websocket.ABNF.OPCODE_TEXT:
            reader.frame(data)
    say("cursor", reader.cursor)
    ws.close()


def requests(url, count, since):
    import requests as library
    headers = {"Authorization": "Bearer " + TOKEN, "Accept": "text/event-stream"}
    if since:
        headers["Last-Event-ID"] = since
    with library.get(url, headers=headers, stream=True, timeout=30) as response:
        response.raise_for_status()
        say("type", response.headers["Content-Type"])
        event, cursor, data = "message", "", ""
        for line in response.iter_lines(chunk_size=1, decode_unicode=True):
            if line:
                field, _, value = line.partition(": ")
                event, cursor, data = (value if field == "event" else event), (value if field == "id" else cursor), (value if field == "data" else data)
                continue
            if event == "hello":
                say("resume", json.loads(data)["resume"])
            elif event == "message" and data:
                say("item", name(json.loads(data)))
                count -= 1
                if count == 0:
                    say("cursor", cursor)
                    return
            event, data = "message", ""


{"websockets": websockets, "websocket-client": websocket_client, "requests": requests}[sys.argv[1]](
    sys.argv[2], int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else "")
