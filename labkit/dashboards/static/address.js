// What the address says: which dashboard, which time, which choices; every view can be sent as a link.

export const RANGES = { "now-5m": "last 5 minutes", "now-15m": "last 15 minutes", "now-30m": "last 30 minutes", "now-1h": "last hour",
  "now-6h": "last 6 hours", "now-24h": "last 24 hours" };
export const REFRESH = { "": "off", "5s": "every 5 s", "10s": "every 10 s", "30s": "every 30 s" };

export function uid() {
  return decodeURIComponent(location.pathname.split("/")[2] ?? "");
}

// The view as the address has it, else as the dashboard's file says.
export function view(model) {
  const asked = new URLSearchParams(location.search);
  const choices = new Map();
  for (const [name, value] of asked) {
    if (name.startsWith("var-")) choices.set(name.slice(4), [...(choices.get(name.slice(4)) ?? []), value]);
  }
  const refresh = asked.get("refresh") ?? model.refresh ?? "";
  return {
    from: asked.get("from") ?? model.time?.from ?? "now-15m",
    to: asked.get("to") ?? model.time?.to ?? "now",
    refresh: refresh in REFRESH ? refresh : "",
    choices,
  };
}

// What is asked of the server: time and choices.
export function question({ from, to, choices }) {
  const asked = new URLSearchParams({ from, to });
  for (const [name, values] of choices) for (const value of values) asked.append(`var-${name}`, value);
  return asked;
}

export function remember(now) {
  const asked = question(now);
  asked.set("refresh", now.refresh);
  const address = `?${asked}`;
  if (address !== location.search) history.pushState(null, "", address); // going back always shows something else
}

// Another dashboard with the same time; choices are not the same everywhere.
export function link(other, { from, to, refresh }) {
  return `/d/${encodeURIComponent(other)}?${new URLSearchParams({ from, to, refresh })}`;
}
