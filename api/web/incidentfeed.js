// The incidents the page holds: of the list and its timeline, and those that wait for somebody.

import { Pages } from "./pages.js";

/** What the filter's states mean in an incident's status. */
const states = {
  "": null,
  open: ["open"],
  acknowledged: ["acknowledged"],
  ended: ["resolved", "recovered"],
};

export const emptyIncidentFilter = { stream: "", kind: "", state: "", from: "" };

export class IncidentFeed extends Pages {
  /**
   * @param {object} filter stream, kind, state (open, acknowledged, ended or "") and from, an event time or ""
   * @param {(arrived: object[]) => void} changed is told after every change, with the incidents that are new
   */
  constructor(filter, changed) {
    super("api/incidents", { ...emptyIncidentFilter, ...filter }, changed);
  }

  /** Members of a group do not count: the group stands for them. */
  matches(i) {
    const f = this.filter;
    const status = states[f.state];
    return (
      i.group === "" &&
      (f.stream === "" || i.stream === f.stream) &&
      (f.kind === "" || i.kind === f.kind) &&
      (status === null || status.includes(i.status)) &&
      (f.from === "" || i.end === null || Date.parse(i.end) >= Date.parse(f.from))
    );
  }

  queries() {
    const { stream, kind, state, from } = this.filter;
    return [{ stream, kind, from, status: states[state]?.join(","), top_level: true }];
  }

  read(i) {
    return { ...i, at: Date.parse(i.start) };
  }

  replaces(i, known) {
    return i.revision > known.revision;
  }
}
