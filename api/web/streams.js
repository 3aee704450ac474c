// The cards of the streams and the totals above: state, warm-up, rates, anomalies. They ask the server every few seconds.

import { $, h, name, setText } from "./dom.js";
import { ago, compact, count, duration, exact, percent, plural, rate, score } from "./format.js";
import { get } from "./server.js";

const every = 2500; // Milliseconds between two questions.
const counted = 10000; // Milliseconds between two countings of what is stored.
const settle = 4; // Seconds before a rate is told.
const memory = 24; // Samples of a stream's counter kept: one minute.

const phases = {
  waiting: "Waiting for events",
  "warm-up": "Learning",
  partly: "Partly ready",
  ready: "Watching",
  degraded: "Watching, degraded",
};

/** What a warm-up says to a person. */
export function warmUpText({ have, need, ready_in_seconds: left }) {
  const soon = Number.isFinite(left) && left !== null ? `, ready in ${duration(left)}` : "";
  return `${count(have)}/${count(need)} events${soon}`;
}

export class Streams {
  items = [];
  #cards = new Map(); // By stream name.
  #samples = new Map(); // [{at, seen}] by stream name.
  #stored = new Map(); // Number of anomalies by stream name.
  #next = 0; // When they are to be counted again.
  #choose;
  #changed;
  #failed;
  #timer = 0;
  #selected = "";

  /**
   * @param {(stream: string) => void} choose shows a stream
   * @param {(items: object[]) => void} changed is told after every answer
   * @param {(error: Error|null) => void} failed is told when the server does not answer, and null when it does again
   */
  constructor(choose, changed, failed) {
    this.#choose = choose;
    this.#changed = changed;
    this.#failed = failed;
  }

  find(stream) {
    return this.items.find((s) => s.name === stream);
  }

  /** Marks the card of the stream that is shown. */
  select(stream) {
    this.#selected = stream;
    for (const [key, card] of this.#cards) {
      card.root.classList.toggle("selected", key === stream);
      card.button.setAttribute("aria-pressed", String(key === stream));
    }
  }

  async poll() {
    clearTimeout(this.#timer);
    try {
      const body = await get("api/streams");
      this.#count();
      this.items = body.items.map((s) => ({ ...s, anomalies: Math.max(this.#stored.get(s.name) ?? 0, s.status.flagged) }));
      this.#sample();
      this.#render();
      this.#failed(null);
      this.#changed(this.items);
    } catch (error) {
      this.#failed(error);
      if (error.status === 401) return; // It goes on when somebody has signed in.
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.poll(), document.hidden ? 4 * every : every);
  }

  /**
   * Counts the anomalies of all kinds. A status tells of those that the models flagged; the store has those of rules and stuck values
   * too, but a while later, and no longer what its retention has dropped. So the larger number counts.
   */
  async #count() {
    if (performance.now() < this.#next) return;
    this.#next = performance.now() + counted;
    try {
      const { streams } = await get("api/stats");
      this.#stored = new Map(streams.map((s) => [s.stream, s.anomalies]));
    } catch {
      // What was counted before stays; the next time may be better.
    }
  }

  #sample() {
    const at = performance.now() / 1000;
    for (const s of this.items) {
      const samples = this.#samples.get(s.name) ?? [];
      if (samples.length > 0 && samples.at(-1).seen > s.status.seen) samples.length = 0; // Started anew.
      samples.push({ at, seen: s.status.seen });
      if (samples.length > memory) samples.shift();
      this.#samples.set(s.name, samples);
    }
  }

  /** Events per second over the last quarter of a minute; counters move with the checkpoints, so shorter spans jump. */
  #rate(stream) {
    const samples = this.#samples.get(stream) ?? [];
    if (samples.length < 2) return NaN;
    const last = samples.at(-1);
    const from = samples.find((s) => last.at - s.at <= 15) ?? samples.at(-2);
    const start = from === last ? samples.at(-2) : from;
    const span = last.at - start.at;
    return span < settle ? NaN : (last.seen - start.seen) / span;
  }

  #render() {
    const names = this.items.map((s) => s.name);
    for (const [key, card] of this.#cards) {
      if (names.includes(key)) continue;
      card.root.remove();
      this.#cards.delete(key);
    }
    let total = 0;
    for (const s of this.items) {
      let card = this.#cards.get(s.name);
      if (!card) {
        card = this.#card(s.name);
        this.#cards.set(s.name, card);
        $("cards").append(card.root);
      }
      const now = this.#rate(s.name);
      total += Number.isFinite(now) ? now : 0;
      this.#fill(card, s, now);
    }
    const sum = (of) => this.items.reduce((n, s) => n + of(s), 0);
    const measured = this.items.some((s) => Number.isFinite(this.#rate(s.name)));
    setText($("total-rate"), measured ? rate(total) : "–");
    setText($("total-events"), compact(sum((s) => s.status.seen)));
    setText($("total-anomalies"), compact(sum((s) => s.anomalies)));
    this.select(this.#selected);
  }

  #card(stream) {
    const field = (label) => {
      const value = h("dd", { text: "–" });
      return { value, root: h("div", {}, h("dt", { text: label }), value) };
    };
    const button = h("button", { type: "button", onclick: () => this.#choose(stream) }, name(stream));
    const chip = h("span", { class: "state" });
    const bar = h("progress", { max: 1, "aria-label": `Warm-up of ${stream}` });
    const warm = h("p", { class: "card-warm" });
    const speed = field("Events/s");
    const events = field("Events");
    const anomalies = field("Anomalies");
    const alarms = h("p", { class: "card-line" });
    const last = h("p", { class: "card-line muted" });
    const root = h(
      "li",
      { class: "card" },
      h("div", { class: "card-head" }, h("h3", {}, button), chip),
      h("dl", { class: "figures" }, speed.root, events.root, anomalies.root),
      h("div", { class: "card-warmup" }, warm, bar),
      alarms,
      last,
    );
    return { root, button, chip, bar, warm, speed, events, anomalies, alarms, last };
  }

  #fill(card, s, now) {
    const { status } = s;
    card.root.dataset.phase = status.phase;
    setText(card.chip, phases[status.phase] ?? status.phase);
    setText(card.speed.value, rate(now));
    setText(card.events.value, compact(status.seen));
    setText(card.anomalies.value, compact(s.anomalies));
    const warming = status.detectors.warming > 0;
    card.warm.parentElement.hidden = !warming;
    if (warming) {
      const { total, ready, degraded } = status.detectors;
      const of = total > 1 ? `${count(ready + degraded)} of ${count(total)} entities ready. Next: ` : "";
      setText(card.warm, of + warmUpText(status.warm_up));
      card.bar.value = status.warm_up.need > 0 ? status.warm_up.have / status.warm_up.need : 0;
    }
    if (status.phase === "waiting") {
      setText(card.alarms, `Send events to the topic ${s.topic}`);
    } else if (status.realised_rate === null) {
      setText(card.alarms, `Alarms asked for: ${percent(s.requested_rate)} of events`);
    } else {
      setText(card.alarms, `${percent(status.realised_rate)} of events flagged, ${percent(s.requested_rate)} asked for`);
    }
    const last = status.last_anomaly;
    setText(card.last, last ? `Last anomaly ${ago(Date.parse(last.timestamp))}, score ${score(last.score)}` : status.scored > 0 ? "No anomaly yet" : `${plural(s.features.length, "feature")}, ${s.detectors.join(", ")}`);
    card.last.title = last ? exact(last.timestamp) : "";
  }
}
