// The anomalies the list shows: pages of the store joined with what arrives live, without doubles, newest first, bounded.

import { get } from "./server.js";

const pageSize = 100;
const again = 5000; // Milliseconds until a failed page is asked for again.
const most = 1000; // Anomalies kept; older ones fall off and are found again with a narrower filter.

/** Newest first; the id breaks ties, so the order is total. */
const order = (a, b) => b.at - a.at || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);

export const emptyFilter = { stream: "", entity: "", min_score: 0.6, min_severity: 0 };

export class Feed {
  filter = { ...emptyFilter };
  items = [];
  more = false; // The store holds older ones that match.
  state = "loading"; // loading, ready or failed
  error = "";

  #known = new Map(); // Items by id.
  #deleted = new Set();
  #cursor = "";
  #loading = null;
  #retry = 0;
  #changed;

  /** @param {(arrived: object[]) => void} changed is told after every change, with what has just come in live */
  constructor(changed) {
    this.#changed = changed;
  }

  find(id) {
    return this.#known.get(id);
  }

  matches(a) {
    const f = this.filter;
    return (
      (f.stream === "" || a.stream === f.stream) &&
      (f.entity === "" || a.entity.toLowerCase().includes(f.entity.toLowerCase())) &&
      a.score >= f.min_score &&
      a.severity >= f.min_severity
    );
  }

  setFilter(filter) {
    this.filter = { ...this.filter, ...filter };
    // What is known shows at once, the store's answer follows.
    this.items = this.items.filter((a) => this.matches(a));
    this.#index();
    return this.reload();
  }

  /** Reads the newest page again, for example after a gap; what has arrived live stays. */
  reload() {
    this.#loading?.abort();
    this.#cursor = "";
    this.more = false;
    if (this.items.length === 0) this.state = "loading";
    this.#changed([]);
    return this.#page();
  }

  older() {
    return this.#page();
  }

  async #page() {
    const loading = new AbortController();
    this.#loading = loading;
    clearTimeout(this.#retry);
    const { stream, entity, min_score, min_severity } = this.filter;
    const query = { stream, min_score, min_severity, limit: pageSize, count: false, cursor: this.#cursor };
    const options = { signal: loading.signal };
    try {
      const pages = [get("api/anomalies", query, options)];
      // The store knows whole names only: parts of one match what is loaded, a whole one reaches further back.
      if (entity && !this.#cursor) pages.push(get("api/anomalies", { ...query, entity }, options));
      const [page, exact] = await Promise.all(pages);
      if (loading.signal.aborted) return;
      this.#cursor = page.next_cursor ?? "";
      this.#add([...page.items, ...(exact?.items ?? [])]);
      this.more = this.#cursor !== "" && this.items.length < most;
      this.state = "ready";
      this.error = "";
    } catch (error) {
      if (error.name === "AbortError") return;
      this.state = "failed";
      this.error = error.status === 401 ? "" : error.message;
      if (error.status !== 401) this.#retry = setTimeout(() => this.#page(), again);
    }
    this.#changed([]);
  }

  /** Takes anomalies as they arrive. */
  arrive(anomalies) {
    const fresh = this.#add(anomalies);
    if (fresh.length > 0) this.#changed(fresh);
  }

  remove(ids) {
    for (const id of ids) this.#deleted.add(id);
    this.items = this.items.filter((a) => !this.#deleted.has(a.id));
    this.#index();
    this.#changed([]);
  }

  #add(anomalies) {
    const fresh = anomalies
      .filter((a) => !this.#known.has(a.id) && !this.#deleted.has(a.id) && this.matches(a))
      .map((a) => ({ ...a, at: Date.parse(a.timestamp) }));
    if (fresh.length === 0) return fresh;
    this.items = [...this.items, ...fresh].sort(order);
    if (this.items.length > most) {
      this.items.length = most;
      this.more = false;
    }
    this.#index();
    return fresh;
  }

  #index() {
    this.#known = new Map(this.items.map((a) => [a.id, a]));
  }
}
