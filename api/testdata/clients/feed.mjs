// The same as feed.py with libraries of Node: node feed.mjs LIBRARY URL COUNT [SINCE]. NODE_MODULES is the folder of the libraries.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_MODULES}/`);
const token = process.env.ANOMALYSTREAM_TOKEN;
const [library, url, count, since] = process.argv.slice(2);
const say = (...words) => console.log(...words);
const name = (item) => (item.revision ? `${item.id}@${item.revision}` : item.id);
let left = Number(count);

function ws() {
  const { WebSocket } = require("ws");
  const socket = new WebSocket(url + (since ? `?since=${since}` : ""), ["anomalystream", `bearer.${token}`]);
  let seq = 0;
  let ponged = false;
  let cursor = "";
  const end = () => {
    if (left > 0 || !ponged) return;
    say("cursor", cursor);
    socket.close();
  };
  socket.on("open", () => {
    say("subprotocol", socket.protocol);
    say("compression", socket.extensions || "none");
    if (left > 0) return socket.ping();
    socket.pause();
    process.stdin.once("data", () => socket.resume());
  });
  socket.on("pong", () => {
    say("pong");
    ponged = true;
    end();
  });
  socket.on("close", (code) => {
    say("code", code);
    process.exit();
  });
  socket.on("message", (text) => {
    if (Number(count) === 0) return;
    const frame = JSON.parse(text);
    if (seq && frame.seq !== seq + 1) say("lost", seq, frame.seq);
    seq = frame.seq;
    if (frame.type === "hello") say("resume", frame.resume);
    for (const item of frame.items) {
      say("item", name(item));
      left -= 1;
    }
    cursor = frame.cursor || cursor;
    end();
  });
}

function eventsource() {
  const { EventSource } = require("eventsource");
  const headers = { Authorization: `Bearer ${token}`, ...(since ? { "Last-Event-ID": since } : {}) };
  const source = new EventSource(url, { fetch: (address, init) => fetch(address, { ...init, headers: { ...init.headers, ...headers } }) });
  source.addEventListener("open", () => say("type", "text/event-stream"));
  source.addEventListener("hello", (event) => say("resume", JSON.parse(event.data).resume));
  source.addEventListener("message", (event) => {
    say("item", name(JSON.parse(event.data)));
    left -= 1;
    if (left > 0) return;
    say("cursor", event.lastEventId);
    source.close();
    process.exit();
  });
}

({ ws, eventsource })[library]();
