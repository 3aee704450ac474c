// The timeline: a band for each stream, on it a bar for each incident from its start to its end.

import { $, h, name } from "./dom.js";
import { moment, severity } from "./format.js";
import { lasted, lasts, statusWords } from "./incidentwords.js";
import { rove, settle } from "./roving.js";

const narrowest = 60; // Seconds the axis spans at least.
const least = 0.006; // Part of the axis that a bar takes at least.
const thickest = 20; // Pixels of a lane. Many are thinner, so that all are seen as far as that goes.
const thinnest = 6;
const header = 25; // Pixels of the scale,
const frame = 13; // and around the lanes of a stream.
const mostTicks = 8;
const lastTick = 0.94; // Where the text of a tick would not fit any more.
const second = 1000;
const steps = [1, 5, 15, 30, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400, 30 * 86400, 365 * 86400].map((s) => s * second);

export class Timeline {
  #open;

  /** @param {(id: string) => void} open shows an incident */
  constructor(open) {
    this.#open = open;
    rove($("timeline"));
  }

  /**
   * Draws incidents between two times in milliseconds; an open one reaches to the right edge.
   * @param {object[]} items incidents, newest first
   */
  show(items, from, to) {
    const box = $("timeline");
    const focused = box.contains(document.activeElement) ? document.activeElement.dataset.id : undefined;
    const axis = { from: Math.min(from, to - narrowest * second), to };
    const byStream = Map.groupBy(items, (i) => i.stream);
    const bands = [...byStream.keys()].sort().map((stream) => ({ stream, ...lay(byStream.get(stream), axis) }));
    const lanes = bands.reduce((n, b) => n + b.lanes, 0);
    const named = matchMedia("(max-width: 640px)").matches ? thickest : 0; // There the name stands above the lanes.
    const row = Math.max(thinnest, Math.min(thickest, Math.floor((box.clientHeight - header - bands.length * (frame + named)) / lanes)));
    box.style.setProperty("--row", `${row}px`);
    box.replaceChildren(scale(axis), ...bands.map((b) => this.#band(b)));
    settle(box);
    if (focused) [...box.querySelectorAll("button")].find((b) => b.dataset.id === focused)?.focus();
  }

  /** Shows that there is nothing to draw. The panel keeps its place, so that nothing below moves when an incident comes. */
  clear() {
    $("timeline").replaceChildren(h("p", { class: "empty", text: "Incidents appear here as bars from their start to their end." }));
  }

  #band({ stream, bars, lanes }) {
    return h(
      "div",
      { class: "lane", role: "group", "aria-label": `Incidents of ${stream}` },
      h("p", { class: "lane-name" }, name(stream)),
      h("div", { class: "lane-bars", style: { "--lanes": String(lanes) } }, ...bars.map((b) => this.#bar(b))),
    );
  }

  #bar({ i, left, right, lane }) {
    const text = `${statusWords[i.status]}, ${moment(i.at)}, ${lasted(i)}: ${i.sentence}`;
    const start = Math.min(left, 1 - least);
    return h("button", {
      type: "button",
      tabindex: "-1",
      class: "burst",
      title: text,
      "aria-label": text,
      dataset: { id: i.id, status: i.status, level: severity(i.peak_severity).level },
      style: { left: `${start * 100}%`, width: `${(Math.max(right, start + least) - start) * 100}%`, "--lane": String(lane) },
      onclick: () => this.#open(i.id),
    });
  }
}

/** Lays the bars of a stream into as few lanes as do: {bars, lanes}. */
function lay(items, axis) {
  const ends = []; // Where each lane ends, as a part of the axis.
  const bars = items
    .toReversed() // Oldest first, so that a bar goes into the first lane that is free.
    .map((i) => {
      const left = place(i.at, axis);
      const right = Math.max(lasts(i) ? 1 : place(Date.parse(i.end), axis), Math.min(1, left + least));
      let lane = ends.findIndex((end) => end <= left);
      if (lane < 0) lane = ends.length;
      ends[lane] = right + least / 2;
      return { i, left, right, lane };
    });
  return { bars, lanes: ends.length };
}

/** A time's place on the axis, 0 to 1. */
const place = (t, { from, to }) => Math.max(0, Math.min(1, (t - from) / (to - from)));

/** Times below the axis, at round ones. */
function scale(axis) {
  const span = axis.to - axis.from;
  const step = steps.find((s) => span / s <= mostTicks) ?? steps.at(-1);
  const format = new Intl.DateTimeFormat("en-GB", step >= 86400 * second ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit", second: step < 60 * second ? "2-digit" : undefined });
  // Round by the clock on the wall, which is what the labels show.
  const shift = new Date(axis.from).getTimezoneOffset() * 60 * second;
  const ticks = [];
  for (let t = Math.ceil((axis.from - shift) / step) * step + shift; place(t, axis) < lastTick; t += step) {
    ticks.push(h("span", { class: "tick", style: { left: `${place(t, axis) * 100}%` } }, h("span", { text: format.format(t) })));
  }
  return h("div", { class: "scale", "aria-hidden": "true" }, h("div", { class: "scale-ticks" }, ...ticks));
}
