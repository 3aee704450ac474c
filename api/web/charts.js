// The charts of one stream or entity, one above the other: the score first, then every feature, sharing time and cursor.

import { $, setText } from "./dom.js";
import { plural } from "./format.js";
import { Plot } from "./plot.js";
import { liveSpan } from "./series.js";

const first = 6; // Features shown before more are asked for.
let made = 0;

export class Charts {
  #events;
  #plots = [];
  #names = null; // Features shown, null before any chart was built.
  #all = false;
  #zoom = null;
  #wanted = null; // Span just selected with the mouse.
  #row = -1; // Row the keyboard points at.
  #latest = null; // Arguments of the last show.

  /** @param {object} events open(id) shows an anomaly */
  constructor(events) {
    this.#events = { open: events.open, zoom: (min, max) => this.#selected([min, max]) };
    const box = $("charts");
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "Charts of score and features");
    box.addEventListener("keydown", (event) => this.#keys(event));
    box.addEventListener("dblclick", () => this.#zoomTo(null));
    box.addEventListener("blur", () => this.#pointAt(-1));
    new ResizeObserver(() => this.#fit()).observe(box);
    $("zoom-reset").addEventListener("click", () => {
      this.#zoomTo(null);
      box.focus();
    });
    $("more-features").addEventListener("click", () => {
      this.#all = !this.#all;
      this.rebuild();
    });
  }

  /** Forgets everything: another stream, entity or span follows. */
  clear() {
    for (const plot of this.#plots) plot.destroy();
    this.#plots = [];
    this.#names = null;
    this.#zoom = null;
    this.#row = -1;
    this.#latest = null;
    $("zoom-reset").hidden = true;
    $("more-features").hidden = true;
  }

  /** Builds the charts again, for other colours or another number of features. */
  rebuild() {
    const latest = this.#latest;
    const zoom = this.#zoom;
    this.clear();
    if (!latest) return;
    this.#zoom = zoom;
    this.show(latest.series, latest.marks, latest.status, latest.live);
  }

  /**
   * Draws. Marks are {x, anomaly, main}, main the feature that stood out most; status is the detector's, or null for many entities together.
   */
  show(series, marks, status, live) {
    this.#latest = { series, marks, status, live };
    const span = series.span();
    if (!span) return;
    const features = series.features();
    const shown = this.#all ? features : features.slice(0, first);
    if (!this.#names || shown.join("\0") !== this.#names.join("\0")) this.#build(shown);
    const more = $("more-features");
    more.hidden = features.length <= first;
    setText(more, this.#all ? "Show fewer features" : `Show ${plural(features.length - first, "more feature")}`);
    $("zoom-reset").hidden = this.#zoom === null;
    setText($("zoom-reset"), live ? "Back to the live view" : "Show everything");

    const view = this.#zoom ?? visible(span, live);
    const [score, ...plots] = this.#plots;
    score.show(series.scores(), view, marks.map((m) => ({ x: m.x, y: m.anomaly.score, id: m.anomaly.id, main: true })), null);
    plots.forEach((plot, i) => {
      const name = shown[i];
      const usual = status?.features.find((f) => f.name === name) ?? null;
      plot.show(series.feature(name), view, marks.map((m) => ({ x: m.x, y: m.anomaly.features[name], id: m.anomaly.id, main: m.main === name })), usual);
    });
    if (this.#row >= 0) this.#pointAt(Math.min(this.#row, series.rows.length - 1));
  }

  #build(names) {
    for (const plot of this.#plots) plot.destroy();
    const sync = `charts-${++made}`;
    this.#names = names;
    this.#plots = ["", ...names].map(
      (title, i) => new Plot({ title, axis: i === 0 || i === names.length, sync, events: this.#events }),
    );
    $("charts").append(...this.#plots.map((p) => p.element));
    this.#fit();
  }

  #fit() {
    const width = this.#plots[0]?.element.clientWidth ?? 0;
    for (const plot of this.#plots) plot.resize(width);
  }

  // Every chart reports the selection, since they share their cursor; the scales change when all have, or the later ones
  // would read theirs wrongly.
  #selected(span) {
    if (!this.#wanted) {
      queueMicrotask(() => {
        this.#zoomTo(this.#wanted);
        this.#wanted = null;
      });
    }
    this.#wanted ??= span;
  }

  #zoomTo(span) {
    this.#zoom = span && span[1] - span[0] > 2 ? span : null;
    const { series, marks, status, live } = this.#latest ?? {};
    if (series) this.show(series, marks, status, live);
  }

  #pointAt(row) {
    this.#row = row;
    for (const plot of this.#plots) plot.point(row);
  }

  #keys(event) {
    if (!this.#latest || event.ctrlKey || event.metaKey || event.altKey) return;
    const { series, live } = this.#latest;
    const last = series.rows.length - 1;
    const from = this.#row < 0 ? last : this.#row;
    const [low, high] = this.#zoom ?? visible(series.span(), live);
    const middle = this.#row < 0 ? high - (high - low) / 4 : series.rows[this.#row].x;
    const keys = {
      ArrowLeft: () => this.#pointAt(Math.max(0, from - (event.shiftKey ? 10 : 1))),
      ArrowRight: () => this.#pointAt(Math.min(last, from + (event.shiftKey ? 10 : 1))),
      Escape: () => this.#pointAt(-1),
      "+": () => this.#zoomTo([middle - (high - low) / 4, middle + (high - low) / 4]),
      "-": () => this.#zoomTo([middle - (high - low), middle + (high - low)]),
      0: () => this.#zoomTo(null),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }
}

/** The span shown without zoom: everything, or the newest minutes of the live view, at least one minute wide. */
function visible([from, to], live) {
  const start = live ? Math.max(from, to - liveSpan) : from;
  return [Math.min(start, to - 60), to];
}
