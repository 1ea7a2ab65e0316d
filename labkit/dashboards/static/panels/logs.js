// Log records, the newest first; each opens to all that it says.

import { el } from "../dom.js";
import { exact, day } from "../clock.js";

const LEVELS = ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];

export class Logs {
  constructor(panel, body) {
    Object.assign(this, { panel, body, open: new Set() });
  }

  close() {}

  draw(answer) {
    const list = el("ol", { class: "records", tabindex: "0", "aria-label": this.panel.title },
      ...answer.logs.map((record) => this.#record(record)));
    const before = this.body.querySelector(".records")?.scrollTop ?? 0;
    this.body.replaceChildren(list);
    list.scrollTop = before;
  }

  #record(record) {
    const key = `${record.time} ${record.host} ${record.request_id ?? ""} ${record.message}`;
    const level = LEVELS[record.level] ?? String(record.level);
    const details = el("details", { open: this.open.has(key) },
      el("summary", {}, el("time", { title: day(record.time) }, exact(record.time)),
        el("span", { class: "level", "data-level": level }, level), el("span", { class: "host" }, record.host ?? ""),
        el("span", { class: "message" }, record.message ?? "")));
    const fill = () => {
      if (details.querySelector("dl")) return;
      const facts = Object.entries(record).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, name === "time" ? `${day(value)} ${exact(value)}` : typeof value === "object" ? JSON.stringify(value) : String(value))]);
      details.append(el("dl", {}, ...facts));
    };
    if (details.open) fill();
    details.addEventListener("toggle", () => {
      if (details.open) this.open.add(key);
      else this.open.delete(key);
      fill();
    });
    return el("li", {}, details);
  }
}
