// The details of one incident: what happened, its charts, what stood out, who belongs to it, and what people say about it.

import { Details, copyLink } from "./dialog.js";
import { h, name, setText } from "./dom.js";
import { ago, count, exact, moment, number, plural, severity, span } from "./format.js";
import { IncidentChart } from "./incidentchart.js";
import { actWords, isSilence, kindOf, lasted, lasts, pill, remarks, silencer, verdictWords, where } from "./incidentwords.js";
import { Judge } from "./judge.js";
import { incidentHash } from "./router.js";
import { get, part } from "./server.js";
import { contributions, facts, head, record } from "./tables.js";

export class IncidentDetail extends Details {
  #access;
  #go;
  #watch;
  #shown = null;
  #parts = null; // What of the dialog follows the incident.

  /**
   * @param {object} o
   * @param {(id: string) => object|undefined} o.find an incident that is known already
   * @param {object} o.access who may write
   * @param {(id: string) => void} o.closed is called when the dialog has closed
   * @param {object} o.go anomaly(id) and incident(id) show another detail
   * @param {(i: object) => void} o.watch shows the incident's entity in the live charts
   */
  constructor({ find, access, closed, go, watch }) {
    super({ dialog: "incident", heading: "Incident", path: "api/incidents", gone: "This incident does not exist, or the store no longer keeps it.", find, closed });
    this.#access = access;
    this.#go = go;
    this.#watch = watch;
  }

  recolour() {
    this.#parts?.chart.recolour();
  }

