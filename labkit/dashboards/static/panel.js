// A panel's frame: title, what it is about, and in its body a drawing or the words that say why there is none.

import { el } from "./dom.js";
import { minute } from "./clock.js";
import { Bars } from "./panels/bars.js";
import { Gauge } from "./panels/gauge.js";
import { Heatmap } from "./panels/heatmap.js";
import { Logs } from "./panels/logs.js";
import { Stat } from "./panels/stat.js";
import { Table } from "./panels/table.js";
import { Timeseries } from "./panels/timeseries.js";

const KINDS = { timeseries: Timeseries, stat: Stat, gauge: Gauge, bargauge: Bars, barchart: Bars, table: Table, heatmap: Heatmap, logs: Logs };

export class Panel {
  constructor(facts, { onZoom, linked }) {
    Object.assign(this, { facts, onZoom, drawing: null, answer: null });
    const title = `panel-${facts.id}`;
    this.body = el("div", { class: "body" }, el("p", { class: "message" }, "…"));
    this.about = el("div", { class: "about", id: `${title}-about`, hidden: true });
    this.place = el("section", { class: `panel ${facts.type}`, "aria-labelledby": title, "data-panel": facts.id, "data-state": "loading" },
      el("header", {}, el("h3", { id: title }, facts.title ?? ""), ...(facts.links ?? []).map((one) => linked(one)), this.#button(title)),
      this.about, this.body);
    const { x = 0, y = 0, w = 24, h = 8 } = facts.gridPos ?? {};
    for (const [name, value] of Object.entries({ x: x + 1, y: y + 1, w, h })) this.place.style.setProperty(`--${name}`, value);
    if (!(facts.type in KINDS)) this.#say("unknown", `panels of type “${facts.type}” are not drawn here; Grafana draws them`);
  }

  get known() {
    return this.facts.type in KINDS;
  }

  // How many points a line has room for.
  get points() {
    return Math.max(50, Math.round(this.body.clientWidth) || 400);
  }

  show(answer, happened, span) {
    this.answer = answer;
    this.#describe();
    const empty = answer.logs.length === 0 && answer.series.every(({ values }) => values.every((value) => value === null));
    if (empty && answer.problems.length > 0) return this.#say("failed", ...answer.problems);
    if (empty && this.facts.fieldConfig?.defaults?.noValue && ["stat", "gauge"].includes(this.facts.type)) {
      answer.series = [{ ref: "A", name: "", labels: {}, values: [null] }];
    } else if (empty) {
      return this.#say("empty", `no data from ${minute(span.start)} to ${minute(span.end)}`);
    }
    if (this.drawing === null) {
      this.body.replaceChildren();
      this.drawing = new KINDS[this.facts.type](this.facts, this.body, this.onZoom);
    }
    try {
      this.drawing.draw(answer, happened, span);
    } catch (error) {
      this.#say("failed", `this panel cannot be drawn: ${error.message}; next: correct the panel in its file`);
      console.error(error);
      return undefined;
    }
    this.place.dataset.state = "drawn";
    this.place.toggleAttribute("data-partly", answer.problems.length > 0);
    return undefined;
  }

  fail(text) {
    this.#say("failed", text);
  }

  // After the colours have changed: all is drawn anew.
  forget() {
    this.drawing?.close();
    this.drawing = null;
  }

  #say(state, ...lines) {
    this.forget();
    this.body.className = "body";
    this.body.replaceChildren(...lines.map((line) => el("p", { class: "message" }, line)));
    this.place.dataset.state = state;
  }

  #button(title) {
    const press = () => {
      this.about.hidden = !this.about.hidden;
      button.setAttribute("aria-expanded", String(!this.about.hidden));
    };
    const button = el("button", { type: "button", class: "what", "aria-expanded": "false", "aria-controls": `${title}-about`,
      "aria-label": `about ${this.facts.title}`, title: this.facts.description, onclick: press }, "?");
    this.about.addEventListener("keydown", ({ key }) => key === "Escape" && press());
    return button;
  }

  #describe() {
    const { problems = [], queries = [] } = this.answer ?? {};
    this.about.replaceChildren(
      ...problems.map((text) => el("p", { class: "problem" }, text)),
      el("p", {}, this.facts.description ?? "no description"),
      ...queries.map((query) => el("code", {}, query)));
  }
}
