// What every drawing over time shares: axes, one cursor for all, marks of what happened, a drag that zooms.

import { exact, second, ticks } from "./clock.js";
import { faded, paint } from "./colours.js";
import { el } from "./dom.js";
import { formatter, steps } from "./units.js";

const FONT = "11px system-ui, sans-serif";
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800]; // seconds

export function timeAxis() {
  return {
    stroke: paint("soft"), font: FONT, size: 28, gap: 4, incrs: STEPS,
    space: (_, __, start, end, width) => (width / (end - start) > 1.2 ? 62 : 44), // seconds are longer to write
    grid: { stroke: paint("grid"), width: 1 }, ticks: { show: false },
    values: (plot, splits, _, __, step) => // not where the other axis writes its lowest value
      ticks(splits, step).map((text, n) => (plot.valToPos(splits[n], "x") < 14 ? "" : text)),
  };
}

export function valueAxis(scale, unit, decimals, side, grid) {
  return {
    scale, side, stroke: paint("soft"), font: FONT, gap: 4, space: 28, ...(steps(unit) ? { incrs: steps(unit) } : {}),
    grid: { show: grid, stroke: paint("grid"), width: 1 }, ticks: { show: false },
    size: (plot, values) => {
      if (!values) return 48;
      plot.ctx.font = plot.axes[0].font[0];
      const widest = Math.max(...values.map((text) => plot.ctx.measureText(text ?? "").width));
      return Math.ceil(widest / devicePixelRatio) + 12;
    },
    values: (_, splits, __, ___, step) => {
      const written = formatter(unit, decimals ?? null, Math.max(...splits.map(Math.abs)), step);
      return splits.map(written);
    },
  };
}

export function cursor(onZoom) {
  return {
    points: { size: 6 },
    drag: { x: true, y: false, setScale: false },
    sync: { key: "time", setSeries: false, scales: ["x", null] },
    bind: { dblclick: () => null },
    focus: { prox: -1 },
    onZoom,
  };
}

// Selecting a stretch with the mouse shows that stretch on all panels.
export function zoomed(plot, onZoom) {
  const { left, width } = plot.select;
  if (width > 4) onZoom(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
  plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
}

// Runs as shaded ranges below the lines.
export function shadeRuns(plot, { runs }) {
  const { ctx, bbox } = plot;
  ctx.save();
  for (const { start, end } of runs) {
    const from = Math.max(plot.valToPos(start, "x", true), bbox.left);
    const to = Math.min(plot.valToPos(end ?? plot.scales.x.max, "x", true), bbox.left + bbox.width);
    if (to <= from) continue;
    ctx.fillStyle = faded(paint("c-blue"), 0.09);
    ctx.fillRect(from, bbox.top, to - from, bbox.height);
  }
  ctx.restore();
}

// Starts, ends, faults and changes as lines above all, each with its name where there is room.
export function drawMarks(plot, { runs, moments }) {
  const { ctx, bbox } = plot;
  const lines = moments.map(({ time, kind, text }) => ({ time, text, colour: paint(kind === "fault" ? "c-red" : "c-purple") }));
  for (const { start, end, text } of runs) {
    lines.push({ time: start, text, colour: paint("c-blue") });
    if (end) lines.push({ time: end, text: "", colour: paint("c-blue") });
  }
  ctx.save();
  ctx.font = `${10 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textBaseline = "top";
  ctx.textAlign = "left";
  let free = 0;
  for (const { time, text, colour } of lines.sort((a, b) => a.time - b.time)) {
    const x = Math.round(plot.valToPos(time, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = ctx.fillStyle = colour;
    ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const width = ctx.measureText(text).width + 8 * devicePixelRatio;
    const left = x + width > bbox.left + bbox.width ? x - width : x; // before its line where there is no room behind it
    if (text && left >= Math.max(free, bbox.left)) {
      ctx.fillStyle = faded(paint("card"), 0.8);
      ctx.fillRect(left + devicePixelRatio, bbox.top, width - 2 * devicePixelRatio, 12 * devicePixelRatio);
      ctx.fillStyle = colour;
      ctx.fillText(text, left + 3 * devicePixelRatio, bbox.top + devicePixelRatio);
      free = left + width;
    }
  }
  ctx.restore();
}

// What happened within a few pixels of a time, for the tooltip.
export function marksNear(plot, { runs, moments }, time) {
  const near = Math.abs(plot.posToVal(6, "x") - plot.posToVal(0, "x"));
  const close = (at) => at !== null && Math.abs(at - time) <= near;
  return [
    ...runs.filter(({ start }) => close(start)).map(({ start, text }) => `${second(start)} ${text}`),
    ...runs.filter(({ end }) => close(end)).map(({ end, text }) => `${second(end)} end of ${text}`),
    ...moments.filter((one) => close(one.time)).map(({ time: at, text }) => `${second(at)} ${text}`),
  ];
}

export function tooltip(over) {
  const box = el("div", { class: "tip", hidden: true });
  over.append(box);
  return (plot, rows, marks) => {
    const { left, top, idx } = plot.cursor;
    const away = idx === null || idx === undefined || left < 0 || !over.matches(":hover") || rows.length === 0;
    box.hidden = away;
    if (away) return;
    box.replaceChildren(el("b", {}, exact(plot.data[0][idx]).replace(/\.000$/, "")), ...marks.map((text) => el("p", { class: "mark" }, text)),
      el("table", {}, ...rows.map(({ colour, name, text }) =>
        el("tr", {}, el("td", {}, el("i", { class: "dot", style: { background: colour } })), el("td", {}, name), el("td", { class: "number" }, text)))));
    const right = left > over.clientWidth / 2;
    box.style.setProperty("left", `${right ? Math.max(left - box.offsetWidth - 12, -40) : left + 12}px`);
    box.style.setProperty("top", `${Math.max(0, Math.min(top - 10, over.clientHeight - box.offsetHeight))}px`);
  };
}
