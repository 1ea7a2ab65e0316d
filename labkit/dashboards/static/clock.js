// Times of day as the reader's own clock says them.

const two = (n) => String(n).padStart(2, "0");

export function day(seconds) {
  const at = new Date(seconds * 1000);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

export function minute(seconds) {
  const at = new Date(seconds * 1000);
  return `${two(at.getHours())}:${two(at.getMinutes())}`;
}

export function second(seconds) {
  return `${minute(seconds)}:${two(new Date(seconds * 1000).getSeconds())}`;
}

export function exact(seconds) {
  return `${second(seconds)}.${String(Math.floor((seconds * 1000) % 1000)).padStart(3, "0")}`;
}

// What the time axis says at its splits, `step` seconds apart.
export function ticks(splits, step) {
  return splits.map((at) => (step < 60 ? second(at) : step < 86400 ? minute(at) : day(at).slice(5)));
}

// For an input of type datetime-local.
export function local(seconds) {
  return `${day(seconds)}T${second(seconds)}`;
}
