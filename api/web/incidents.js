// The incidents view: filter, timeline, list and what is silenced, over one feed; and the number in the header that waits.

import { $, batched, debounced, offer, setText } from "./dom.js";
import { IncidentFeed } from "./incidentfeed.js";
import { IncidentList } from "./incidentlist.js";
import { lasts } from "./incidentwords.js";
import { Silences } from "./silences.js";
import { Timeline } from "./timeline.js";
import { Windows } from "./windows.js";

const hour = 3600 * 1000;
const edge = 5000; // Milliseconds between two drawings of what goes on.
const pause = 1000; // Milliseconds between two drawings of the timeline at least: under a storm it would be all the page does.
const again = 20000; // Milliseconds between two readings of the verdicts.

export class Incidents {
  #feed = new IncidentFeed({}, (arrived) => this.#changed(arrived));
  #waiting = new IncidentFeed({ state: "open" }, () => this.#count());
  #list;
  #timeline;
  #silences;
  #windows = new Windows();
  #newest = () => Date.now();
  #span = 0; // Hours the timeline reaches back, 0 for everything that is loaded.
  #drawn = 0; // Time of the last drawing of the timeline.
  #timer = 0; // Of the next one.
  #seen = false; // Whether the view is shown.
  #asked = 0; // Time of the last reading of the verdicts.

  /**
   * @param {object} o
   * @param {object} o.access who may write
   * @param {object} o.go anomaly(id) and incident(id) show a detail
   * @param {(stream: string) => number} o.newest time of a stream's newest event in milliseconds; of all streams for ""
   */
  constructor({ access, go, newest }) {
    this.#newest = newest;
    this.#list = new IncidentList(this.#feed, go.incident);
    this.#timeline = new Timeline(go.incident);
    this.#silences = new Silences({ access, go });
    const form = $("incident-filters");
    const apply = debounced(() => this.#apply(), 100);
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(() => this.#apply()));
    setInterval(() => this.#tick(), edge);
  }

  find(id) {
    return this.#feed.find(id) ?? this.#waiting.find(id);
  }

  /** Gives the focus back to an incident after its details, where nothing else has it. */
  regain(id) {
    this.#list.regain(id);
  }

  /** Shows or hides the view. */
  show(seen) {
    if (seen && !this.#seen) this.#asked = 0;
    this.#seen = seen;
    this.#render();
    this.#tick();
  }

  /** Reads everything again. What has ended meanwhile must not stay, so nothing is kept. */
  reload() {
    this.#feed.reload({ afresh: true });
    this.#waiting.reload({ afresh: true });
    this.#asked = 0;
    this.#tick();
  }

  /** Reads again what could not be read before. */
  retry() {
    if (this.#feed.state === "failed" || this.#waiting.state === "failed") this.reload();
  }

  /** Takes incidents as they arrive. */
  arrive(incidents) {
    this.#feed.arrive(incidents);
    this.#waiting.arrive(incidents);
    if (incidents.some((i) => i.change === "judged")) this.#asked = 0;
  }

  /** Names the streams in the filter. */
  setStreams(names) {
    offer($("incident-filters").elements.stream, names);
  }

  #apply() {
    const f = $("incident-filters").elements;
    this.#span = Number(f.span.value);
    const from = this.#span > 0 ? new Date(this.#newest(f.stream.value) - this.#span * hour).toISOString() : "";
    this.#list.restart();
    $("incident-filters-clear").hidden = f.stream.value === "" && f.kind.value === "" && f.state.value === "" && this.#span === 0;
    this.#feed.setFilter({ stream: f.stream.value, kind: f.kind.value, state: f.state.value, from });
    this.#asked = 0;
    this.#tick();
  }

  #tick() {
    if (!this.#seen || document.hidden) return;
    if (this.#feed.items.some(lasts)) this.#drawSoon();
    if (Date.now() - this.#asked < again) return;
    this.#asked = Date.now();
    this.#silences.refresh(this.#feed.filter.stream);
    this.#windows.refresh(this.#feed.filter.stream);
  }

  #changed(arrived) {
    this.#list.announce(arrived);
    this.#render();
  }

  #render = batched(() => {
    if (!this.#seen) return;
    this.#list.render();
    this.#drawSoon();
  });

  #drawSoon() {
    if (this.#timer) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = 0;
        this.#drawn = Date.now();
        if (this.#seen) this.#draw();
      },
      Math.max(0, this.#drawn + pause - Date.now()),
    );
  }

  #draw() {
    const { items } = this.#feed;
    if (items.length === 0) {
      this.#timeline.clear();
      this.#drawn = 0; // What comes next is drawn at once.
      return;
    }
    const times = items.flatMap((i) => [i.at, Date.parse(i.end ?? i.latest)]);
    const newest = Math.max(...times);
    // Where something goes on the axis ends with the stream's time; a replay's is long past.
    const to = items.some(lasts) || this.#span > 0 ? Math.max(newest, this.#newest(this.#feed.filter.stream)) : newest;
    const oldest = Math.min(...times);
    const from = this.#span > 0 ? to - this.#span * hour : oldest - (to - oldest) * 0.02;
    this.#timeline.show(items, from, to);
  }

  /** The incidents that nobody has acknowledged. */
  #count() {
    const { items, more } = this.#waiting;
    const n = more || items.length > 99 ? "99+" : String(items.length);
    $("waiting").hidden = items.length === 0;
    setText($("waiting-count"), n);
    setText($("waiting-text"), items.length === 1 ? " open incident" : " open incidents");
  }
}

