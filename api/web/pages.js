// A list as the page holds it: pages of the store joined with what arrives live, without doubles, newest first, bounded.

import { get } from "./server.js";

const pageSize = 100;
const again = 5000; // Milliseconds until a failed page is asked for again.
const most = 1000; // Items kept; older ones fall off and are found again with a narrower filter.

/** Newest first; the id breaks ties, so the order is total. */
const order = (a, b) => b.at - a.at || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);

/**
 * The base of the lists. A list says with matches(item) what its filter selects, with queries() how the store is asked, with
 * read(item) what an item is here: the item itself with `at`, its time in milliseconds; and with replaces(item, known)
 * whether an item is news about one that is known already.
 */
export class Pages {
  filter;
  items = [];
  more = false; // The store holds older ones that match.
  state = "loading"; // loading, ready or failed
  error = "";

  #path;
  #known = new Map(); // Items by id.
  #deleted = new Set();
  #cursor = "";
  #loading = null;
  #retry = 0;
  #changed;

  /**
   * @param {string} path where the store's pages are
   * @param {object} filter what is asked for at first
   * @param {(news: object[]) => void} changed is told after every change, with what has just come in live
   */
  constructor(path, filter, changed) {
    this.#path = path;
    this.filter = { ...filter };
    this.#changed = changed;
  }

  find(id) {
    return this.#known.get(id);
  }

  setFilter(filter) {
    this.filter = { ...this.filter, ...filter };
    // What is known shows at once, the store's answer follows.
    this.items = this.items.filter((item) => this.matches(item));
    this.#index();
    return this.reload();
  }

  /** Reads the newest page again, for example after a gap; what has arrived live stays, unless it starts afresh. */
  reload({ afresh = false } = {}) {
    this.#loading?.abort();
    if (afresh) {
      this.items = [];
      this.#index();
    }
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
    // Several queries of one page differ in what they reach; the first one is followed further back.
    const queries = this.#cursor ? this.queries().slice(0, 1) : this.queries();
    try {
      const pages = await Promise.all(
        queries.map((query) => get(this.#path, { ...query, limit: pageSize, cursor: this.#cursor }, { signal: loading.signal })),
      );
      if (loading.signal.aborted) return;
      this.#cursor = pages[0].next_cursor ?? "";
      this.#add(pages.flatMap((page) => page.items));
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

  /** Takes items as they arrive. */
  arrive(items) {
    const { news, changed } = this.#add(items);
    if (changed) this.#changed(news);
  }

  remove(ids) {
    for (const id of ids) this.#deleted.add(id);
    this.items = this.items.filter((item) => !this.#deleted.has(item.id));
    this.#index();
    this.#changed([]);
  }

  /** Returns the items that are new in the list, and whether anything changed at all. */
  #add(items) {
    const news = [];
    let changed = false;
    for (const item of items) {
      const known = this.#known.get(item.id);
      if (this.#deleted.has(item.id) || (known && !this.replaces(item, known))) continue;
      if (this.matches(item)) {
        const own = this.read(item);
        if (!known) news.push(own);
        this.#known.set(item.id, own);
      } else if (known) {
        this.#known.delete(item.id); // It no longer is what the filter selects.
      } else {
        continue;
      }
      changed = true;
    }
    if (!changed) return { news, changed };
    this.items = [...this.#known.values()].sort(order);
    if (this.items.length > most) {
      this.items.length = most;
      this.more = false;
    }
    this.#index();
    return { news, changed };
  }

  #index() {
    this.#known = new Map(this.items.map((item) => [item.id, item]));
  }
}
