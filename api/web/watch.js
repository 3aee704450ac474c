// The chosen stream and entity: what its charts show, where the numbers come from, and how far its detector is.

import { $, batched, setText } from "./dom.js";
import { Charts } from "./charts.js";
import { count, percent, plural, sentence } from "./format.js";
import { Live } from "./live.js";
import { entityName, Picker } from "./picker.js";
import { liveSpan, Series } from "./series.js";
import { get, part } from "./server.js";
import { warmUpText } from "./streams.js";

const mostMarks = 500; // Anomalies drawn at most.
const refreshLive = 3000; // Milliseconds between two readings where nothing is pushed.
const refreshPast = 20000;

export class Watch {
  stream = "";
  entity = null; // null for all entities together.

  #charts;
  #picker;
  #series = new Series();
  #marks = new Map(); // By anomaly id.
  #status = null; // Of the entity's detector.
  #summary = null; // Of the stream, from /api/streams.
  #range = "live";
  #live = null;
  #timer = 0;
  #loading = null;
  #problem = "";

  /**
   * @param {(id: string) => void} open shows an anomaly
   * @param {(stream: string, entity: string|null) => void} chosen is told what the picker chose
   */
  constructor(open, chosen) {
    this.#charts = new Charts({ box: $("charts"), more: $("more-features"), reset: $("zoom-reset"), open });
    this.#picker = new Picker((entity) => chosen(this.stream, entity));
    $("range").addEventListener("change", (event) => {
      this.#range = event.target.value;
      this.#start();
    });
  }

  /** Shows a stream and an entity of it. */
  show(stream, entity) {
    if (stream === this.stream && entity === this.entity) return;
    this.stream = stream;
    this.entity = entity;
    this.#summary = null;
    this.#start();
  }

  /** Shows an entity over a span of time that reaches back to a moment from the stream's newest event. */
  showSince(stream, entity, moment, newest) {
    const minutes = (Date.parse(newest) - Date.parse(moment)) / 60000;
    const range = minutes < 14 ? "live" : (["60", "360"].find((span) => minutes < Number(span) - 1) ?? "1440");
    const same = range === this.#range;
    this.#range = range;
    for (const input of $("range").querySelectorAll("input")) input.checked = input.value === range;
    if (stream !== this.stream || entity !== this.entity) this.show(stream, entity);
    else if (!same) this.#start();
  }

  /** Takes the stream's summary as the cards have it. */
  summarise(summary) {
    this.#summary = summary;
    this.#head();
  }

  /** Starts again with the same choice, for example as somebody else. */
  restart() {
    if (this.stream) this.#start();
  }

  recolour() {
    this.#charts.rebuild();
  }

  /** Returns an anomaly of the charts. */
  find(id) {
    return this.#marks.get(id)?.anomaly;
  }

