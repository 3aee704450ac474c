// The list of incidents: filter, rows, keyboard, and a voice for screen readers.

import { $, h, name, setText } from "./dom.js";
import { exact, moment, number, plural, sentence, severity } from "./format.js";
import { isSilence, kindOf, lasted, lasts, pill, remarks, where } from "./incidentwords.js";
import { rove, settle } from "./roving.js";

const step = 50; // Rows added by each "show older".

export class IncidentList {
  #feed;
  #open;
  #rows = new Map(); // {element, button, revision} by id, kept between renderings so that the focus survives.
  #limit = step;
  #fresh = new Set();

  /** @param {(id: string) => void} open shows an incident's details */
  constructor(feed, open) {
    this.#feed = feed;
    this.#open = open;
    rove($("incident-list"));
    $("incident-more").addEventListener("click", () => this.#more());
  }

  /** Starts again at the top, for another filter. */
  restart() {
    this.#limit = step;
  }

  /** Tells of incidents that have just come. */
  announce(arrived) {
    for (const i of arrived) this.#fresh.add(i.id);
    const open = arrived.filter(lasts);
    if (open.length > 0) setText($("incidents-new"), `${plural(open.length, "new incident")}. Latest: ${open.at(-1).sentence}`);
  }

  /** Gives the focus to an incident's row where nothing else has it. */
  regain(id) {
    if (document.activeElement === document.body) this.#rows.get(id)?.button.focus({ preventScroll: true });
  }

  async #more() {
    this.#limit += step;
    if (this.#limit > this.#feed.items.length && this.#feed.more) await this.#feed.older();
    this.render();
  }

  render() {
    const { items, state, error, more } = this.#feed;
    const shown = items.slice(0, this.#limit);
    const keep = new Set(shown.map((i) => i.id));
    for (const [id, row] of this.#rows) {
      if (keep.has(id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
    const list = $("incident-list");
    let before = list.firstElementChild;
    for (const i of shown) {
      let row = this.#rows.get(i.id);
      if (!row) {
        row = this.#row(i);
        this.#rows.set(i.id, row);
      }
      if (row.revision !== i.revision) fill(row, i);
      if (row.element === before) before = before.nextElementSibling;
      else list.insertBefore(row.element, before);
    }
    this.#fresh.clear();
    settle(list);

    list.hidden = items.length === 0;
    $("incident-more").hidden = !more && shown.length === items.length;
    setText($("incidents-count"), items.length > 0 ? `${more ? "the newest " : ""}${plural(items.length, "incident")}` : "");
    const empty = $("incidents-empty");
    empty.hidden = items.length > 0;
    if (state === "loading") setText(empty, "Loading …");
    else if (state === "failed") setText(empty, error ? `${sentence(error)} This is tried again by itself.` : "Sign in to see the incidents.");
    else if (!$("incident-filters-clear").hidden) setText(empty, "No incident matches this filter.");
    else setText(empty, "No incident so far. One opens when anomalies come in a burst, or when a source falls silent.");
  }

  #row(i) {
    const button = h("button", { type: "button", tabindex: "-1", dataset: { id: i.id }, onclick: () => this.#open(i.id) });
    return { element: h("li", { class: this.#fresh.has(i.id) ? "row incident fresh" : "row incident" }, button), button, revision: 0 };
  }
}

/** Shows an incident's revision in its row. */
function fill(row, i) {
  const { level, word } = severity(i.peak_severity);
  const measured = isSilence(i) ? [] : [`${word.toLowerCase()}, severity ${number(i.peak_severity)}`, plural(i.anomalies, "anomaly", "anomalies")];
  row.revision = i.revision;
  row.element.dataset.level = lasts(i) ? level : "past";
  row.button.replaceChildren(
    h(
      "span",
      { class: "row-head" },
      pill(i),
      h("span", { class: "row-where" }, where(i), h("span", { class: "muted" }, " in ", name(i.stream))),
      h("time", { datetime: i.start, title: exact(i.at), text: moment(i.at) }),
    ),
    h("span", { class: "row-why", dir: "auto", text: i.sentence }),
    h("span", { class: "row-score", text: [kindOf(i), ...measured, lasted(i), ...remarks(i)].join(" · ") }),
  );
}
