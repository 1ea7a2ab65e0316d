// The legend of a drawing: a row for each series with its figures; pressing one hides or shows it.

import { colourOf, shown } from "./fields.js";
import { el } from "./dom.js";
import { heading, reduce } from "./reduce.js";

export function legend(place, panel, series, fields, hidden, redraw) {
  const options = panel.options?.legend ?? {};
  place.hidden = options.showLegend === false || options.displayMode === "hidden";
  if (place.hidden) return;
  const calculations = options.calcs?.length ? options.calcs : ["lastNotNull"];
  const focused = document.activeElement?.closest?.(".legend") === place ? document.activeElement.textContent : null;
  const rows = series.map((one, n) => row(one, fields[n], calculations, hidden, redraw));
  place.replaceChildren(el("table", {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, el("span", { class: "unseen" }, "series")),
      ...calculations.map((name) => el("th", { scope: "col", class: kind(name) }, heading(name))))),
    el("tbody", {}, ...rows)));
  if (focused !== null) [...place.querySelectorAll("button")].find((button) => button.textContent === focused)?.focus();
}

function row(series, field, calculations, hidden, redraw) {
  const toggle = () => {
    if (!hidden.delete(field.name)) hidden.add(field.name);
    redraw();
  };
  const button = el("button", { type: "button", "aria-pressed": String(!hidden.has(field.name)), title: field.name, onclick: toggle },
    el("i", { class: "dot", style: { background: colourOf(field) } }), field.name);
  return el("tr", {}, el("th", { scope: "row" }, button),
    ...calculations.map((name) => el("td", { class: `number ${kind(name)}` }, shown(field, reduce(series.values, name)).text)));
}

// Narrow panels show the last value only.
function kind(calculation) {
  return heading(calculation) === "last" ? "last" : "calculated";
}
