// The list of anomalies: filter, rows, keyboard, and a voice for screen readers that does not talk without end.

import { $, batched, debounced, h, name, setText } from "./dom.js";
import { emptyFilter } from "./feed.js";
import { exact, moment, number, plural, score, sentence, severity } from "./format.js";

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
  #streams = "";

  /** @param {(id: string) => void} open shows an anomaly's details */
  constructor(feed, open) {
    this.#feed = feed;
    this.#open = open;
    $("list").addEventListener("keydown", (event) => this.#keys(event));
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
    const key = names.join("\0");
    if (key === this.#streams) return;
    this.#streams = key;
    const select = $("filters").elements.stream;
    const chosen = select.value;
    select.replaceChildren(h("option", { value: "", text: "All streams" }), ...names.map((n) => h("option", { value: n, text: n })));
    select.value = names.includes(chosen) ? chosen : "";
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
      Number(f.min_severity.value) === emptyFilter.min_severity;
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
    if (list.children.length > 0 && !list.querySelector("button[tabindex='0']")) list.querySelector("button").tabIndex = 0;

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
        h("span", { class: "row-score" }, "Score ", h("b", { text: score(a.score) }), ` · ${a.votes} of ${a.voters} detectors`),
      ),
    );
  }

  // One stop for the tab key; arrows walk through the rows.
  #keys(event) {
    const buttons = [...$("list").querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1, PageDown: at + 8, PageUp: at - 8 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    const next = buttons[Math.max(0, Math.min(buttons.length - 1, to))];
    for (const b of buttons) b.tabIndex = b === next ? 0 : -1;
    next.focus();
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

const most = 1000; // Unspoken anomalies remembered.
