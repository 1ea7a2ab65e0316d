// One dashboard: its panels in their places, asked for together when they are in sight and the time has come.

import { ask } from "./ask.js";
import { link, question } from "./address.js";
import { el } from "./dom.js";
import { Panel } from "./panel.js";

const SOON = 60; // milliseconds: panels that come into sight together are asked for together

export class Board {
  constructor(uid, model, { getView, onZoom, onTime, onTrouble }) {
    Object.assign(this, { uid, model, getView, onTime, onTrouble, sight: new Set(), fresh: new Set(), timer: null, soon: null, running: null });
    this.panels = new Map();
    this.places = [];
    for (const facts of flat(model.panels ?? [])) this.#add(facts, onZoom);
    this.watcher = new IntersectionObserver((changes) => this.#seen(changes), { rootMargin: "300px" });
    for (const panel of this.panels.values()) this.watcher.observe(panel.place);
    document.addEventListener("visibilitychange", () => document.hidden || this.#late());
  }

  fill(grid) {
    grid.replaceChildren(...this.places);
  }

  // Everything in sight is out of date: another time, another choice, or the next refresh.
  async refresh() {
    this.fresh.clear();
    await this.#load();
    this.#plan();
  }

  redraw() {
    for (const panel of this.panels.values()) panel.forget();
    this.refresh();
  }

  #add(facts, onZoom) {
    if (facts.type === "row") {
      const row = el("h2", { class: "row" }, facts.title ?? "");
      row.style.setProperty("--y", (facts.gridPos?.y ?? 0) + 1);
      this.places.push(row);
      return;
    }
    const panel = new Panel(facts, { onZoom, linked: (one) => this.#link(one) });
    this.panels.set(facts.id, panel);
    this.places.push(panel.place);
  }

  // Grafana's links to another dashboard; others are left out, these pages know no other host.
  #link({ title, url = "" }) {
    const other = /^\/d\/([\w-]+)/.exec(url)?.[1];
    if (!other) return null;
    const follow = el("a", { class: "open", href: link(other, this.getView()), title: title || other }, "↗");
    follow.setAttribute("aria-label", title || `Open ${other}`);
    follow.addEventListener("click", () => follow.setAttribute("href", link(other, this.getView())));
    return follow;
  }

  #seen(changes) {
    for (const { target, isIntersecting } of changes) {
      const id = Number(target.dataset.panel);
      if (isIntersecting) this.sight.add(id);
      else this.sight.delete(id);
    }
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.#load(), SOON);
  }

  async #load() {
    const wanted = [...this.sight].filter((id) => !this.fresh.has(id) && this.panels.get(id).known);
    if (wanted.length === 0) return;
    this.running?.abort();
    const running = (this.running = new AbortController());
    const asked = question(this.getView());
    asked.set("panels", wanted.map((id) => `${id}:${this.panels.get(id).points}`).join(","));
    try {
      const { panels, runs, moments, start, end } = await ask(`/api/dashboards/${this.uid}/data?${asked}`, running.signal);
      this.onTrouble("");
      this.onTime({ start, end });
      for (const answer of panels) {
        this.fresh.add(answer.panel);
        this.panels.get(answer.panel).show(answer, { runs, moments }, { start, end });
      }
    } catch (error) {
      if (!running.signal.aborted) this.onTrouble(error.message);
    } finally {
      if (this.running === running) this.running = null;
    }
  }

  // The next refresh is planned when the last one has ended: a slow server is not asked faster than it answers.
  #plan() {
    clearTimeout(this.timer);
    const seconds = Number.parseInt(this.getView().refresh, 10);
    if (seconds > 0) this.timer = setTimeout(() => (document.hidden ? null : this.refresh()), seconds * 1000);
  }

  #late() {
    if (this.getView().refresh) this.refresh();
  }
}

function flat(panels) {
  const ordered = panels.flatMap((panel) => [panel, ...flat(panel.panels ?? [])]);
  return ordered.toSorted((a, b) => (a.gridPos?.y ?? 0) - (b.gridPos?.y ?? 0) || (a.gridPos?.x ?? 0) - (b.gridPos?.x ?? 0));
}
