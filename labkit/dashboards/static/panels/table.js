// A table: of what instant queries answer (a row for each combination of labels, a column for each question), or of
// log records (a row each).

import { colourOf, fieldOf, shown } from "../fields.js";
import { mixed, paint } from "../colours.js";
import { day, second } from "../clock.js";
import { el } from "../dom.js";
import { reduce } from "../reduce.js";

export class Table {
  constructor(panel, body) {
    Object.assign(this, { panel, body, sorted: null });
  }

  close() {}

  draw(answer) {
    this.answer = answer;
    const { columns, rows } = answer.logs.length > 0 ? this.#records(answer) : this.#content(answer);
    if (this.sorted === null) this.sorted = this.#firstSort(columns);
    if (this.sorted) rows.sort((a, b) => order(a[this.sorted.key], b[this.sorted.key]) * (this.sorted.falling ? -1 : 1));
    const head = el("tr", {}, ...columns.map((column) => this.#heading(column)));
    const lines = rows.map((row) => el("tr", {}, ...columns.map((column) => cell(this.panel, column, row[column.key]))));
    this.body.replaceChildren(el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": this.panel.title },
      el("table", {}, el("thead", {}, head), el("tbody", {}, ...lines))));
  }

  #heading(column) {
    const own = this.sorted?.key === column.key;
    const press = () => {
      this.sorted = { key: column.key, falling: own ? !this.sorted.falling : column.number };
      this.draw(this.answer);
    };
    return el("th", { scope: "col", class: column.number && "number", "aria-sort": own ? (this.sorted.falling ? "descending" : "ascending") : undefined },
      el("button", { type: "button", onclick: press }, column.name, own ? (this.sorted.falling ? " ▾" : " ▴") : ""));
  }

  #firstSort(columns) {
    const [by] = this.panel.options?.sortBy ?? this.#transformation("sortBy")?.sort?.map(({ field, desc }) => ({ displayName: field, desc })) ?? [];
    const column = by && columns.find(({ name }) => name === by.displayName);
    return column ? { key: column.key, falling: Boolean(by.desc) } : false;
  }

  #transformation(id) {
    return (this.panel.transformations ?? []).find((one) => one.id === id && !one.disabled)?.options;
  }

  #content({ series }) {
    const targets = new Set(series.map(({ ref }) => ref));
    const several = (this.panel.targets ?? []).length > 1;
    const rows = new Map();
    const labels = new Set();
    for (const one of series) {
      const own = Object.entries(one.labels).filter(([name]) => name !== "__name__");
      own.forEach(([name]) => labels.add(name));
      const key = JSON.stringify(own.toSorted());
      if (!rows.has(key)) rows.set(key, Object.fromEntries(own.map(([name, value]) => [`label:${name}`, value])));
      rows.get(key)[`value:${one.ref}`] = reduce(one.values);
    }
    const columns = [
      ...[...labels].map((name) => ({ key: `label:${name}`, name, number: false })),
      ...[...targets].toSorted().map((ref) => ({ key: `value:${ref}`, ref, name: several ? `Value #${ref}` : "Value", number: true })),
    ];
    return { columns: this.#organized(columns), rows: [...rows.values()] };
  }

  #records({ logs }) {
    const rows = logs.map(({ time, ...facts }) => ({ timestamp: time, ...facts }));
    const kinds = new Map(rows.flatMap((row) => Object.entries(row).map(([name, value]) => [name, typeof value === "number" && name !== "timestamp" && name !== "status"])));
    return { columns: this.#organized([...kinds].map(([name, number]) => ({ key: name, name, number }))), rows };
  }

  #organized(all) {
    const { names } = this.#transformation("filterFieldsByName")?.include ?? {};
    const columns = names ? all.filter(({ name }) => names.includes(name)) : all;
    const { excludeByName = {}, indexByName = {}, renameByName = {} } = this.#transformation("organize") ?? {};
    return columns
      .filter(({ name }) => !excludeByName[name])
      .toSorted((a, b) => (indexByName[a.name] ?? 1000) - (indexByName[b.name] ?? 1000))
      .map((column) => ({ ...column, name: renameByName[column.name] || column.name }));
  }
}

function cell(panel, column, value) {
  if (column.name === "timestamp") return el("td", { title: day(value) }, second(value));
  const field = fieldOf(panel, { name: column.name, ref: column.ref, labels: {} });
  if (!column.number) return el("td", {}, value === undefined || value === null ? "" : shown(field, String(value)).text);
  const said = value === undefined || value === null ? { text: field.noValue ?? "–" } : shown(field, value);
  const kind = field.custom.cellOptions?.type ?? "auto";
  const colour = kind.startsWith("color") && value != null ? said.colour ?? colourOf(field, value) : null;
  const style = !colour ? {} : kind === "color-text" ? { color: colour, "font-weight": "650" } : { background: mixed(paint("card"), colour, 0.35) };
  return el("td", { class: "number", style }, said.text);
}

function order(a, b) {
  if (a === b) return 0;
  if (a === undefined || a === null) return -1;
  if (b === undefined || b === null) return 1;
  return typeof a === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
}
