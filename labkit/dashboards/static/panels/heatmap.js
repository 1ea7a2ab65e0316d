// A histogram over time: a row for each bucket, darker where more fell into it.

import { mixed, paint } from "../colours.js";
import { el } from "../dom.js";
import { cursor, drawMarks, marksNear, timeAxis, tooltip, valueAxis, zoomed } from "../plot.js";
import { format } from "../units.js";

const uPlot = window.uPlot;

export class Heatmap {
  constructor(panel, body, onZoom) {
    Object.assign(this, { panel, body, onZoom, plot: null });
    this.canvas = el("div", { class: "canvas", role: "img" });
    this.scale = el("div", { class: "scale" });
    body.replaceChildren(this.canvas, this.scale);
    this.sizes = new ResizeObserver(() => this.plot?.setSize(this.#room()));
    this.sizes.observe(this.canvas);
  }

  close() {
    this.sizes.disconnect();
    this.plot?.destroy();
  }

  draw(answer, happened, span) {
    Object.assign(this, { answer, happened, span });
    this.rows = used(answer.series);
    this.most = this.rows.reduce((most, { values }) => values.reduce((m, v) => Math.max(m, v ?? 0), most), 0);
    const times = Array.from({ length: answer.count }, (_, n) => answer.start + n * answer.step);
    const data = [times, times.map(() => null)];
    const names = this.rows.map(({ name }) => name).join();
    if (this.plot === null || names !== this.names) this.#make(data);
    else this.plot.setData(data);
    this.names = names;
    this.canvas.setAttribute("aria-label", `${this.panel.title}: from ${this.#bound(0)} to ${this.#bound(this.rows.length)}, at most ${format(this.most, this.#unit())} in a cell`);
    this.#legend();
  }

  #make(data) {
    this.plot?.destroy();
    const unit = this.panel.options?.yAxis?.unit ?? this.panel.fieldConfig?.defaults?.unit ?? "short";
    this.plot = new uPlot({
      ...this.#room(),
      legend: { show: false },
      cursor: { ...cursor(this.onZoom), points: { show: false } },
      scales: { x: { time: true, range: () => [this.span.start, this.span.end] }, y: { range: () => [0, this.rows.length] } },
      axes: [timeAxis(), {
        ...valueAxis("y", unit, null, 3, false),
        splits: () => this.#splits(),
        values: (_, splits) => splits.map((place) => this.#bound(place)),
      }],
      series: [{}, { scale: "y", show: true }],
      hooks: {
        draw: [(plot) => this.#cells(plot), (plot) => drawMarks(plot, this.happened)],
        setSelect: [(plot) => zoomed(plot, this.onZoom)],
        setCursor: [(plot) => this.tip?.(plot, this.#pointed(plot), this.#near(plot))],
      },
    }, data, this.canvas);
    this.tip = tooltip(this.plot.over);
  }

  // As many bounds as there is room for.
  #splits() {
    const every = Math.max(1, Math.ceil((this.rows.length * 22) / Math.max(60, this.canvas.clientHeight - 40)));
    return Array.from({ length: this.rows.length + 1 }, (_, n) => n).filter((n) => n % every === 0);
  }

  // The bound below the row of that place; the lowest is the upper bound of the bucket below it, or 0.
  #bound(place) {
    const unit = this.panel.options?.yAxis?.unit ?? "short";
    const name = place === 0 ? this.rows[0]?.below : this.rows[place - 1]?.name;
    return name === undefined ? "" : name === "+Inf" ? "∞" : format(Number(name), unit);
  }

  #unit() {
    return this.panel.fieldConfig?.defaults?.unit ?? "short";
  }

  #colour(share) {
    return share <= 0 ? null : mixed(paint("heat-low"), paint("heat-high"), Math.sqrt(share));
  }

  #cells(plot) {
    const { ctx } = plot;
    const { start, step, count } = this.answer;
    const gap = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
    ctx.clip();
    const edges = Array.from({ length: count + 1 }, (_, n) => Math.round(plot.valToPos(start + (n - 1) * step, "x", true)));
    const air = edges[1] - edges[0] > 4 * gap ? gap : 0;
    this.rows.forEach(({ values }, row) => {
      const [top, bottom] = [row + 1, row].map((y) => Math.round(plot.valToPos(y, "y", true)));
      values.forEach((value, n) => {
        if (!value) return;
        ctx.fillStyle = this.#colour(value / this.most);
        ctx.fillRect(edges[n], top, Math.max(1, edges[n + 1] - edges[n] - air), bottom - top - gap);
      });
    });
    ctx.restore();
  }

  #pointed(plot) {
    const { left, top, idx } = plot.cursor;
    const row = left >= 0 ? Math.floor(plot.posToVal(top, "y")) : -1;
    const value = this.rows[row]?.values[idx];
    if (value === null || value === undefined) return [];
    return [{ colour: this.#colour(value / this.most) ?? "transparent", name: `${this.#bound(row)} – ${this.#bound(row + 1)}`, text: format(value, this.#unit()) }];
  }

  #near(plot) {
    return plot.cursor.left >= 0 ? marksNear(plot, this.happened, plot.posToVal(plot.cursor.left, "x")) : [];
  }

  #legend() {
    const steps = [0.01, 0.1, 0.25, 0.5, 0.75, 1].map((share) => el("i", { style: { background: this.#colour(share) } }));
    this.scale.replaceChildren("0", ...steps, format(this.most, this.#unit()));
  }

  #room() {
    return { width: Math.max(60, this.canvas.clientWidth), height: Math.max(60, this.canvas.clientHeight) };
  }
}

// The buckets between the first and the last that hold anything; each knows the bound below it.
function used(series) {
  const rows = series.map((one, n) => ({ ...one, below: n === 0 ? "0" : series[n - 1].name }));
  const filled = rows.map(({ values }) => values.some((value) => value > 0));
  const [first, last] = [filled.indexOf(true), filled.lastIndexOf(true)];
  return first < 0 ? [] : rows.slice(first, last + 1);
}
