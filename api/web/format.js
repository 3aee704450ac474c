// Numbers, times and words as people read them.

const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const fine = new Intl.NumberFormat("en", { style: "percent", maximumSignificantDigits: 2 });
const coarse = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const dayOfYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });

/** A measured value with four significant digits; very large and very small ones in scientific notation. */
export function number(v) {
  if (v === null || v === undefined || !Number.isFinite(v)) return "–";
  const size = Math.abs(v);
  return size !== 0 && (size >= 1e7 || size < 1e-4) ? v.toExponential(2) : plain.format(v);
}

export const count = (v) => (Number.isFinite(v) ? whole.format(v) : "–");
export const compact = (v) => (Number.isFinite(v) ? (v < 10000 ? whole.format(v) : short.format(v)) : "–");

/** A score with three decimals, cut and never rounded up: 0.5999 must not look like 0.6. */
export const score = (v) => (Number.isFinite(v) ? (Math.floor(v * 1000 + 1e-7) / 1000).toFixed(3) : "–");

export function percent(v) {
  if (v === null || v === undefined || !Number.isFinite(v)) return "–";
  return (v < 0.1 ? fine : coarse).format(v);
}

export function rate(v) {
  if (!Number.isFinite(v)) return "–";
  return v >= 100 ? compact(v) : v >= 1 ? v.toFixed(1) : v > 0 ? v.toPrecision(1) : "0";
}

/** "about 3 min" from seconds. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 1.5) return "a moment";
  if (seconds < 90) return `about ${Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `about ${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `about ${Math.round(seconds / 3600)} h`;
  return `about ${Math.round(seconds / 86400)} days`;
}

/** A span of time from seconds: "40 s", "12 min", "3 h 5 min", "2 days". */
export function span(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 1) return "under 1 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  if (minutes < 36 * 60) return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return plural(Math.round(minutes / 1440), "day");
}

export function ago(date, now = Date.now()) {
  const s = (now - date) / 1000;
  if (s < 5) return "just now";
  if (s < 60) return `${Math.floor(s)} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  return moment(date);
}

/** Clock time, with the date in front unless it is today's, and with the year unless it is this one. */
export function moment(date) {
  const d = new Date(date);
  const now = new Date();
  if (d.toDateString() === now.toDateString()) return clock.format(d);
  return `${(d.getFullYear() === now.getFullYear() ? day : dayOfYear).format(d)}, ${clock.format(d)}`;
}

export const exact = (date) => full.format(new Date(date));

/**
 * Severity in words: the mean distance from normal in units of normal spread, 0 to 30. It ranks anomalies inside a stream.
 */
export function severity(v) {
  if (v >= 9) return { level: "high", word: "Extreme" };
  if (v >= 3) return { level: "medium", word: "Strong" };
  return { level: "low", word: "Mild" };
}

/** How far a value is from normal, in words. */
export function deviation(d) {
  if (!Number.isFinite(d)) return "–";
  const size = Math.abs(d);
  if (size < 0.05) return "as usual";
  const by = size >= 1000 ? "over 1,000" : size >= 100 ? whole.format(size) : size.toFixed(1);
  return `${by} σ ${d > 0 ? "above" : "below"}`;
}

/** An error's text as a sentence of its own. */
export const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