  /** Takes incidents as they arrive: the one that is shown is shown anew. */
  arrive(incidents) {
    const own = incidents.filter((i) => i.id === this.id).sort((a, b) => a.revision - b.revision).at(-1);
    if (own && this.#shown && own.revision > this.#shown.revision) this.#fill(own);
  }

  /** Reads the incident again, for example after a gap. */
  async refresh() {
    if (!this.#shown) return;
    try {
      this.arrive([await get(`api/incidents/${part(this.id)}`)]);
    } catch {
      // What is shown stays; the next revision replaces it.
    }
  }

  leave() {
    this.#parts?.chart.close();
    this.#parts = null;
    this.#shown = null;
  }

  build(i) {
    const parts = {
      where: h("p", { class: "detail-where" }),
      title: this.title({ dir: "auto" }),
      figures: h("dl", { class: "figures incident-figures" }),
      chart: new IncidentChart(this.#go.anomaly),
      why: h("section"),
      members: h("section"),
      judge: new Judge({ kind: "incident", id: i.id, found: i.kind, writes: this.#access.writes }),
      acts: h("section"),
      behind: h("section"),
    };
    this.present(
      "", // Its level follows the incident.
      parts.where,
      parts.title,
      parts.figures,
      parts.judge.element,
      h("section", {}, h("h3", { text: "Around it" }), parts.chart.element),
      parts.why,
      parts.members,
      parts.acts,
      parts.behind,
      h(
        "div",
        { class: "dialog-foot" },
        h("span", { class: "grow" }),
        copyLink(incidentHash(i.id), "incident"),
        h("button", { type: "button", class: "quiet", text: "Show in the live charts", onclick: () => this.#watch(this.#shown) }),
      ),
    );
    this.#parts = parts;
    this.#fill(i);
  }

  #fill(i) {
    this.#shown = i;
    const p = this.#parts;
    const { level, word } = severity(i.peak_severity);
    this.dialog.firstElementChild.dataset.level = level;
    renew(p.where, [i.status, word, i.member_count, i.entity_count, remarks(i)], () => [
      h("span", { class: "chip", text: isSilence(i) ? kindOf(i) : word }),
      pill(i),
      h("b", {}, where(i)),
      h("span", { class: "muted" }, "in ", name(i.stream)),
      ...remarks(i).map((text) => h("span", { class: "tag", text })),
    ]);
    setText(p.title, i.sentence);
    renew(p.figures, [i.start, i.end, i.latest, i.anomalies, i.peak_score], () =>
      [
        ["Began", moment(i.start)],
        lasts(i) && isSilence(i) ? null : [lasts(i) ? "So far" : "Lasted", span((Date.parse(i.end ?? i.latest) - Date.parse(i.start)) / 1000)],
        isSilence(i) ? ["An event is due every", span(i.interval)] : ["Anomalies", count(i.anomalies)],
        isSilence(i) ? null : ["Highest score", number(i.peak_score)],
      ]
        .filter(Boolean)
        .map(([label, text]) => h("div", {}, h("dt", { text: label }), h("dd", { text }))),
    );
    p.judge.show(i);
    p.judge.refresh();
    p.chart.show(i);
    renew(p.why, [i.features, i.peak?.id], () => this.#why(i));
    renew(p.members, [i.members, i.member_count, i.group], () => this.#members(i));
    renew(p.acts, [i.acts], () => acts(i));
    renew(p.behind, [i], () => [h("h3", { text: "Behind it" }), facts(factsOf(i)), record(i)]);
  }

  #why(i) {
    if (i.features.length === 0) return [];
    // Shares are of the whole incident; the values beside them are those of its worst moment.
    const worst = new Map((i.peak?.explanation.contributions ?? []).map((c) => [c.feature, c]));
    return [
      h("h3", { text: "What stood out" }),
      h("p", { class: "muted", text: "Shares over all its anomalies; values of the worst one." }),
      contributions(i.features.map((f) => ({ value: null, expected: null, deviation: NaN, ...worst.get(f.feature), ...f }))),
      i.peak &&
        h("button", { type: "button", class: "quiet worst", dataset: { id: i.peak.id }, text: `The worst anomaly, at ${moment(i.peak.timestamp)}`, onclick: () => this.#go.anomaly(i.peak.id) }),
    ].filter(Boolean);
  }

  #members(i) {
    if (i.group) return [h("h3", { text: "Part of a larger one" }), h("button", { type: "button", class: "quiet", dataset: { id: i.group }, text: "The incident of the whole stream", onclick: () => this.#go.incident(i.group) })];
    if (i.members.length === 0) return [];
    const left = i.member_count - i.members.length;
    return [
      h("h3", { text: "Who belongs to it" }),
      h("p", { class: "muted", text: `${plural(i.member_count, "entity", "entities")} of the ${count(i.entity_count)} seen lately${left > 0 ? `; the ${count(i.members.length)} largest are listed` : ""}.` }),
      h(
        "table",
        { class: "members" },
        head("Entity", "State", "Anomalies", "Highest alert score"),
        h("tbody", {}, ...i.members.map((m) => this.#member(m))),
      ),
    ];
  }

  #member(m) {
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, h("button", { type: "button", class: "link", dataset: { id: m.incident }, onclick: () => this.#go.incident(m.incident) }, name(m.entity || "whole stream"))),
      h("td", { text: m.open ? "Going on" : "Over" }),
      h("td", { class: "num", dataset: { label: "Anomalies" }, text: count(m.anomalies) }),
      h("td", { class: "num", dataset: { label: "Alert score" }, text: number(m.peak_alert_score) }),
    );
  }
}

const built = new WeakMap(); // What an element was filled for.

/** Fills an element again when what it shows has changed; the focus stays on the same button. */
function renew(element, data, build) {
  const key = JSON.stringify(data);
  if (built.get(element) === key) return;
  built.set(element, key);
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.id : undefined;
  const opened = element.querySelector("details")?.open;
  element.replaceChildren(...build());
  element.hidden = element.childElementCount === 0;
  if (opened) element.querySelector("details").open = true;
  if (focused) [...element.querySelectorAll("button")].find((b) => b.dataset.id === focused)?.focus();
}

function acts(i) {
  if (i.acts.length === 0) return [];
  return [
    h("h3", { text: "What people did" }),
    h(
      "ol",
      { class: "history" },
      ...i.acts.map((a) =>
        h(
          "li",
          {},
          h("time", { class: "muted", datetime: a.at, title: exact(a.at), text: ago(Date.parse(a.at)) }),
          h("span", {}, h("b", {}, name(a.who || "somebody")), ` ${actWords[a.action] ?? a.action}${a.verdict ? `: ${verdictWords[a.verdict] ?? a.verdict}` : ""}`, a.comment && h("q", { text: a.comment, dir: "auto" })),
        ),
      ),
    ),
  ];
}

function factsOf(i) {
  const rows = [
    ["Kind", kindOf(i)],
    ["Began", exact(i.start)],
    ["Latest anomaly", exact(i.latest)],
  ];
  if (i.end) rows.push([i.status === "resolved" ? "Resolved" : i.change === "outlasted" ? "Ended" : "Recovered", exact(i.end)]);
  const acknowledged = i.acts.find((a) => a.action === "acknowledge");
  if (acknowledged) rows.push(["Acknowledged", exact(acknowledged.at)]);
  rows.push(["Length", lasted(i)]);
  if (!isSilence(i)) {
    rows.push(["Severity at its peak", `${number(i.peak_severity)} of 30: the mean distance from normal, in units of normal spread`]);
    rows.push(["Alert score at its peak", `${number(i.peak_alert_score)}, comparable across streams`]);
  }
  if (i.flapping) rows.push(["Comes and goes", "yes: it stays open until it has been quiet for longer"]);
  if (i.replay) rows.push(["Replayed", "yes: nobody was notified"]);
  if (i.suppressed_by) rows.push(["Silenced by", silencer(i.suppressed_by)]);
  rows.push(["Revision", `${count(i.revision)}, ${i.change}`], ["Id", i.id]);
  return rows;
}
