// Tables with bars, and lists of facts, as the details of anomalies and incidents show them.

import { h, name } from "./dom.js";
import { deviation, number, percent } from "./format.js";

/** A part of one as a CSS width. */
export const width = (v) => `${Math.max(0, Math.min(1, v)) * 100}%`;

/** A cell with a bar from 0 to 1 and its value; limit draws the line at 0.6. */
export function bar(value, text, limit = false) {
  const track = h("span", { class: "track" }, h("span", { class: "bar", style: { width: width(value) } }), limit && h("span", { class: "bar-limit" }));
  return h("td", { class: "bar-cell" }, h("div", { class: "bar-row" }, track, h("span", { class: "bar-text", text })));
}

/** The head of a table. */
export const head = (...labels) => h("thead", {}, h("tr", {}, ...labels.map((text) => h("th", { scope: "col", text }))));

/** The column of a feature that is stranger than its value, where there is one. */
function stranger(c) {
  const far = (x) => Math.abs(x.deviation);
  const top = (c.columns ?? []).reduce((a, b) => (far(b) > far(a) ? b : a), c);
  return top !== c && top.column !== "value" && h("small", { class: "muted", text: `${top.column}: ${deviation(top.deviation)}` });
}

/** What stood out: shares, values, and what is usual. */
export function contributions(list) {
  if (list.length === 0) return h("p", { class: "muted", text: "No single feature stood out." });
  return h(
    "table",
    { class: "bars" },
    head("Feature", "Share", "Value", "Usual", "Distance"),
    h(
      "tbody",
      {},
      ...list.map((c) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, name(c.feature)),
          bar(c.share, percent(c.share)),
          h("td", { class: "num", dataset: { label: "Value" } }, h("b", { text: number(c.value) })),
          h("td", { class: "num", dataset: { label: "Usual" }, text: number(c.expected) }),
          h("td", { class: "num", dataset: { label: "Distance" } }, deviation(c.deviation), stranger(c)),
        ),
      ),
    ),
  );
}

/** A list of labels and texts. */
export const facts = (rows) => h("dl", { class: "facts" }, ...rows.map(([label, text]) => h("div", {}, h("dt", { text: label }), h("dd", {}, name(text)))));

/** The record itself, for those who want everything. */
export const record = (item) =>
  h(
    "details",
    {},
    h("summary", { text: "The record as JSON" }),
    h("pre", { tabindex: "0", text: JSON.stringify(item, (key, v) => (key === "at" ? undefined : v), 2) }),
  );
