// The live page: puts its parts together. What arrives goes to the list and the charts; the address says what is shown.

import { Access } from "./access.js";
import { Detail } from "./detail.js";
import { $, setText } from "./dom.js";
import { Feed } from "./feed.js";
import { sentence } from "./format.js";
import { IncidentDetail } from "./incident.js";
import { Incidents } from "./incidents.js";
import { List } from "./list.js";
import { Live } from "./live.js";
import { anomalyHash, here, incidentHash, incidentsHash, replace, streamHash } from "./router.js";
import { get, part } from "./server.js";
import { Streams } from "./streams.js";
import { Watch } from "./watch.js";

const words = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", denied: "Sign in needed" };
let shown = "#/"; // The address under an open dialog of an anomaly: a view, or an incident.
let choosing = false;
let unseen = 0; // Anomalies that came while the tab was in the background.

const details = { anomaly: (id) => go(anomalyHash(id)), incident: (id) => go(incidentHash(id)) };
const feed = new Feed((arrived) => list.update(arrived));
const list = new List(feed, details.anomaly);
const access = new Access(restart);
const watch = new Watch(details.anomaly, (stream, entity) => go(streamHash(stream, entity)));
const streams = new Streams(choose, takeStreams, trouble);
const live = new Live("ws/alerts", {}, takeFrame, (state) => {
  $("connection").dataset.state = state;
  setText($("connection-text"), words[state]);
  if (state === "denied") access.ask("This server wants a token.");
});
const incidentLive = new Live("ws/incidents", {}, takeIncidents);
const detail = new Detail({
  find: (id) => feed.find(id) ?? watch.find(id),
  access,
  closed: () => here().view === "anomaly" && back(shown),
  watch: (a) => lookAt(a.stream, a.entity, a.timestamp),
  deleted: (id) => takeFrame({ type: "deleted", ids: [id], items: [] }),
});
const incidents = new Incidents({ access, go: details, newest: newestEvent });
const incident = new IncidentDetail({
  find: (id) => incidents.find(id),
  access,
  closed: (id) => {
    if (here().view !== "incident") return;
    back(incidentsHash);
    incidents.regain(id);
  },
  go: details,
  watch: (i) => lookAt(i.stream, i.kind === "group" ? null : i.entity, i.start),
});

function go(hash) {
  if (location.hash === hash) follow();
  else location.hash = hash;
}

/** Returns to an address without leaving a step for the back button. */
function back(hash) {
  replace(hash);
  follow();
}

/** Shows an entity in the live charts, over a span of time that reaches back to this moment. */
function lookAt(stream, entity, moment) {
  watch.showSince(stream, entity, moment, streams.find(stream)?.status.last_event ?? moment);
  location.hash = streamHash(stream, entity);
  follow(); // Now, since what is hidden cannot be scrolled to.
  $("watch").scrollIntoView({ block: "start" });
}

/** Time of the newest event of a stream, "" for all of them: event time may be long past, and is never in the future. */
function newestEvent(stream) {
  const times = streams.items.filter((s) => stream === "" || s.name === stream).map((s) => Date.parse(s.status.last_event ?? 0));
  const last = Math.max(0, ...times);
  return last > 0 ? Math.min(last, Date.now()) : Date.now();
}

/** Shows what the address says. */
function follow() {
  const at = here();
  if (at.view === "anomaly") {
    if (!watch.stream) chooseDefault();
    if (!access.refused) detail.open(at.id); // Details must not cover the question who this is; they come after the answer.
    incident.close();
    return;
  }
  detail.close();
  shown = location.hash || "#/";
  const among = at.view === "incidents" || at.view === "incident";
  turn(among);
  if (at.view === "incident") {
    if (!access.refused) incident.open(at.id);
    return;
  }
  incident.close();
  if (among) return;
  $("to-live").href = shown;
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

/** Shows one of the two views. */
function turn(among) {
  if ($("live-view").hidden !== among) scrollTo({ top: 0, behavior: "instant" }); // Where the other one was read is no place in this one.
  $("live-view").hidden = among;
  $("incidents-view").hidden = !among;
  $("to-live").setAttribute("aria-current", among ? "false" : "page");
  $("to-incidents").setAttribute("aria-current", among ? "page" : "false");
  incidents.show(among);
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
  if (!shown.startsWith(incidentsHash)) shown = streamHash(newest.name, entity);
  $("to-live").href = streamHash(newest.name, entity);
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
  incidents.setStreams(items.map((s) => s.name));
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

function takeIncidents(frame) {
  if (frame.type === "incidents") {
    incidents.arrive(frame.items);
    incident.arrive(frame.items);
  } else if (frame.type === "gap") {
    incidents.reload();
    incident.refresh();
  } else if (frame.type === "hello") {
    incidents.retry();
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
  for (const connection of [live, incidentLive]) {
    connection.stop();
    connection.start();
  }
  feed.reload({ afresh: true }); // Another person may see other streams.
  incidents.reload();
  streams.poll();
  watch.restart();
  follow();
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
    recolour();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
}

/** Draws what does not follow the style sheets. */
function recolour() {
  watch.recolour();
  incident.recolour();
}

wireTheme();
addEventListener("hashchange", follow);
document.addEventListener("visibilitychange", () => {
  unseen = 0;
  nameTab();
});
await access.check();
feed.reload();
incidents.reload();
live.start();
incidentLive.start();
await streams.poll();
follow();
