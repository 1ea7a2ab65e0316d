// A bar for each series or category, of one value each.

import { colourOf, fieldOf, shown } from "../fields.js";
import { el } from "../dom.js";
import { reduce } from "../reduce.js";

export class Bars {
  constructor(panel, body) {
    Object.assign(this, { panel, body });
  }

  close() {}

  draw(answer) {
    const upright = this.panel.options?.orientation === "vertical";
    const bars = answer.series.map((series, n) => {
      const field = fieldOf(this.panel, series, n);
      return { field, value: reduce(series.values, this.panel.options?.reduceOptions?.calcs?.[0]) };
    });
    const highest = Math.max(...bars.map(({ value }) => value ?? 0), 0);
    const list = el("ul", { class: upright ? "bars upright" : "bars" }, ...bars.map(({ field, value }) => {
      const [least, most] = [field.min ?? 0, field.max ?? highest];
      const share = value === null ? 0 : Math.min(1, Math.max(0, (value - least) / (most - least || 1)));
      const said = shown(field, value);
      const colour = said.colour ?? colourOf(field, value);
      const size = { [upright ? "height" : "width"]: `${(share * 100).toFixed(2)}%`, background: colour };
      return el("li", {}, el("span", { class: upright && field.name.length > 6 ? "name long" : "name", title: field.name }, field.name),
        el("span", { class: "track", "aria-hidden": "true" }, el("i", { style: size })), el("b", {}, said.text));
    }));
    this.body.replaceChildren(list);
  }
}
