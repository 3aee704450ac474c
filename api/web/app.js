// The live page: puts its parts together. What arrives goes to the list and the charts; the address says what is shown.

import { Access } from "./access.js";
import { Detail } from "./detail.js";
import { $, setText } from "./dom.js";
import { Feed } from "./feed.js";
import { sentence } from "./format.js";
import { List } from "./list.js";
import { Live } from "./live.js";
import { anomalyHash, here, replace, streamHash } from "./router.js";
import { get, part } from "./server.js";
import { Streams } from "./streams.js";
import { Watch } from "./watch.js";

const words = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", denied: "Sign in needed" };
let shown = "#/"; // The address under an open dialog.
let choosing = false;
let unseen = 0; // Anomalies that came while the tab was in the background.

const feed = new Feed((arrived) => list.update(arrived));
const list = new List(feed, (id) => go(anomalyHash(id)));
const access = new Access(restart);
const watch = new Watch((id) => go(anomalyHash(id)), (stream, entity) => go(streamHash(stream, entity)));
const streams = new Streams(choose, takeStreams, trouble);
const live = new Live({}, takeFrame, (state) => {
  $("connection").dataset.state = state;
  setText($("connection-text"), words[state]);
  if (state === "denied") access.ask("This server wants a token.");
});
const detail = new Detail({
  find: (id) => feed.find(id) ?? watch.find(id),
  access,
  closed: () => here().view === "anomaly" && leaveDetail(),
  watch: (a) => {
    detail.close();
    watch.showAnomaly(a, streams.find(a.stream)?.status.last_event ?? a.timestamp);
    go(streamHash(a.stream, a.entity));
    $("watch").scrollIntoView({ block: "start" });
  },
  deleted: (id) => takeFrame({ type: "deleted", ids: [id], items: [] }),
});

function go(hash) {
  if (location.hash === hash) follow();
  else location.hash = hash;
}

function leaveDetail() {
  replace(shown);
  follow();
}

/** Shows what the address says. */
function follow() {
  const at = here();
  if (at.view === "anomaly") {
    if (!watch.stream) chooseDefault();
    detail.open(at.id);
    return;
  }
  detail.close();
  shown = location.hash || "#/";
  if (at.view === "home") {
    chooseDefault();
    return;
  }
  if (streams.items.length > 0 && !streams.find(at.stream)) {
    replace("#/"); // A stream that is gone.
    chooseDefault();
    return;
  }
  streams.select(at.stream);
  watch.show(at.stream, at.entity);
  const summary = streams.find(at.stream);
  if (summary) watch.summarise(summary);
}

async function choose(stream) {
  go(streamHash(stream, await representative(stream)));
}

/** The stream with the newest anomaly, or the first one, until a person chooses. */
async function chooseDefault() {
  const running = streams.items.filter((s) => s.status.detectors.total > 0);
  if (watch.stream || choosing || running.length === 0) return;
  choosing = true;
  const newest = running.reduce((best, s) => {
    const at = (x) => Date.parse(x.status.last_anomaly?.timestamp ?? 0);
    return at(s) > at(best) ? s : best;
  });
  const entity = await representative(newest.name);
  choosing = false;
  if (watch.stream) return;
  shown = streamHash(newest.name, entity);
  streams.select(newest.name);
  watch.show(newest.name, entity);
  watch.summarise(newest);
  if (here().view === "home") replace(shown);
}

/** The entity of a stream that is worth a first look: the one with its newest anomaly, else the first. */
async function representative(stream) {
  const total = streams.find(stream)?.status.detectors.total ?? 0;
  if (total === 0) return null;
  try {
    const newest = await get("api/anomalies", { stream, limit: 1, count: false });
    if (newest.items.length > 0) return newest.items[0].entity;
    const first = await get(`api/streams/${part(stream)}/detectors`, { limit: 1 });
    return first.items[0]?.entity ?? null;
  } catch {
    return null;
  }
}

function takeStreams(items) {
  list.setStreams(items.map((s) => s.name));
  const current = streams.find(watch.stream);
  if (current) watch.summarise(current);
  if (!watch.stream) follow();
}

function takeFrame(frame) {
  if (frame.type === "anomalies") {
    if (document.hidden) unseen += frame.items.length;
    nameTab();
    feed.arrive(frame.items);
    watch.arrive(frame.items);
  } else if (frame.type === "deleted") {
    feed.remove(frame.ids);
    watch.remove(frame.ids);
    if (frame.ids.includes(detail.id)) detail.close();
  } else if (frame.type === "gap") {
    feed.reload();
  } else if (frame.type === "hello" && feed.state === "failed") {
    feed.reload();
  }
}

/** Tells in the tab's name how many anomalies came while nobody looked. */
function nameTab() {
  document.title = unseen > 0 ? `(${unseen > 999 ? "999+" : unseen}) anomalystream` : "anomalystream";
}

function trouble(error) {
  const banner = $("banner");
  // A connection that is being made again says so in the header already.
  const silent = error === null || error.status === 0 || error.status === 401;
  banner.hidden = silent;
  if (!silent) setText(banner, `${sentence(error.message)} This is tried again by itself.`);
}

function restart() {
  live.stop();
  live.start();
  feed.reload();
  streams.poll();
  watch.restart();
}

function wireTheme() {
  const root = document.documentElement;
  for (const input of $("theme").querySelectorAll("input")) input.checked = input.value === root.dataset.theme;
  $("theme").addEventListener("change", (event) => {
    root.dataset.theme = event.target.value;
    try {
      localStorage.setItem("anomalystream.theme", event.target.value);
    } catch {
      // Storage is denied: the choice lasts as long as the page.
    }
    watch.recolour();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => watch.recolour());
}

wireTheme();
addEventListener("hashchange", follow);
document.addEventListener("visibilitychange", () => {
  unseen = 0;
  nameTab();
});
await access.check();
feed.reload();
live.start();
await streams.poll();
follow();
