// The anomalies the list shows.

import { Pages } from "./pages.js";

export const emptyFilter = { stream: "", entity: "", min_score: 0.6, min_severity: 0, suppressed: "" };

export class Feed extends Pages {
  /** @param {(arrived: object[]) => void} changed is told after every change, with what has just come in live */
  constructor(changed) {
    super("api/anomalies", emptyFilter, changed);
  }

  matches(a) {
    const f = this.filter;
    return (
      (f.stream === "" || a.stream === f.stream) &&
      (f.entity === "" || a.entity.toLowerCase().includes(f.entity.toLowerCase())) &&
      a.score >= f.min_score &&
      a.severity >= f.min_severity &&
      (f.suppressed === "" || f.suppressed === String(Boolean(a.suppressed_by)))
    );
  }

  queries() {
    const { stream, entity, min_score, min_severity, suppressed } = this.filter;
    const query = { stream, min_score, min_severity, suppressed, count: false };
    // The store knows whole names only: parts of one match what is loaded, a whole one reaches further back.
    return entity ? [query, { ...query, entity }] : [query];
  }

  read(a) {
    return { ...a, at: Date.parse(a.timestamp) };
  }

  /** An anomaly never changes. */
  replaces() {
    return false;
  }
}
