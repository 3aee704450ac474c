// The details of one anomaly: the sentence, what stood out, how the detectors voted, and everything behind it.

import { Details, copyLink } from "./dialog.js";
import { $, h, name } from "./dom.js";
import { count, exact, moment, number, percent, score, sentence, severity } from "./format.js";
import { silencer } from "./incidentwords.js";
import { Judge } from "./judge.js";
import { anomalyHash } from "./router.js";
import { part, remove } from "./server.js";
import { bar, contributions, facts, head, record, width } from "./tables.js";

export class Detail extends Details {
  #access;
  #watch;
  #deleted;

  /**
   * @param {object} o
   * @param {(id: string) => object|undefined} o.find an anomaly that is known already
   * @param {object} o.access who may delete
   * @param {() => void} o.closed is called when the dialog has closed
   * @param {(a: object) => void} o.watch shows the anomaly's entity in the charts
   * @param {(id: string) => void} o.deleted is called after a deletion
   */
  constructor({ find, access, closed, watch, deleted }) {
    super({ dialog: "detail", heading: "Anomaly", path: "api/anomalies", gone: "This anomaly does not exist, or it was deleted.", find, closed });
    this.#access = access;
    this.#watch = watch;
    this.#deleted = deleted;
    $("confirm-no").addEventListener("click", () => $("confirm").close());
    $("confirm-yes").addEventListener("click", () => this.#delete());
  }

  close() {
    if ($("confirm").open) $("confirm").close();
    super.close();
  }

  build(a) {
    const { level, word } = severity(a.severity);
    const why = a.explanation;
    this.present(
      level,
      h(
        "p",
        { class: "detail-where" },
        h("span", { class: "chip", text: word }),
        h("b", {}, name(a.entity || "whole stream")),
        h("span", { class: "muted" }, "in ", name(a.stream)),
        h("time", { class: "muted", datetime: a.timestamp, title: exact(a.timestamp), text: moment(a.timestamp) }),
      ),
      this.title({ dir: "auto", text: why.sentence }),
      gauge(a.score),
      h("section", {}, h("h3", { text: "What stood out" }), contributions(why.contributions)),
      new Judge({ kind: "anomaly", id: a.id, found: a.kind, writes: this.#access.writes }).element,
      h(
        "section",
        {},
        h("h3", { text: "How the detectors voted" }),
        h("p", { class: "muted", text: ballot(a) }),
        votes(a.detectors),
      ),
      h("section", {}, h("h3", { text: "Behind it" }), facts(factsOf(a))),
      record(a),
      this.#actions(a),
    );
  }

  #actions(a) {
    return h(
      "div",
      { class: "dialog-foot" },
      this.#access.admin
        ? h("button", { type: "button", class: "danger quiet", text: "Delete", onclick: () => this.#confirm(a) })
        : null,
      h("span", { class: "grow" }),
      copyLink(anomalyHash(a.id), "anomaly"),
      h("button", { type: "button", class: "primary", text: "Show in the charts", onclick: () => this.#watch(a) }),
    );
  }

  #confirm(a) {
    $("confirm-text").textContent = `${a.explanation.sentence} It leaves the store for everyone; the audit keeps who deleted it.`;
    $("confirm").showModal();
  }

  async #delete() {
    const { id } = this;
    try {
      await remove(`api/anomalies/${part(id)}`);
      this.#deleted(id);
      this.close();
    } catch (error) {
      $("confirm-text").textContent = `It was not deleted. ${sentence(error.message)}`;
    }
  }
}

/** The score on its scale, with the line that makes an anomaly. */
function gauge(value) {
  return h(
    "div",
    { class: "gauge", role: "img", "aria-label": `Score ${score(value)} on a scale from 0 to 1; 0.6 and above is an anomaly` },
    h("div", { class: "gauge-bar" }, h("span", { class: "gauge-line" }), h("span", { class: "gauge-dot", style: { left: width(value) } })),
    h("div", { class: "gauge-labels muted" }, h("span", { text: "0 normal" }), h("span", { class: "gauge-limit", text: "0.6" }), h("span", { text: "1" })),
    h("p", { class: "gauge-value" }, h("b", { text: score(value) }), h("span", { class: "muted", text: " score" })),
  );
}

function ballot(a) {
  if (a.voters === 0) return "The detectors were still warming up.";
  return `${a.votes} of ${a.voters} called it unusual; ${a.needed} make an anomaly.`;
}

function votes(list) {
  return h(
    "table",
    { class: "votes" },
    head("Detector", "Score", "Own unit", "Vote"),
    h(
      "tbody",
      {},
      ...list.map((d) =>
        h(
          "tr",
          { class: d.vote ? "voted" : "" },
          h("th", { scope: "row" }, name(d.name)),
          bar(d.score, score(d.score), true),
          h("td", { class: "num", dataset: { label: "Own unit" }, text: number(d.raw) }),
          h("td", { class: "vote", text: d.vote ? "Anomaly" : "Normal" }),
        ),
      ),
    ),
  );
}

function factsOf(a) {
  const why = a.explanation;
  const rows = [
    ["Event time", exact(a.timestamp)],
    ["Severity", `${number(a.severity)} of 30: the mean distance from normal, in units of normal spread`],
    ["Alert score", `${number(a.alert_score)}, comparable across streams`],
    ["False alarms asked for", percent(why.requested_rate)],
    ["Statistic and threshold", `${number(why.statistic)} against ${number(why.threshold)}`],
    ["Model", `generation ${count(why.generation)}, trained on ${count(why.trained_rows)} events`],
    ["Trained on events from", `${moment(why.trained_from)} to ${moment(why.trained_to)}`],
    ["Source", `${a.source.topic}, partition ${a.source.partition}, offset ${a.source.offset}`],
    ["Id", a.id],
  ];
  if (why.trained_rows === 0) rows.splice(4, 3); // Before the first fit there is no model to speak of.
  if (a.kind === "stuck") rows.unshift(["Kind", "A feature repeats one value for longer than its history allows"]);
  if (a.kind === "rule") rows.unshift(["Kind", "A hard limit of the stream's rules was crossed"]);
  if (a.replay) rows.push(["Replayed", "yes: nobody was notified"]);
  if (a.suppressed_by) rows.push(["Silenced by", silencer(a.suppressed_by)]);
  return rows;
}
