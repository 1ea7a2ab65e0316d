// Large figures, each with its recent past as a line behind it.

import { colourOf, fieldOf, shown } from "../fields.js";
import { el, svg } from "../dom.js";
import { reduce } from "../reduce.js";

export class Stat {
  constructor(panel, body) {
    Object.assign(this, { panel, body });
    body.classList.add("figures");
  }

  close() {}

  draw(answer) {
    const { reduceOptions = {}, graphMode = "area", textMode = "auto", colorMode = "value" } = this.panel.options ?? {};
    this.body.replaceChildren(...answer.series.map((series, n) => {
      const field = fieldOf(this.panel, series, n);
      const value = reduce(series.values, reduceOptions.calcs?.[0]);
      const said = shown(field, value);
      const colour = colorMode === "none" ? null : said.colour ?? (value === null ? null : colourOf(field, value));
      const named = textMode === "value_and_name" || textMode === "name" || (textMode === "auto" && answer.series.length > 1);
      return el("div", { class: "figure" },
        graphMode === "area" && series.values.length > 2 && spark(series.values, colour),
        named && el("span", { class: "name" }, field.name),
        textMode !== "name" && el("b", { style: { "--letters": Math.max(4, said.text.length), color: colour ?? "inherit" } }, said.text));
    }));
  }
}

// A line with its gaps, and the area below it.
function spark(values, colour) {
  const there = values.filter((value) => value !== null);
  if (there.length < 2) return null;
  const [least, most] = [Math.min(...there, 0), Math.max(...there)];
  const across = (n) => ((n / (values.length - 1)) * 100).toFixed(2);
  const up = (value) => (38 - ((value - least) / (most - least || 1)) * 34).toFixed(2);
  const lines = [];
  values.forEach((value, n) => {
    if (value === null) return;
    if (n === 0 || values[n - 1] === null) lines.push([]);
    lines.at(-1).push([across(n), up(value)]);
  });
  const line = lines.map((points) => `M${points.map((point) => point.join(" ")).join("L")}`).join("");
  const area = lines.map((points) => `M${points[0][0]} 40L${points.map((point) => point.join(" ")).join("L")}L${points.at(-1)[0]} 40Z`).join("");
  return svg("svg", { class: "spark", viewBox: "0 0 100 40", preserveAspectRatio: "none", "aria-hidden": "true", style: colour ? { color: colour } : {} },
    svg("path", { d: area, fill: "currentColor", "fill-opacity": "0.13" }),
    svg("path", { d: line, fill: "none", stroke: "currentColor", "stroke-width": "1.5", "vector-effect": "non-scaling-stroke" }));
}
