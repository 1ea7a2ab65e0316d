// Time, refresh and choices.

import { RANGES, REFRESH } from "./address.js";
import { local } from "./clock.js";
import { el } from "./dom.js";

const ALL = "$__all";

// Fill the form; `change` gets what is to be different in the view. What is open or has the focus keeps it.
export function controls(form, view, variables, span, change) {
  const open = [...form.querySelectorAll("details[open]")].map(({ id }) => id);
  const focused = form.contains(document.activeElement) ? document.activeElement : null;
  fill(form, view, variables, span, change);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  const again = focused && [...form.querySelectorAll("select, input, summary, button")].find((one) => name(one) === name(focused));
  if (!again) return;
  if (again.matches("input:not([type=checkbox])")) again.value = focused.value;
  again.focus();
}

function name(control) {
  return control.id || `${control.closest("[id]").id} ${control.value ?? ""}`;
}

function fill(form, view, variables, span, change) {
  const custom = !(view.to === "now" && view.from in RANGES);
  form.replaceChildren(
    ...variables.map((variable) => choice(variable, change)),
    field("Time", el("select", { id: "range", onchange: (event) => chosen(event.target.value, view, span, change) },
      ...options(RANGES, custom ? "custom" : view.from), option("custom", view.to === "now" && custom ? `last ${view.from.slice(4)}` : "from … to …", custom))),
    field("Refresh", el("select", { id: "refresh", onchange: (event) => change({ refresh: event.target.value }) }, ...options(REFRESH, view.refresh))),
    ...(custom ? stretch(view, span, change) : []),
  );
}

function chosen(value, view, span, change) {
  if (value !== "custom") return change({ from: value, to: "now" });
  return change({ from: String(Math.round(span.start * 1000)), to: String(Math.round(span.end * 1000)), refresh: "" });
}

function stretch(view, span, change) {
  const from = el("input", { type: "datetime-local", step: 1, id: "from", value: local(span.start) });
  const to = el("input", { type: "datetime-local", step: 1, id: "to", value: local(span.end) });
  const show = () => {
    const [start, end] = [from, to].map(({ value }) => new Date(value).getTime());
    if (end > start) change({ from: String(start), to: String(end), refresh: "" });
    else to.setCustomValidity("the end is not after the start"), to.reportValidity();
  };
  return [field("From", from), field("To", to), el("button", { type: "button", id: "show", onclick: show }, "Show")];
}

function choice({ name, label, options: values, chosen: now, several, kind, problem }, change) {
  const set = (next) => change({ choice: [name, next] });
  if (kind === "textbox") {
    return field(label, el("input", { type: "search", id: `var-${name}`, value: now[0] ?? "", spellcheck: "false", onchange: (event) => set([event.target.value || "*"]) }));
  }
  const shown = [...values, ...now.filter((value) => !values.includes(value))];
  const text = (value) => (value === ALL ? "All" : value);
  if (!several || shown.length < 3) {
    return field(label, el("select", { id: `var-${name}`, title: problem, onchange: (event) => set([event.target.value]) },
      ...shown.map((value) => option(value, text(value), now.includes(value)))));
  }
  return severalOf(name, label, shown, now, text, set);
}

// Several at once: check boxes under a summary; none left means all.
function severalOf(name, label, values, now, text, set) {
  const boxes = values.filter((value) => value !== ALL).map((value) => el("label", {},
    el("input", { type: "checkbox", value, checked: now.includes(value) }), value));
  const list = el("div", { class: "choices" }, ...boxes);
  list.addEventListener("change", () => {
    const next = [...list.querySelectorAll("input:checked")].map(({ value }) => value);
    set(next.length > 0 ? next : [ALL]);
  });
  const details = el("details", { class: "several", id: `var-${name}` }, el("summary", {}, now.map(text).join(", ")), list);
  return field(label, details);
}

function field(label, control) {
  const name = control.matches("details") ? el("span", {}, label) : el("label", { for: control.id }, label);
  return el("div", { class: "control" }, name, control);
}

function options(names, chosenNow) {
  return Object.entries(names).map(([value, text]) => option(value, text, value === chosenNow));
}

function option(value, text, selected) {
  return el("option", { value, selected }, text);
}
