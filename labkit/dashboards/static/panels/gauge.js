// A figure between two ends, on a dial whose rim has the colours of the thresholds.

import { colourOf, fieldOf, shown } from "../fields.js";
import { named } from "../colours.js";
import { el, svg } from "../dom.js";
import { reduce } from "../reduce.js";

const [FROM, SWEEP] = [-120, 240]; // degrees, 0 is up

export class Gauge {
  constructor(panel, body) {
    Object.assign(this, { panel, body });
    body.classList.add("figures");
  }

  close() {}

  draw(answer) {
    this.body.replaceChildren(...answer.series.map((series, n) => {
      const field = fieldOf(this.panel, series, n);
      const value = reduce(series.values, this.panel.options?.reduceOptions?.calcs?.[0]);
      return dial(field, value, answer.series.length > 1);
    }));
  }
}

function dial(field, value, several) {
  const [least, most] = [field.min ?? 0, field.max ?? 100];
  const place = (at) => FROM + SWEEP * Math.min(1, Math.max(0, (at - least) / (most - least || 1)));
  const said = shown(field, value);
  const colour = said.colour ?? (value === null ? "currentColor" : colourOf(field, value));
  const steps = field.thresholds?.steps ?? [];
  const absolute = (at) => (field.thresholds?.mode === "percentage" ? least + ((most - least) * at) / 100 : at);
  const rim = steps.map(({ value: at, color }, n) =>
    arc(place(at === null || at === undefined ? least : absolute(at)), place(n + 1 < steps.length ? absolute(steps[n + 1].value) : most), 47, 3, named(color)));
  const label = `${field.name}: ${said.text}, between ${shown(field, least).text} and ${shown(field, most).text}`;
  return el("div", { class: "figure" },
    svg("svg", { class: "dial", viewBox: "0 0 100 80", role: "img", "aria-label": label },
      ...rim, arc(FROM, FROM + SWEEP, 38, 11, "var(--grid)"), value !== null && arc(FROM, place(value), 38, 11, colour),
      svg("text", { x: 50, y: 56, "text-anchor": "middle", fill: colour, class: said.text.length > 7 ? "long" : "" }, said.text)),
    several && el("span", { class: "name" }, field.name));
}

function arc(from, to, radius, width, colour) {
  if (to - from < 0.01) return null;
  const point = (degrees) => {
    const angle = (degrees * Math.PI) / 180;
    return `${(50 + radius * Math.sin(angle)).toFixed(2)} ${(50 - radius * Math.cos(angle)).toFixed(2)}`;
  };
  const path = `M ${point(from)} A ${radius} ${radius} 0 ${to - from > 180 ? 1 : 0} 1 ${point(to)}`;
  const drawn = svg("path", { d: path, fill: "none", "stroke-width": width });
  drawn.style.setProperty("stroke", colour);
  return drawn;
}
