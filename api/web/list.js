// The list of anomalies: filter, rows, keyboard, and a voice for screen readers that does not talk without end.

import { $, batched, debounced, h, name, offer, setText } from "./dom.js";
import { emptyFilter } from "./feed.js";
import { exact, moment, number, plural, score, sentence, severity } from "./format.js";
import { silencer } from "./incidentwords.js";
import { rove, settle } from "./roving.js";

const step = 100; // Rows added by each "show older".
const quiet = 10000; // Milliseconds between two announcements.

export class List {
  #feed;
  #open;
  #rows = new Map(); // <li> by id, kept between renderings so that focus and animations survive.
  #limit = step;
  #fresh = new Set();
  #unspoken = [];
  #spoken = 0;
  #timer = 0;

  /** @param {(id: string) => void} open shows an anomaly's details */
  constructor(feed, open) {
    this.#feed = feed;
    this.#open = open;
    rove($("list"));
    $("list-more").addEventListener("click", () => this.#more());
    const form = $("filters");
    const apply = debounced(() => this.#apply(), 200);
    form.addEventListener("input", () => {
      this.#outputs();
      apply();
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(() => this.#apply()));
    this.#outputs();
  }

  /** Names the streams in the filter. */
  setStreams(names) {
    offer($("filters").elements.stream, names);
  }

  /** Shows the feed; arrived are the anomalies that have just come in. */
  update(arrived) {
    for (const a of arrived) this.#fresh.add(a.id);
    if (arrived.length > 0) this.#announce(arrived);
    this.#render();
  }

  #apply() {
    const f = $("filters").elements;
    this.#limit = step;
    this.#outputs();
    this.#feed.setFilter({
      stream: f.stream.value,
      entity: f.entity.value.trim(),
      min_score: Number(f.min_score.value),
      min_severity: Number(f.min_severity.value),
      suppressed: f.suppressed.value,
    });
  }

  #outputs() {
    const f = $("filters").elements;
    setText($("score-out"), Number(f.min_score.value).toFixed(2));
    setText($("severity-out"), f.min_severity.value);
    const clear =
      f.stream.value === emptyFilter.stream &&
      f.entity.value === emptyFilter.entity &&
      Number(f.min_score.value) === emptyFilter.min_score &&
      Number(f.min_severity.value) === emptyFilter.min_severity &&
      f.suppressed.value === emptyFilter.suppressed;
    $("filters-clear").hidden = clear;
  }

  async #more() {
    this.#limit += step;
    if (this.#limit > this.#feed.items.length && this.#feed.more) await this.#feed.older();
    this.#render();
  }

  #render = batched(() => {
    const { items, state, error, more } = this.#feed;
    const shown = items.slice(0, this.#limit);
    const keep = new Set(shown.map((a) => a.id));
    for (const [id, row] of this.#rows) {
      if (keep.has(id)) continue;
      row.remove();
      this.#rows.delete(id);
    }
    const list = $("list");
    let before = list.firstElementChild;
    for (const a of shown) {
      let row = this.#rows.get(a.id);
      if (!row) {
        row = this.#row(a);
        this.#rows.set(a.id, row);
      }
      if (row === before) before = before.nextElementSibling;
      else list.insertBefore(row, before);
    }
    this.#fresh.clear();
    settle(list);

    list.hidden = items.length === 0;
    $("list-more").hidden = !more && shown.length === items.length;
    setText($("anomalies-count"), items.length > 0 ? `${more ? "the newest " : ""}${plural(items.length, "anomaly", "anomalies")}` : "");
    const empty = $("list-empty");
    empty.hidden = items.length > 0;
    if (state === "loading") setText(empty, "Loading …");
    else if (state === "failed") setText(empty, error ? `${sentence(error)} This is tried again by itself.` : "Sign in to see the anomalies.");
    else if (!$("filters-clear").hidden) setText(empty, "No anomaly matches this filter.");
    else setText(empty, "Nothing unusual so far. Anomalies appear here the moment they are found.");
  });

  #row(a) {
    const { level, word } = severity(a.severity);
    const where = a.entity || "whole stream";
    return h(
      "li",
      { class: this.#fresh.has(a.id) ? "row fresh" : "row", dataset: { level } },
      h(
        "button",
        { type: "button", tabindex: "-1", dataset: { id: a.id }, onclick: () => this.#open(a.id) },
        h(
          "span",
          { class: "row-head" },
          h("span", { class: "chip", text: word, title: `Severity ${number(a.severity)} of 30` }),
          h("span", { class: "row-where" }, name(where), h("span", { class: "muted" }, " in ", name(a.stream))),
          h("time", { datetime: a.timestamp, title: exact(a.at), text: moment(a.at) }),
        ),
        h("span", { class: "row-why", dir: "auto", text: a.explanation.sentence }),
        h("span", { class: "row-score" }, "Score ", h("b", { text: score(a.score) }), ` · ${reason(a)}`, a.suppressed_by ? ` · silenced by ${silencer(a.suppressed_by)}` : null),
      ),
    );
  }

  #announce(arrived) {
    this.#unspoken.push(...arrived);
    if (this.#unspoken.length > most) this.#unspoken.splice(0, this.#unspoken.length - most);
    if (this.#timer) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = 0;
        this.#spoken = Date.now();
        const last = this.#unspoken.at(-1);
        setText($("anomalies-new"), `${plural(this.#unspoken.length, "new anomaly", "new anomalies")}. Latest: ${last.explanation.sentence}`);
        this.#unspoken = [];
      },
      Math.max(300, this.#spoken + quiet - Date.now()),
    );
  }
}

/** Who says that it is one. */
function reason(a) {
  if (a.kind === "rule") return "a rule";
  if (a.kind === "stuck") return "a stuck value";
  return `${a.votes} of ${a.voters} detectors`;
}

const most = 1000; // Unspoken anomalies remembered.
