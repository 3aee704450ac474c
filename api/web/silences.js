// What people said: the verdicts in force.

import { $, h, name, setText } from "./dom.js";
import { ago, exact, moment, plural, sentence } from "./format.js";
import { verdictWords } from "./incidentwords.js";
import { get, part, remove } from "./server.js";

const shown = 100; // Verdicts listed at most.

export class Silences {
  #access;
  #go;
  #known = "";

  /**
   * @param {object} o
   * @param {object} o.access who may withdraw
   * @param {object} o.go anomaly(id) and incident(id) show a detail
   */
  constructor({ access, go }) {
    this.#access = access;
    this.#go = go;
  }

  /** Reads the verdicts in force of a stream, "" for all. */
  async refresh(stream) {
    try {
      const { items, next_cursor: more } = await get("api/verdicts", { stream, state: "in_force", top_level: true, limit: shown });
      const key = JSON.stringify([items, this.#access.writes]);
      if (key === this.#known) return;
      this.#known = key;
      $("verdict-list").replaceChildren(...items.map((v) => this.#row(v, stream)));
      setText($("verdicts-count"), items.length > 0 ? `${more ? "the newest " : ""}${plural(items.length, "verdict")} in force` : "");
      setText($("verdicts-empty"), "No verdict is in force. Give one in the details of an incident or an anomaly.");
      $("verdicts-empty").hidden = items.length > 0;
    } catch (error) {
      this.#known = "";
      setText($("verdicts-empty"), error.status === 401 ? "" : sentence(error.message));
      $("verdicts-empty").hidden = false;
    }
  }

  #row(v, stream) {
    const what = verdictWords[v.verdict] ?? v.verdict;
    const about = v.incident
      ? h("button", { type: "button", class: "link", text: "incident", onclick: () => this.#go.incident(v.incident) })
      : h("button", { type: "button", class: "link", text: "anomaly", onclick: () => this.#go.anomaly(v.anomaly) });
    const told = h("span", { class: "error", role: "status" });
    const withdraw = h("button", { type: "button", class: "quiet", text: "Withdraw", "aria-label": `Withdraw the verdict ${what} on ${v.entity || v.stream}` });
    withdraw.addEventListener("click", async () => {
      withdraw.disabled = true;
      try {
        await remove(`api/verdicts/${part(v.id)}`);
        for (const ms of [300, 1500, 4000]) setTimeout(() => this.refresh(stream), ms); // It comes back through Kafka and the store.
      } catch (error) {
        withdraw.disabled = false;
        told.textContent = sentence(error.message);
      }
    });
    return h(
      "li",
      { class: "silence", dataset: { verdict: v.verdict } },
      h(
        "div",
        { class: "grow" },
        h("p", {}, h("b", { text: what }), " ", name(v.entity || "whole stream"), h("span", { class: "muted" }, " in ", name(v.stream))),
        v.guilty?.length > 0 && h("p", { class: "silence-line" }, "Features: ", name(v.guilty.join(", "))),
        v.comment && h("q", { dir: "auto", text: v.comment }),
        h(
          "p",
          { class: "silence-line muted" },
          name(v.who),
          h("time", { datetime: v.at, title: exact(v.at), text: `, ${ago(Date.parse(v.at))}` }),
          h("time", { datetime: v.until, title: exact(v.until), text: `, until ${moment(v.until)}. ` }),
          "See the ",
          about,
        ),
        told,
      ),
      this.#access.writes && withdraw,
    );
  }
}
