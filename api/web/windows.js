// The maintenance windows that hold for a stream: what is silenced because somebody works there.

import { $, h, name } from "./dom.js";
import { moment } from "./format.js";
import { get } from "./server.js";

const refreshAfter = 60_000; // They change seldom.

export class Windows {
  #at = -Infinity;
  #stream = null;

  /** Reads the windows of a stream, "" for all; what was read a moment ago is as good. */
  async refresh(stream) {
    if (stream === this.#stream && performance.now() - this.#at < refreshAfter) return;
    [this.#stream, this.#at] = [stream, performance.now()];
    try {
      const { items } = await get("api/maintenance");
      const own = items.filter((w) => !stream || !w.streams?.length || w.streams.includes(stream));
      $("window-list").replaceChildren(...own.map(row));
      $("windows").hidden = own.length === 0;
    } catch {
      this.#at = -Infinity; // The next time may be better; the verdicts beside them say what is wrong.
    }
  }
}

const row = (w) =>
  h(
    "li",
    { class: "silence" },
    h(
      "div",
      { class: "grow" },
      h("p", {}, h("b", {}, name(w.name)), h("span", { class: "muted" }, " for ", name(about(w)))),
      h("p", { class: "silence-line" }, name(when(w))),
      w.learn === false && h("p", { class: "silence-line muted", text: "The models do not learn what comes meanwhile." }),
      h("p", { class: "silence-line muted" }, w.origin === "api" ? "Set over the API" : name(`In the configuration: ${w.origin}`)),
    ),
  );

function about(w) {
  const where = w.streams?.length ? w.streams.join(", ") : "every stream";
  return w.entity ? `${w.entity} in ${where}` : where;
}

function when(w) {
  const zone = w.timezone || "UTC";
  if (w.cron) return `For ${w.duration} at ${w.cron} (${zone})`;
  if (w.from) return `From ${moment(w.from)} to ${moment(w.to)}`;
  return `By the calendar ${w.ical_file || "given"} (${zone})`;
}
