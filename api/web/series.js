// The numbers behind the charts: minutes from the store, and finer steps from the live records of open minutes.

export const liveSpan = 15 * 60; // Seconds the live view reaches back.
const bucket = 2; // Seconds that the steps of many entities are joined over.
const mostRows = 2000;

const seconds = (time) => Date.parse(time) / 1000;

/** One row of a chart: time in seconds, events, score quantiles, and per feature mean, low and high. */
function minuteRow(p, shift) {
  const row = { x: seconds(p.minute) + shift, events: p.events, p50: p.score_p50, max: p.score_max, mean: {}, low: {}, high: {} };
  for (const f of p.features) {
    row.mean[f.name] = f.mean;
    row.low[f.name] = f.min;
    row.high[f.name] = f.max;
  }
  return row;
}

const sliceRow = (s) => ({ x: seconds(s.at), events: s.events, p50: s.score_p50, max: s.score_max, mean: s.means, low: {}, high: {} });

/** Joins rows of several entities that lie within one bucket of time. */
function join(rows) {
  const out = [];
  for (const row of rows) {
    const x = Math.floor(row.x / bucket) * bucket;
    const last = out.at(-1);
    if (last?.x !== x) {
      out.push({ ...row, x, mean: { ...row.mean }, scored: row.p50 === null ? 0 : row.events });
      continue;
    }
    for (const [feature, mean] of Object.entries(row.mean)) {
      const before = last.mean[feature];
      last.mean[feature] = before === undefined ? mean : before + ((mean - before) * row.events) / (last.events + row.events);
    }
    if (row.p50 !== null) {
      last.p50 = last.p50 === null ? row.p50 : last.p50 + ((row.p50 - last.p50) * row.events) / (last.scored + row.events);
      last.max = Math.max(last.max ?? 0, row.max ?? 0);
      last.scored += row.events;
    }
    last.events += row.events;
  }
  return out;
}

export class Series {
  rows = [];
  #names = []; // Features in the order in which they were first seen; charts must not change places.
  #last = null; // The last rollup of the chosen entity: the next one is compared with it.

  /** Takes an answer of /api/streams/{stream}/series; live joins minutes and steps, else minutes alone count. */
  load(body, { live, together }) {
    // Minutes come first: they hold the features in the stream's own order.
    this.#know([...body.points.flatMap((p) => p.features.map((f) => f.name)), ...body.live.flatMap((s) => Object.keys(s.means))]);
    if (!live) {
      this.rows = body.points.map((p) => minuteRow(p, 30));
      return;
    }
    const steps = together ? join(body.live.map(sliceRow)) : body.live.map(sliceRow);
    const now = Date.now() / 1000;
    const first = steps.length > 0 ? steps[0].x : now;
    // Minutes fill the time before the first step, unless event time is far from ours, as in a replay.
    const minutes = body.points.map((p) => minuteRow(p, 30)).filter((r) => r.x > now - liveSpan && r.x < first);
    this.rows = [...minutes, ...steps].slice(-mostRows);
  }

  /** Takes a record of the rollups topic for the chosen entity. Returns whether the chart has grown. */
  push(r) {
    const before = this.#last;
    this.#know(r.features.map((f) => f.name));
    if (before && r.minute < before.minute) return false; // A correction of the past.
    this.#last = r;
    if (!before) return false; // How much of it is new is not known yet.
    const same = r.minute === before.minute && r.events >= before.events;
    const events = r.events - (same ? before.events : 0);
    if (events <= 0) return false;
    const mean = {};
    r.features.forEach((f, i) => {
      const old = same && before.features[i]?.name === f.name ? before.features[i].mean * before.events : 0;
      mean[f.name] = (f.mean * r.events - old) / events;
    });
    // A replay brings many minutes at once: they keep their order.
    const last = this.rows.at(-1)?.x ?? 0;
    const now = Date.now() / 1000;
    if (last > now + 10) return false; // The clock was set back.
    const x = Math.max(now, last + 0.001);
    this.rows.push({ x, events, p50: r.score_p50, max: r.score_max, mean, low: {}, high: {} });
    while (this.rows.length > mostRows || this.rows[0].x < x - liveSpan - 60) this.rows.shift();
    return true;
  }

  /** Names of the features. */
  features() {
    return this.#names;
  }

  /** Puts these features before the others, for example those that an incident is about. */
  prefer(names) {
    this.#names = [...new Set([...names.filter((n) => this.#names.includes(n)), ...this.#names])];
  }

  #know(names) {
    this.#names = [...new Set([...this.#names, ...names])];
  }

  /** Columns of the score chart: times, typical score, highest score. */
  scores() {
    return [this.rows.map((r) => r.x), this.rows.map((r) => r.p50 ?? null), this.rows.map((r) => r.max ?? null)];
  }

  /** Columns of a feature's chart: times, mean, low, high. */
  feature(name) {
    const of = (kind) => this.rows.map((r) => r[kind][name] ?? null);
    return [this.rows.map((r) => r.x), of("mean"), of("low"), of("high")];
  }

  /** First and last time, null without rows. */
  span() {
    return this.rows.length > 0 ? [this.rows[0].x, this.rows.at(-1).x] : null;
  }
}
