// Lines, areas and bars over time.

import { colourOf, dashOf, fieldOf, shown } from "../fields.js";
import { faded, named } from "../colours.js";
import { el } from "../dom.js";
import { legend } from "../legend.js";
import { cursor, drawMarks, marksNear, shadeRuns, timeAxis, tooltip, valueAxis, zoomed } from "../plot.js";
import { format } from "../units.js";

const uPlot = window.uPlot;

export class Timeseries {
  constructor(panel, body, onZoom) {
    Object.assign(this, { panel, body, onZoom, plot: null, hidden: new Set() });
    this.canvas = el("div", { class: "canvas", role: "img" });
    this.legend = el("div", { class: "legend" });
    body.replaceChildren(this.canvas, this.legend);
    this.sizes = new ResizeObserver(() => this.#size());
    this.sizes.observe(this.canvas);
  }

  close() {
    this.sizes.disconnect();
    this.plot?.destroy();
  }

  draw(answer, happened, span) {
    this.happened = happened;
    this.span = span;
    this.answer = answer;
    this.fields = answer.series.map((series, n) => fieldOf(this.panel, series, n));
    const names = answer.series.map((series, n) => `${series.ref}/${this.fields[n].name}`).join("\n");
    const data = this.#data();
    if (this.plot === null || names !== this.names) {
      this.names = names;
      this.#make(data);
    } else {
      this.plot.setData(data);
    }
    this.canvas.setAttribute("aria-label", this.#summary());
    legend(this.legend, this.panel, answer.series, this.fields, this.hidden, () => this.draw(answer, happened, span));
  }

  #stacked() {
    return (this.panel.fieldConfig?.defaults?.custom?.stacking?.mode ?? "none") === "normal";
  }

  // uPlot's columns; a stack is drawn as sums, the highest first, so that each area covers the next.
  #data() {
    const { start, step, count, series } = this.answer;
    const times = Array.from({ length: count }, (_, n) => start + n * step);
    const shownNow = series.map(({ values }, n) => (this.hidden.has(this.fields[n].name) ? values.map(() => null) : values));
    if (!this.#stacked()) return [times, ...shownNow];
    const below = new Array(count).fill(0);
    return [times, ...shownNow.map((values) => values.map((value, n) => (value === null ? null : (below[n] += value))))];
  }

  #make(data) {
    this.plot?.destroy();
    const units = [...new Set(this.fields.map((field) => field.unit ?? "short"))];
    const stacked = this.#stacked();
    const options = {
      ...this.#room(),
      legend: { show: false },
      cursor: cursor(this.onZoom),
      scales: { x: { time: true, range: () => [this.span.start, this.span.end] }, ...this.#scales(units) },
      axes: [timeAxis(), ...units.map((unit, n) => this.#axis(unit, n))],
      series: [{}, ...this.fields.map((field) => this.#line(field, stacked))],
      bands: stacked ? this.fields.slice(1).map((_, n) => ({ series: [n + 2, n + 1] })) : [],
      hooks: {
        drawClear: [(plot) => shadeRuns(plot, this.happened)],
        draw: [(plot) => this.#limits(plot), (plot) => drawMarks(plot, this.happened)],
        setSelect: [(plot) => zoomed(plot, this.onZoom)],
        setCursor: [(plot) => this.tip?.(plot, this.#rows(plot.cursor.idx), this.#near(plot))],
      },
    };
    this.plot = new uPlot(options, data, this.canvas);
    this.tip = tooltip(this.plot.over);
  }

  #line(field, stacked) {
    const colour = colourOf(field);
    const { drawStyle = "line", lineWidth = 1, fillOpacity = 0, lineInterpolation, showPoints } = field.custom;
    const paths = drawStyle === "bars" ? uPlot.paths.bars({ size: [0.8, 60] })
      : drawStyle === "points" ? () => null
      : lineInterpolation?.startsWith("step") ? uPlot.paths.stepped({ align: lineInterpolation === "stepBefore" ? -1 : 1 }) : undefined;
    const fill = drawStyle === "bars" ? Math.max(fillOpacity, 40) : fillOpacity;
    return {
      label: field.name, scale: field.unit ?? "short", stroke: colour, width: Math.max(lineWidth, 1) * 1.25, paths,
      dash: stacked ? [] : dashOf(field), fill: fill > 0 ? faded(colour, fill / 100) : undefined,
      spanGaps: field.custom.spanNulls === true,
      points: { show: drawStyle === "points" || showPoints === "always", filter: lonely, size: 4, fill: colour },
    };
  }

  #scales(units) {
    return Object.fromEntries(units.map((unit) => {
      const own = this.fields.filter((field) => (field.unit ?? "short") === unit);
      const least = own.map((field) => field.min).find((value) => typeof value === "number");
      const most = own.map((field) => field.max).find((value) => typeof value === "number");
      const log = own.find((field) => field.custom.scaleDistribution?.type === "log")?.custom.scaleDistribution.log;
      if (log) return [unit, { distr: 3, log: log === 2 ? 2 : 10 }];
      return [unit, { range: (_, low, high) => bounds(low, high, least, most) }];
    }));
  }

  #axis(unit, n) {
    const own = this.fields.find((field) => (field.unit ?? "short") === unit);
    const right = n > 0 || own.custom.axisPlacement === "right";
    return valueAxis(unit, unit, own.decimals, right ? 1 : 3, n === 0);
  }

  #limits(plot) {
    const { thresholds, custom = {}, unit = "short" } = this.panel.fieldConfig?.defaults ?? {};
    const mode = custom.thresholdsStyle?.mode ?? "off";
    if (mode === "off" || !plot.scales[unit]) return;
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.setLineDash(mode.startsWith("dashed") ? [6 * devicePixelRatio, 4 * devicePixelRatio] : []);
    ctx.lineWidth = 1.5 * devicePixelRatio;
    for (const { value, color } of thresholds?.steps ?? []) {
      if (value === null || value === undefined) continue;
      const y = Math.round(plot.valToPos(value, unit, true));
      if (y < bbox.top || y > bbox.top + bbox.height) continue;
      ctx.strokeStyle = named(color);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
    ctx.restore();
  }

  #rows(idx) {
    if (idx === null || idx === undefined) return [];
    const rows = this.answer.series
      .map((series, n) => ({ value: series.values[idx] ?? null, field: this.fields[n] }))
      .filter(({ value, field }) => value !== null && !this.hidden.has(field.name));
    if (this.panel.options?.tooltip?.sort === "desc") rows.sort((a, b) => b.value - a.value);
    return rows.slice(0, 16).map(({ value, field }) => ({ colour: colourOf(field), name: field.name, text: shown(field, value).text }));
  }

  #near(plot) {
    return plot.cursor.left >= 0 ? marksNear(plot, this.happened, plot.posToVal(plot.cursor.left, "x")) : [];
  }

  #summary() {
    const facts = this.answer.series.slice(0, 8).map((series, n) => {
      const last = series.values.findLast((value) => value !== null) ?? null;
      return `${this.fields[n].name} ${format(last, this.fields[n].unit, this.fields[n].decimals)}`;
    });
    return `${this.panel.title}, last values: ${facts.join("; ")}`;
  }

  #room() {
    return { width: Math.max(60, this.canvas.clientWidth), height: Math.max(60, this.canvas.clientHeight) };
  }

  #size() {
    const { width, height } = this.#room();
    if (this.plot && (this.plot.width !== width || this.plot.height !== height)) this.plot.setSize({ width, height });
  }
}

// A value between two gaps would be no line at all: such values are drawn as dots.
function lonely(plot, index, all) {
  if (all) return null;
  const values = plot.data[index];
  const alone = values.flatMap((value, n) => (value != null && values[n - 1] == null && values[n + 1] == null ? [n] : []));
  return alone.length > 0 ? alone : null;
}

// The ends of an axis: those that the file fixes, else what is there with a little air.
function bounds(low, high, least, most) {
  if (low === null || low === undefined) return [least ?? 0, most ?? Math.max(1, (least ?? 0) + 1)];
  let [from, to] = [least !== undefined ? Math.min(least, low) : low, most !== undefined ? Math.max(most, high) : high];
  if (to === from) [from, to] = from === 0 ? [0, 1] : [Math.min(0, from), Math.max(0, from) * 1.2];
  const air = (to - from) * 0.06;
  return [least === undefined && from !== 0 ? from - air : from, most === undefined ? to + air : to];
}
