// The charts of one stream or entity, one above the other: the score first, then every feature, sharing time and cursor.

import { setText } from "./dom.js";
import { plural } from "./format.js";
import { Plot } from "./plot.js";
import { liveSpan } from "./series.js";

const first = 6; // Features shown before more are asked for.
let made = 0;

export class Charts {
  #box;
  #more;
  #reset;
  #events;
  #plots = [];
  #names = null; // Features shown, null before any chart was built.
  #all = false;
  #zoom = null;
  #wanted = null; // Span just selected with the mouse.
  #row = -1; // Row the keyboard points at.
  #latest = null; // What was shown last.

  /**
   * @param {object} o
   * @param {HTMLElement} o.box takes the charts
   * @param {HTMLButtonElement} o.more shows the features that do not fit at first
   * @param {HTMLButtonElement} o.reset ends a zoom
   * @param {(id: string) => void} o.open shows an anomaly
   */
  constructor({ box, more, reset, open }) {
    this.#box = box;
    this.#more = more;
    this.#reset = reset;
    this.#events = { open, zoom: (min, max) => this.#selected([min, max]) };
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "Charts of score and features");
    box.addEventListener("keydown", (event) => this.#keys(event));
    box.addEventListener("dblclick", () => this.#zoomTo(null));
    box.addEventListener("blur", () => this.#pointAt(-1));
    new ResizeObserver(() => this.#fit()).observe(box);
    reset.addEventListener("click", () => {
      this.#zoomTo(null);
      box.focus();
    });
    more.addEventListener("click", () => {
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
    this.#reset.hidden = true;
    this.#more.hidden = true;
  }

  /** Builds the charts again, for other colours or another number of features. */
  rebuild() {
    const latest = this.#latest;
    const zoom = this.#zoom;
    this.clear();
    if (!latest) return;
    this.#zoom = zoom;
    this.show(latest);
  }

  /**
   * Draws.
   * @param {object} what
   * @param {Series} what.series the numbers
   * @param {object[]} what.marks {x, anomaly, main}, main the feature that stood out most
   * @param {object|null} what.status the detector's, null for many entities together
   * @param {boolean} what.live whether the newest minutes are shown
   * @param {number[]|null} what.burst first and last second of an incident, shaded
   */
  show(what) {
    this.#latest = what;
    const { series, marks, status, live, burst } = what;
    const span = series.span();
    if (!span) return;
    const features = series.features();
    const shown = this.#all ? features : features.slice(0, first);
    if (!this.#names || shown.join("\0") !== this.#names.join("\0")) this.#build(shown);
    this.#more.hidden = features.length <= first;
    setText(this.#more, this.#all ? "Show fewer features" : `Show ${plural(features.length - first, "more feature")}`);
    this.#reset.hidden = this.#zoom === null;
    setText(this.#reset, live ? "Back to the live view" : "Show everything");

    const view = this.#zoom ?? visible(span, live, burst);
    const [score, ...plots] = this.#plots;
    score.show(series.scores(), view, marks.map((m) => ({ x: m.x, y: m.anomaly.score, id: m.anomaly.id, main: true })), null, burst);
    plots.forEach((plot, i) => {
      const name = shown[i];
      const usual = status?.features.find((f) => f.name === name) ?? null;
      plot.show(series.feature(name), view, marks.map((m) => ({ x: m.x, y: m.anomaly.features[name], id: m.anomaly.id, main: m.main === name })), usual, burst);
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
    this.#box.append(...this.#plots.map((p) => p.element));
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
    if (this.#latest) this.show(this.#latest);
  }

  #pointAt(row) {
    this.#row = row;
    for (const plot of this.#plots) plot.point(row);
  }

  #keys(event) {
    if (!this.#latest || event.ctrlKey || event.metaKey || event.altKey) return;
    const { series, live, burst } = this.#latest;
    const last = series.rows.length - 1;
    const from = this.#row < 0 ? last : this.#row;
    const [low, high] = this.#zoom ?? visible(series.span(), live, burst);
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

/**
 * The span shown without zoom: everything with the incident, whose last minute may not be stored yet, or the newest minutes of
 * the live view; at least one minute wide.
 */
function visible([from, to], live, burst) {
  const start = live ? Math.max(from, to - liveSpan) : from;
  const [low, high] = burst ? [Math.min(start, burst[0] - 30), Math.max(to, burst[1] + 30)] : [start, to];
  return [Math.min(low, high - 60), high];
}
