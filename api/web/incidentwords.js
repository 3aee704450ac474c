// What incidents, their states and what people do about them are called on the page.

import { h, name } from "./dom.js";
import { plural, span } from "./format.js";

export const kinds = {
  model: "Unusual values",
  rule: "Limit crossed",
  stuck: "Stuck value",
  silent: "Silent source",
  group: "Many entities",
};

export const statusWords = { open: "Open", acknowledged: "Acknowledged", resolved: "Resolved", recovered: "Recovered" };

export const verdictWords = { real: "Real trouble", expected: "Expected", noise: "Noise" };

/** What somebody did, after their name. */
export const actWords = {
  acknowledge: "acknowledged it",
  resolve: "resolved it",
  comment: "wrote",
  verdict: "called it",
  withdraw: "took a verdict back",
};

export const lasts = (i) => i.status === "open" || i.status === "acknowledged";

/** Whether it is one of a source that fell silent, or of several: nothing is measured, and nothing tells how long it lasts. */
export const isSilence = (i) => i.anomalies === 0;

/** What kind of trouble it is. */
export const kindOf = (i) => (i.kind === "group" && isSilence(i) ? "Silent sources" : (kinds[i.kind] ?? i.kind));

/** How long it lasts or has lasted, by event time; a silence that lasts has no event to tell that. */
export function lasted(i) {
  if (lasts(i) && isSilence(i)) return "still silent";
  const seconds = (Date.parse(i.end ?? i.latest) - Date.parse(i.start)) / 1000;
  return lasts(i) ? `${span(seconds)} so far` : `lasted ${span(seconds)}`;
}

/** Where it is: an entity, a whole stream, or some of its entities. */
export function where(i) {
  if (i.kind !== "group") return name(i.entity || "whole stream");
  const of = i.entity_count > i.member_count ? ` of ${plural(i.entity_count, "entity", "entities")}` : ` ${i.member_count === 1 ? "entity" : "entities"}`;
  return h("span", { text: `${i.member_count}${of}` });
}

/** A pill with the state. */
export const pill = (i) => h("span", { class: "pill", dataset: { status: i.status } }, h("span", { class: "dot", "aria-hidden": "true" }), statusWords[i.status] ?? i.status);

/** What silences something, by its suppressed_by: what kind of thing, a colon, and its name. */
export function silencer(by) {
  const colon = by.indexOf(":");
  const [kind, named] = [by.slice(0, colon), by.slice(colon + 1)];
  if (kind === "window") return `the maintenance window ${named}`;
  if (kind === "limit") return `the limit ${named}`;
  if (kind === "verdict") return "a verdict";
  return by;
}

/** What else is to be known about it, in a few words each. */
export function remarks(i) {
  const out = [];
  if (i.verdict) out.push(verdictWords[i.verdict] ?? i.verdict);
  if (i.flapping) out.push("comes and goes");
  if (i.suppressed_by) out.push(`silenced by ${silencer(i.suppressed_by)}`);
  if (i.replay) out.push("replayed");
  return out;
}
