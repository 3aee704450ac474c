// One chart: a line over time, the anomalies on it, and what it is compared with.

import uPlot from "./vendor/uplot/uPlot.js";
import { h, name, setText } from "./dom.js";
import { moment, number, score } from "./format.js";

const near = 12; // Pixels around an anomaly that count as on it.

/** The colours of the page as they are now. */
export function palette() {
  const style = getComputedStyle(document.documentElement);
  const colour = (variable) => style.getPropertyValue(variable).trim();
  return {
    line: colour("--data"),
    soft: colour("--data-soft"),
    alarm: colour("--alarm"),
    alarmSoft: colour("--alarm-soft"),
    usual: colour("--usual"),
    axis: colour("--muted"),
    grid: colour("--grid"),
    font: `11px ${style.getPropertyValue("--font").trim()}`,
  };
}

export class Plot {
  element;
  #chart;
  #value;
  #title;
  #score;
  #marks = [];
  #usual = null;
  #burst = null;
  #colours;
  #data;
  #events;

  /**
   * @param {object} o
   * @param {string} o.title a feature's name, or "" for the score
   * @param {boolean} o.axis whether times stand below it
   * @param {string} o.sync charts with the same key share their cursor
   * @param {object} o.events zoom(min, max) and open(id)
   */
  constructor({ title, axis, sync, events }) {
    this.#score = title === "";
    this.#title = this.#score ? "Anomaly score" : title;
    this.#events = events;
    this.#value = h("span", { class: "plot-value" });
    const heading = h("h3", {}, this.#score ? this.#title : name(title));
    const canvas = h("div", { class: "plot-canvas" });
    this.element = h("div", { class: this.#score ? "plot plot-score" : "plot" }, h("div", { class: "plot-head" }, heading, this.#value), canvas);
    if (this.#score) {
      heading.append(h("span", { class: "muted plot-note", text: "0.6 and above is an anomaly" }));
    }
    this.#colours = palette();
    this.#chart = new uPlot(this.#options(axis, sync), this.#score ? [[], [], []] : [[], [], [], []], canvas);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", this.#title);
    this.canvas = canvas;
    this.#chart.over.addEventListener("click", () => this.#click());
  }

  #options(axis, sync) {
    const c = this.#colours;
    const line = { stroke: c.line, width: 1.75, points: { show: false }, spanGaps: true };
    const edge = { stroke: "transparent", width: 0, points: { show: false }, spanGaps: true };
    const highest = { stroke: c.soft, width: 1.25, points: { show: false }, spanGaps: true };
    const axes = { stroke: c.axis, font: c.font, grid: { stroke: c.grid, width: 1 }, ticks: { show: false } };
    return {
      width: 300,
      height: this.#height(axis),
      legend: { show: false },
      padding: [6, 16, axis ? 0 : 6, 0],
      cursor: {
        sync: { key: sync, setSeries: false },
        drag: { x: true, y: false, setScale: false },
        y: false,
        points: { size: 7, fill: c.line, stroke: "transparent" },
      },
      scales: { x: { time: true, auto: false, range: (u, min, max) => [min, max] }, y: { range: (u, min, max) => this.#range(min, max) } },
      axes: [
        { ...axes, show: axis, size: 26, space: 58, values: (u, times) => this.#times(u, times) },
        { ...axes, size: 54, space: 20, gap: 6, values: (u, values) => values.map((v) => (this.#score ? v.toFixed(1) : number(v))) },
      ],
      series: this.#score ? [{}, line, highest] : [{}, line, edge, edge],
      bands: this.#score ? [] : [{ series: [3, 2], fill: c.soft }],
      hooks: {
        drawClear: [(u) => this.#background(u)],
        draw: [(u) => this.#drawMarks(u)],
        setCursor: [() => this.#read()],
        setSelect: [(u) => this.#select(u)],
      },
    };
  }

  #height(axis) {
    return (this.#score ? 150 : 96) + (axis ? 26 : 0);
  }

  #times(u, times) {
    const wide = u.scales.x.max - u.scales.x.min > 86000;
    const fine = u.scales.x.max - u.scales.x.min < 180;
    return times.map((t) => {
      const clock = new Date(t * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: fine ? "2-digit" : undefined });
      return wide && clock === "00:00" ? new Date(t * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short" }) : clock;
    });
  }

  // The score's scale is fixed. A feature's holds the line and the anomalies in view, never the whole training range: a
  // range that is far wider than the line would flatten it.
  #range(min, max) {
    if (this.#score) return [0, 1];
    let [low, high] = [min ?? Infinity, max ?? -Infinity];
    const { min: from, max: to } = this.#chart?.scales.x ?? {};
    for (const m of this.#marks) {
      if (m.x < from || m.x > to || !Number.isFinite(m.y)) continue;
      low = Math.min(low, m.y);
      high = Math.max(high, m.y);
    }
    if (low > high) return [0, 1];
    const pad = (high - low) * 0.12 || Math.abs(high) * 0.1 || 1;
    return [low - pad, high + pad];
  }

  /** Shows data over the span [from, to] in seconds. Marks are {x, y, id, main}, main where
   * this chart's value is what stood out; usual is {min, max} of the training rows; burst is the span of an incident. */
  show(data, [from, to], marks, usual, burst) {
    this.#data = data;
    this.#marks = marks;
    this.#usual = usual;
    this.#burst = burst;
    this.#chart.batch(() => {
      this.#chart.setData(data, false);
      this.#chart.setScale("x", { min: from, max: to });
    });
    this.#read();
  }

  resize(width) {
    if (width > 60 && Math.abs(width - this.#chart.width) >= 1) this.#chart.setSize({ width, height: this.#chart.height });
  }

  /** Puts the cursor on a row, for the keyboard; -1 takes it away. */
  point(row) {
    const x = this.#data?.[0][row];
    this.#chart.setCursor(x === undefined ? { left: -10, top: -10 } : { left: this.#chart.valToPos(x, "x"), top: 10 });
  }

  destroy() {
    this.#chart.destroy();
    this.element.remove();
  }

  #background(u) {
    const { ctx, bbox } = u;
    const y = (v) => Math.min(bbox.top + bbox.height, Math.max(bbox.top, u.valToPos(v, "y", true)));
    ctx.save();
    if (this.#score) {
      ctx.fillStyle = this.#colours.alarmSoft;
      ctx.fillRect(bbox.left, bbox.top, bbox.width, y(0.6) - bbox.top);
    } else if (this.#usual) {
      const [top, bottom] = [y(this.#usual.max), y(this.#usual.min)];
      ctx.fillStyle = this.#colours.usual;
      ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
    }
    if (this.#burst) {
      const x = (t) => Math.min(bbox.left + bbox.width, Math.max(bbox.left, u.valToPos(t, "x", true)));
      const [start, end] = this.#burst.map(x);
      ctx.fillStyle = this.#colours.alarmSoft;
      ctx.fillRect(start, bbox.top, Math.max(end - start, 2 * devicePixelRatio), bbox.height);
    }
    ctx.restore();
  }

  #drawMarks(u) {
    const { ctx, bbox } = u;
    const size = devicePixelRatio;
    ctx.save();
    if (this.#score) {
      const limit = Math.round(u.valToPos(0.6, "y", true)) + size / 2;
      ctx.strokeStyle = this.#colours.alarm;
      ctx.lineWidth = size;
      ctx.setLineDash([4 * size, 4 * size]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, limit);
      ctx.lineTo(bbox.left + bbox.width, limit);
      ctx.stroke();
    }
    ctx.beginPath();
    ctx.rect(bbox.left - 6 * size, bbox.top - 6 * size, bbox.width + 12 * size, bbox.height + 12 * size);
    ctx.clip();
    const columns = new Set();
    for (const m of this.#marks) {
      if (m.x < u.scales.x.min || m.x > u.scales.x.max || !Number.isFinite(m.y)) continue;
      const x = u.valToPos(m.x, "x", true);
      const y = u.valToPos(m.y, "y", true);
      // A line where it stood out, unless the span is shaded anyway; one for all that fall on the same pixels, or many would be a wall.
      const column = Math.round(x / (2 * size));
      if (m.main && !this.#burst && !columns.has(column)) {
        columns.add(column);
        ctx.fillStyle = this.#colours.alarmSoft;
        ctx.fillRect(x - size, bbox.top, 2 * size, bbox.height);
      }
      ctx.fillStyle = this.#colours.alarm;
      ctx.beginPath();
      ctx.arc(x, y, (m.main ? 4.5 : 2) * size, 0, 2 * Math.PI);
      ctx.fill();
    }
    ctx.restore();
  }

  #read() {
    if (!this.#data) return;
    const row = this.#chart.cursor.idx ?? this.#data[0].length - 1;
    const hovered = this.#chart.cursor.idx !== null && this.#chart.cursor.idx !== undefined;
    const mark = hovered ? this.#nearest() : null;
    const at = this.#data[0][row];
    const value = mark ? mark.y : this.#data[1][row];
    const shown = value === null || value === undefined ? "–" : this.#score ? score(value) : number(value);
    const when = hovered ? ` at ${moment((mark ? mark.x : at) * 1000)}` : "";
    setText(this.#value, `${shown}${when}${mark ? " – anomaly" : ""}`);
    this.#value.classList.toggle("alarm", mark !== null);
    this.#chart.over.classList.toggle("on-mark", mark !== null);
    if (hovered) return;
    const usual = this.#usual ? `, in training ${number(this.#usual.min)} to ${number(this.#usual.max)}` : "";
    this.canvas.setAttribute("aria-label", `${this.#title}: latest ${shown}${usual}, ${this.#inView()} anomalies in view`);
  }

  #inView() {
    const { min, max } = this.#chart.scales.x;
    return this.#marks.filter((m) => m.x >= min && m.x <= max).length;
  }

  #nearest() {
    const { left } = this.#chart.cursor;
    if (left === undefined || left < 0) return null;
    let best = null;
    let distance = near;
    for (const m of this.#marks) {
      const d = Math.abs(this.#chart.valToPos(m.x, "x") - left);
      if (d < distance) [best, distance] = [m, d];
    }
    return best;
  }

  #click() {
    const mark = this.#nearest();
    if (mark) this.#events.open(mark.id);
  }

  #select(u) {
    const { left, width } = u.select;
    if (width < 8) return;
    const [min, max] = [u.posToVal(left, "x"), u.posToVal(left + width, "x")];
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.#events.zoom(min, max);
  }
}
