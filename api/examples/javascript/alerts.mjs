// Prints live anomalies, or the revisions of incidents, one line each; it connects again by itself and misses nothing.
//
//   node alerts.mjs [--count N] [--since CURSOR] [ws://localhost:8000/ws/alerts?min_score=0.8]
//   node alerts.mjs ws://localhost:8000/ws/incidents
//
// It uses nothing but the WebSocket of browsers, Deno and Node 22; Node 20 has it with --experimental-websocket. A token is
// taken from ANOMALYSTREAM_TOKEN. In a browser, follow() below works as it is.

/**
 * Follows the feed of live anomalies or incidents for ever, or until onItem returns false.
 * @param {string} url for example "ws://localhost:8000/ws/alerts"
 * @param {{token?: string, since?: string, onItem: (item: object) => boolean|void, onNote?: (text: string) => void}} options
 */
export function follow(url, { token, since, onItem, onNote = () => {} }) {
  let cursor = since;
  let done = false;

  const connect = () => {
    const target = new URL(url);
    if (cursor) target.searchParams.set("since", cursor);
    // Browsers cannot set headers here, so the token travels as a subprotocol.
    const protocols = token ? ["anomalystream", `bearer.${token}`] : ["anomalystream"];
    const socket = new WebSocket(target, protocols);
    let last = 0;
    let silence;
    const alive = () => {
      clearTimeout(silence);
      silence = setTimeout(() => socket.close(), 45_000); // Heartbeats come every 15 s.
    };
    alive();
    socket.onmessage = (message) => {
      if (done) return;
      alive();
      const frame = JSON.parse(message.data);
      if (last && frame.seq !== last + 1) return socket.close(); // The network lost something: resume.
      last = frame.seq;
      if (frame.type === "gap") onNote(`some were missed: ${frame.reason}`);
      for (const item of frame.items) {
        if (onItem(item) === false) {
          done = true;
          return socket.close();
        }
      }
      if (frame.cursor) cursor = frame.cursor; // After the items: a cursor says that they have been dealt with.
    };
    socket.onerror = () => {}; // A close follows.
    socket.onclose = (event) => {
      clearTimeout(silence);
      if (done) return;
      onNote(`connecting again: code ${event.code} ${event.reason}`);
      setTimeout(connect, 1000);
    };
  };
  connect();
}

// words are what is printed of an anomaly or of a revision of an incident, whose newest says all about it.
function words(item) {
  if (item.revision) return [`${item.id}@${item.revision}`, item.start, item.stream, item.entity, item.change, item.sentence];
  return [item.id, item.timestamp, item.stream, item.entity, item.score.toFixed(3), item.explanation.sentence];
}

if (typeof process !== "undefined" && process.argv[1]?.endsWith("alerts.mjs")) {
  const args = process.argv.slice(2);
  const option = (name) => {
    const i = args.indexOf(name);
    return i < 0 ? undefined : args.splice(i, 2)[1];
  };
  let left = Number(option("--count") ?? Infinity);
  const since = option("--since");
  follow(args[0] ?? "ws://localhost:8000/ws/alerts", {
    token: process.env.ANOMALYSTREAM_TOKEN,
    since,
    onNote: (text) => console.error(text),
    onItem: (item) => {
      console.log(...words(item));
      left -= 1;
      return left > 0;
    },
  });
}