  /** Takes anomalies as they arrive. */
  arrive(anomalies) {
    const now = Date.now() / 1000;
    if (anomalies.filter((a) => this.#mark(a, now)).length > 0) this.#draw();
  }

  remove(ids) {
    for (const id of ids) this.#marks.delete(id);
    this.#draw();
  }

  #start() {
    this.#live?.stop();
    this.#live = null;
    clearTimeout(this.#timer);
    this.#series = new Series();
    this.#marks.clear();
    this.#status = null;
    this.#problem = "";
    this.#charts.clear();
    $("charts-empty").hidden = true;
    this.#head();
    if (this.#range === "live" && this.entity !== null) {
      // Anomalies come over the page's own connection: this one wants none.
      const query = { stream: this.stream, include: "rollups,detectors", min_score: 1, min_severity: 30 };
      // A query without an entity would mean all of them, so an empty one has to be sent.
      this.#live = new Live("ws/alerts", query, (frame) => this.#frame(frame));
      this.#live.require("entity", this.entity);
      this.#live.start();
    }
    this.#load();
  }

  async #load() {
    this.#loading?.abort();
    const loading = new AbortController();
    this.#loading = loading;
    clearTimeout(this.#timer);
    const { stream, entity } = this;
    const live = this.#range === "live";
    const path = `api/streams/${part(stream)}`;
    const key = entity === null ? "" : entity === "" ? "-" : entity;
    const minutes = live ? liveSpan / 60 : Number(this.#range);
    const options = { signal: loading.signal };
    try {
      const [series, status] = await Promise.all([
        get(`${path}/series`, { entity: key, minutes }, options),
        entity === null ? null : get(`${path}/detectors/${part(key)}`, {}, options).catch((error) => (error.status === 404 ? null : Promise.reject(error))),
      ]);
      this.#status = status ?? this.#status;
      this.#series.load(series, { live, together: entity === null });
      this.#problem = "";
      this.#head();
      this.#draw();
      // The live view goes by time of arrival, the others by event time; in a replay these are far apart.
      const from = live ? "" : series.points[0]?.minute;
      const past = await get("api/anomalies", { stream, entity: entity ?? "", from, limit: mostMarks, count: false }, options);
      for (const a of past.items) this.#mark(a, Date.parse(a.created_at) / 1000);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.#problem = error.message;
    }
    this.#draw();
    if (!this.#live || this.#problem) this.#timer = setTimeout(() => this.#load(), live ? refreshLive : refreshPast);
  }

  #frame(frame) {
    let grown = false;
    for (const r of frame.rollups ?? []) {
      if (r.stream === this.stream && r.entity === this.entity) grown = this.#series.push(r) || grown;
    }
    for (const s of frame.detectors ?? []) {
      if (s.stream !== this.stream || s.entity !== this.entity) continue;
      this.#status = s;
      this.#head();
    }
    if (grown) this.#draw();
  }

  /** Remembers an anomaly for the charts. In a replay event time is long past: the live view then draws it when it came. */
  #mark(a, arrived) {
    if (a.stream !== this.stream || (this.entity !== null && a.entity !== this.entity)) return false;
    const at = Date.parse(a.timestamp) / 1000;
    const x = this.#range === "live" && Math.abs(arrived - at) > 120 ? arrived : at;
    this.#marks.set(a.id, { x, anomaly: a, main: a.explanation.contributions[0]?.feature });
    if (this.#marks.size > mostMarks) this.#marks.delete(this.#marks.keys().next().value);
    return true;
  }

  #draw = batched(() => {
    const empty = $("charts-empty");
    const rows = this.#series.rows.length;
    empty.hidden = rows > 0;
    if (rows === 0) {
      setText(empty, this.#problem ? `${sentence(this.#problem)} This is tried again by itself.` : "No events in this time span yet. The charts start with the first ones.");
      return;
    }
    this.#charts.show({ series: this.#series, marks: [...this.#marks.values()], status: this.#status, live: this.#range === "live", burst: null });
  });

  #head() {
    setText($("watch-title"), this.stream || "Live charts");
    const total = this.#summary?.status.detectors.total ?? 0;
    this.#picker.show(this.stream, this.entity, total);
    const s = this.#status;
    const warming = s ? s.phase === "warm-up" : total > 0 && this.#summary.status.phase === "warm-up";
    $("warmup").hidden = !warming;
    if (warming) {
      const progress = s ? { have: s.warmup_have, need: s.warmup_need, ready_in_seconds: s.ready_in_seconds } : this.#summary.status.warm_up;
      setText($("warmup-text"), `Learning what is normal: ${warmUpText(progress)}`);
      $("warmup-bar").value = progress.need > 0 ? progress.have / progress.need : 0;
    }
    setText($("watch-state"), this.#sentence(s, total, warming));
  }

  #sentence(s, total, warming) {
    if (!s && this.entity !== null) return "";
    if (!s) return total > 1 ? `${entityName(null)}: ${plural(total, "entity", "entities")}. Choose one to see its own line.` : "";
    const who = s.entity === "" ? "" : total > 1 ? "" : `${s.entity}: `;
    if (warming) return `${who}No scores yet. A detector first has to see what is normal.`;
    const failed = s.failures.length > 0 ? ` · without ${s.failures.join("; ")}` : "";
    return `${who}${percent(s.realised_rate)} flagged, ${percent(s.requested_rate)} asked for · trained ${plural(s.generation, "time")} · ${count(s.seen)} events${failed}`;
  }
}
