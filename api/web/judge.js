// What people say about an anomaly or an incident: verdicts, and for incidents acknowledging, resolving and commenting.

import { h, name } from "./dom.js";
import { ago, moment, sentence } from "./format.js";
import { verdictWords } from "./incidentwords.js";
import { get, part, post, remove } from "./server.js";

const effects = {
  real: "The models will not learn it.",
  expected: "The models learn it at once, and the like is silenced.",
  noise: "Said repeatedly, the detector asks for more.",
};

// Of what no model has found: a breach of a rule, a stuck sensor, a silence.
const effectsBeyondModels = {
  ...effects,
  expected: "The models learn it at once. It is told all the same when it comes again.",
  noise: "Changes nothing in the models, which did not find it.",
};

const terms = [
  [24, "1 day"],
  [7 * 24, "7 days"],
  [30 * 24, "30 days"],
  [90 * 24, "90 days"],
  [365 * 24, "1 year"],
];

let made = 0;

/** One form about one subject. Whoever may not write sees the verdicts that hold, and nothing to press. */
export class Judge {
  element;
  #path; // Of the subject, as the server names it.
  #query; // How its verdicts are found.
  #writes;
  #comment;
  #term;
  #told;
  #held = h("ul", { class: "held" });
  #known = "[]"; // The verdicts shown, as JSON.
  #buttons = {}; // Of acts, by action.
  #busy = false;

  /**
   * @param {object} o
   * @param {"incident"|"anomaly"} o.kind what it is about
   * @param {string} o.id
   * @param {string} o.found of what kind that is: model, rule, stuck, silent or group
   * @param {boolean} o.writes whether this person may say something
   */
  constructor({ kind, id, found, writes }) {
    this.#path = `${kind === "incident" ? "api/incidents" : "api/anomalies"}/${part(id)}`;
    this.#query = { [kind]: id, state: "in_force" };
    this.#writes = writes;
    this.element = h("section", { class: "judge" }, ...(writes ? this.#form(kind, found) : []), this.#held);
    this.refresh();
  }

  #form(kind, found) {
    const says = found === "model" || found === "group" ? effects : effectsBeyondModels;
    const key = ++made;
    this.#comment = h("textarea", { id: `comment-${key}`, rows: "1", maxlength: "1000", placeholder: "Optional" });
    this.#term = h("select", { id: `term-${key}` }, ...terms.map(([hours, text]) => h("option", { value: String(hours), text })));
    this.#term.value = String(30 * 24);
    this.#told = h("p", { class: "judge-told", role: "status" });
    const verdict = (value) =>
      h(
        "button",
        { type: "button", class: "quiet verdict", dataset: { verdict: value }, "aria-describedby": `effect-${value}-${key}`, onclick: () => this.#say("verdict", { verdict: value, for_hours: Number(this.#term.value) }) },
        h("b", { text: verdictWords[value] }),
        h("span", { class: "muted", id: `effect-${value}-${key}`, text: says[value] }),
      );
    const parts = [
      h("h3", { text: kind === "incident" ? "What do you say?" : "Was this trouble?" }),
      h("label", { for: `comment-${key}`, class: "muted", text: "Comment" }),
      this.#comment,
    ];
    if (kind === "incident") {
      const act = (action, text, look) => {
        this.#buttons[action] = h("button", { type: "button", class: look, dataset: { action }, text, onclick: () => this.#say(action, {}) });
        return this.#buttons[action];
      };
      parts.push(h("div", { class: "acts" }, act("acknowledge", "Acknowledge", "primary"), act("resolve", "Resolve", "quiet"), act("comment", "Comment", "quiet")));
      parts.push(h("h4", { text: "Was this trouble?" }));
    }
    parts.push(
      h("div", { class: "verdicts", role: "group", "aria-label": "Verdict" }, verdict("real"), verdict("expected"), verdict("noise")),
      h("p", { class: "term" }, h("label", { for: `term-${key}`, class: "muted", text: "A verdict holds for" }), this.#term),
      this.#told,
    );
    return parts;
  }

  /** Shows what can be done in this state of the incident. */
  show({ status }) {
    if (!this.#writes) return;
    this.#buttons.acknowledge.hidden = status !== "open";
    this.#buttons.resolve.hidden = status !== "open" && status !== "acknowledged";
  }

  async #say(action, body) {
    if (this.#busy) return;
    const comment = this.#comment.value.trim();
    if (action === "comment" && comment === "") {
      this.#told.textContent = "Write a comment first.";
      this.#comment.focus();
      return;
    }
    await this.#send(async () => {
      const answer = await post(`${this.#path}/${action}`, { ...body, comment });
      this.#comment.value = "";
      return answer.replaces?.length > 0 ? "Taken. It replaces what was said before." : "Taken.";
    });
  }

  #withdraw(verdict) {
    return this.#send(async () => {
      await remove(`api/verdicts/${part(verdict.id)}`);
      return "Taken back.";
    });
  }

  async #send(work) {
    this.#busy = true;
    this.#told.textContent = ""; // The answer to what was said before is none to this.
    try {
      this.#told.textContent = await work();
    } catch (error) {
      this.#told.textContent = `It was not taken. ${sentence(error.message)}`;
    } finally {
      this.#busy = false;
    }
    this.#soon();
  }

  // What was said comes back through Kafka and the store, so it is asked for again a few times.
  #soon() {
    for (const ms of [300, 1500, 4000]) setTimeout(() => this.element.isConnected && this.refresh(), ms);
  }

  /** Reads the verdicts that hold. */
  async refresh() {
    try {
      const { items } = await get("api/verdicts", { ...this.#query, top_level: true, limit: 10 });
      const key = JSON.stringify(items);
      if (this.#known === key) return;
      this.#known = key;
      this.#held.replaceChildren(...items.map((v) => this.#line(v)));
    } catch {
      // Nothing is lost: the next act asks again, and an act that fails says why.
    }
  }

  #line(v) {
    return h(
      "li",
      { dataset: { verdict: v.verdict } },
      h("span", { class: "grow" }, h("b", { text: verdictWords[v.verdict] ?? v.verdict }), " says ", name(v.who), ` ${ago(Date.parse(v.at))}, until ${moment(v.until)}`, v.comment && h("q", { text: v.comment, dir: "auto" })),
      this.#writes && h("button", { type: "button", class: "quiet", text: "Withdraw", "aria-label": `Withdraw the verdict ${verdictWords[v.verdict] ?? v.verdict} of ${v.who}`, onclick: () => this.#withdraw(v) }),
    );
  }
}
