// Colours by meaning, from the style sheet, so that dark and light are in one place; told apart by colour-blind readers.

const SERIES = 7;
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3]];
const NAMES = ["green", "orange", "red", "blue", "purple", "yellow"];

export function paint(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// A colour of Grafana's ("dark-red", "#fff", "text") as ours.
export function named(colour) {
  if (!colour || colour === "text") return paint("ink");
  if (colour === "transparent") return "transparent";
  if (colour.startsWith("#") || colour.startsWith("rgb")) return colour;
  const hue = NAMES.find((name) => colour === name || colour.endsWith(`-${name}`));
  return paint(hue ? `c-${hue}` : "soft");
}

export function nth(index) {
  return paint(`s-${index % SERIES}`);
}

export function nthDash(index) {
  return DASHES[Math.floor(index / SERIES) % DASHES.length];
}

// The step that holds at a value: {value, color}; the first step's value is null.
export function stepAt(thresholds, value, field) {
  const steps = thresholds?.steps ?? [];
  let at = value;
  if (thresholds?.mode === "percentage") {
    const [least, most] = [field.min ?? 0, field.max ?? 100];
    at = ((value - least) / (most - least)) * 100;
  }
  return steps.findLast((step) => step.value === null || step.value === undefined || at >= step.value) ?? null;
}

export function faded(colour, share) {
  const [r, g, b] = rgb(colour);
  return `rgba(${r}, ${g}, ${b}, ${share})`;
}

// A mixture of two colours, share 0 to 1 of the second.
export function mixed(from, to, share) {
  const [a, b] = [rgb(from), rgb(to)];
  const [red, green, blue] = a.map((part, n) => Math.round(part + (b[n] - part) * share));
  return `rgb(${red}, ${green}, ${blue})`;
}

const seen = new Map();

function rgb(colour) {
  if (!seen.has(colour)) {
    const context = document.createElement("canvas").getContext("2d");
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    seen.set(colour, [...context.getImageData(0, 0, 1, 1).data].slice(0, 3));
  }
  return seen.get(colour);
}
