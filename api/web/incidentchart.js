// The charts around an incident: minutes of its entity, from before its start to after its end, with its anomalies.

import { h, setText } from "./dom.js";
import { Charts } from "./charts.js";
import { sentence } from "./format.js";
import { Series } from "./series.js";
import { get, part } from "./server.js";

const around = 15; // Minutes shown before and after, at least.
const longest = 1440; // Minutes the server gives at once.
const rest = 4000; // Milliseconds between two readings while it goes on.

export class IncidentChart {
  element;
  #box = h("div", { class: "charts" });
  #empty = h("p", { class: "empty", text: "Loading …" });
  #charts;
  #waiting = 0;
  #read = 0; // Time of the last reading.
  #incident = null;

  /** @param {(id: string) => void} open shows an anomaly */
  constructor(open) {
    const more = h("button", { type: "button", class: "quiet", hidden: true });
    const reset = h("button", { type: "button", class: "quiet", hidden: true });
    this.#charts = new Charts({ box: this.#box, more, reset, open });
    this.element = h("div", { class: "burst-charts" }, this.#box, this.#empty, h("div", { class: "charts-foot" }, more, reset));
  }

  /** Shows an incident; while it goes on it is shown again with every revision. */
  show(incident) {
    this.#incident = incident;
    if (this.#waiting) return;
    this.#waiting = setTimeout(() => this.#load(), Math.max(0, this.#read + rest - Date.now()));
  }

  recolour() {
    this.#charts.rebuild();
  }

  close() {
    clearTimeout(this.#waiting);
    this.#waiting = 0;
    this.#charts.clear();
  }

  async #load() {
    const i = this.#incident;
    const [start, end] = [Date.parse(i.start), Date.parse(i.end ?? i.latest)];
    const margin = Math.max(around, (end - start) / 60000 / 2);
    const to = end + margin * 60000;
    const minutes = Math.min(longest, Math.ceil((to - start) / 60000 + margin));
    const path = `api/streams/${part(i.stream)}`;
    const together = i.kind === "group";
    const entity = together ? "" : i.entity === "" ? "-" : i.entity;
    this.#read = Date.now();
    try {
      const [body, anomalies, status] = await Promise.all([
        get(`${path}/series`, { entity, minutes, to: new Date(to).toISOString() }),
        get(`api/incidents/${part(i.id)}/anomalies`, { limit: 500 }),
        together ? null : get(`${path}/detectors/${part(entity)}`).catch((error) => (error.status === 404 ? null : Promise.reject(error))),
      ]);
      if (!this.element.isConnected) return;
      const series = new Series();
      series.load(body, { live: false, together });
      series.prefer(i.features.map((f) => f.feature));
      const marks = anomalies.items.map((a) => ({ x: Date.parse(a.timestamp) / 1000, anomaly: a, main: a.explanation.contributions[0]?.feature }));
      this.#empty.hidden = series.rows.length > 0;
      setText(this.#empty, "The store no longer holds, or does not hold yet, the minutes of this incident.");
      this.#charts.show({ series, marks, status, live: false, burst: [start / 1000, end / 1000] });
    } catch (error) {
      setText(this.#empty, sentence(error.message));
    } finally {
      this.#waiting = 0;
      if (i !== this.#incident && this.element.isConnected) this.show(this.#incident);
    }
  }
}
