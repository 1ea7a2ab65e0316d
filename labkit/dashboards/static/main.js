// The page: which dashboard, its controls, its panels.

import { link, question, remember, uid, view } from "./address.js";
import { ask } from "./ask.js";
import { Board } from "./board.js";
import { el } from "./dom.js";
import { controls } from "./toolbar.js";

const part = (id) => document.getElementById(id);

async function start() {
  const { dashboards } = await ask("/api/dashboards");
  const wanted = uid();
  if (!wanted) {
    location.replace(`/d/${encodeURIComponent(dashboards[0].uid)}`);
    return;
  }
  navigation(dashboards, wanted, { from: "now-15m", to: "now", refresh: "5s" });
  const model = await ask(`/api/dashboards/${encodeURIComponent(wanted)}`);
  document.title = `${model.title} – lab`;
  part("title").textContent = model.title;
  part("about").textContent = model.description ?? "";
  show(wanted, model, dashboards);
}

function show(wanted, model, dashboards) {
  let now = view(model);
  let span = null;
  let variables = [];
  const board = new Board(wanted, model, {
    getView: () => now,
    onZoom: (from, to) => change({ from: String(Math.round(from * 1000)), to: String(Math.round(to * 1000)), refresh: "" }),
    onTime: (time) => {
      const first = span === null;
      span = time;
      if (first) bar();
    },
    onTrouble: trouble,
  });
  const bar = () => {
    controls(part("controls"), now, variables, span ?? { start: Date.now() / 1000 - 900, end: Date.now() / 1000 }, change);
    navigation(dashboards, wanted, now);
  };
  const change = ({ choice, ...others }) => {
    now = { ...now, ...others, choices: new Map(now.choices) };
    if (choice) now.choices.set(...choice);
    remember(now);
    if (others.from) span = null;
    again();
  };
  const again = async () => {
    bar();
    await Promise.all([board.refresh(), choose()]);
  };
  const choose = async () => {
    if (!model.templating?.list?.length) return;
    try {
      ({ variables } = await ask(`/api/dashboards/${encodeURIComponent(wanted)}/variables?${question(now)}`));
      bar();
    } catch (error) {
      trouble(error.message);
    }
  };
  addEventListener("popstate", () => {
    now = view(model);
    span = null;
    again();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => board.redraw());
  board.fill(part("grid"));
  again();
}

function navigation(dashboards, wanted, now) {
  part("dashboards").replaceChildren(...dashboards.map(({ uid: other, title, description }) =>
    el("a", { href: link(other, now), title: description, "aria-current": other === wanted ? "page" : undefined }, title)));
  const current = part("dashboards").querySelector("[aria-current]");
  if (current) part("dashboards").scrollLeft = current.offsetLeft - 60; // on a phone not all have room
}

function trouble(text) {
  part("trouble").hidden = !text;
  if (part("trouble").textContent !== text) part("trouble").textContent = text;
}

start().catch((error) => trouble(error.message));
