// Numbers as people read them, by Grafana's names of units.

const THOUSANDS = [[1, ""], [1e3, " k"], [1e6, " M"], [1e9, " G"], [1e12, " T"]];
const KIBI = [[1, " B"], [1024, " KiB"], [1024 ** 2, " MiB"], [1024 ** 3, " GiB"], [1024 ** 4, " TiB"]];
const KILO = [[1, " B"], [1e3, " kB"], [1e6, " MB"], [1e9, " GB"], [1e12, " TB"]];
const BITS = [[1, " bit"], [1e3, " kbit"], [1e6, " Mbit"], [1e9, " Gbit"]];
const SECONDS = [[1e-9, " ns"], [1e-6, " µs"], [1e-3, " ms"], [1, " s"], [60, " min"], [3600, " h"], [86400, " d"]];

const SCALES = {
  none: [[1, ""]],
  short: THOUSANDS,
  percent: [[1, " %"]],
  percentunit: [[0.01, " %"]],
  bytes: KIBI,
  decbytes: KILO,
  bits: BITS,
  decbits: BITS,
  binBps: ending(KIBI, "/s"),
  Bps: ending(KILO, "/s"),
  bps: ending(BITS, "/s"),
  s: SECONDS,
  ms: times(SECONDS, 1e3),
  "µs": times(SECONDS, 1e6),
  us: times(SECONDS, 1e6),
  ns: times(SECONDS, 1e9),
  m: times(SECONDS, 1 / 60),
  h: times(SECONDS, 1 / 3600),
  d: times(SECONDS, 1 / 86400),
  hertz: [[1, " Hz"], [1e3, " kHz"], [1e6, " MHz"]],
};
const RATES = { reqps: " req/s", rps: " /s", ops: " ops/s", opsps: " ops/s", cps: " /s", rowsps: " rows/s", mps: " msg/s",
  wps: " writes/s", iops: " io/s", eps: " events/s", pps: " packets/s", recps: " rec/s", msgps: " msg/s", logsps: " /s" };
for (const [name, text] of Object.entries(RATES)) SCALES[name] = ending(THOUSANDS, text);

function ending(scale, text) {
  return scale.map(([factor, suffix]) => [factor, suffix + text]);
}

function times(scale, by) {
  return scale.map(([factor, suffix]) => [factor * by, suffix]);
}

function scaleOf(unit) {
  if (SCALES[unit]) return SCALES[unit];
  if (unit.startsWith("suffix:")) return ending(THOUSANDS, ` ${unit.slice(7).trim()}`);
  return unit ? ending(THOUSANDS, ` ${unit}`) : THOUSANDS;
}

const POWERS_OF_TWO = Array.from({ length: 54 }, (_, n) => 2 ** n);
const ONE_TWO_FIVE = [-9, -8, -7, -6, -5, -4, -3, -2, -1, 0].flatMap((n) => [1, 2, 5].map((d) => Number(`${d}e${n}`)));
const CLOCK = [...ONE_TWO_FIVE, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 604800];

// The steps that an axis may have where those of ten would be odd, else null.
export function steps(unit) {
  if (unit === "bytes" || unit === "binBps") return POWERS_OF_TWO;
  return unit === "s" ? CLOCK : null;
}

// A function from number to text in the one multiple that suits `size`; `step` (an axis') says which digits matter.
export function formatter(unit = "short", decimals = null, size = 0, step = 0) {
  const scale = scaleOf(unit || "short");
  const one = scale.find(([factor]) => factor === 1) ?? scale[0];
  let [factor, suffix] = size > 0 ? scale[0] : one;
  for (const [next, text] of scale) if (size >= next * 0.99999) [factor, suffix] = [next, text];
  return (value) => {
    if (value === 0) return `0${size === 0 || scale[0] === one ? one[1] : suffix}`; // not "0 k"
    return digits(value / factor, decimals, step / factor) + suffix;
  };
}

export function format(value, unit, decimals = null) {
  if (value === null || value === undefined) return "–";
  return formatter(unit, decimals, Math.abs(value))(value);
}

const PLACES = [0, 1, 2, 3, 4, 5];
const whole = (number) => Math.abs(number - Math.round(number)) < 1e-6 * Math.max(1, number) && Math.round(number) > 0;

function digits(value, decimals, step) {
  if (decimals !== null && decimals !== undefined) return value.toFixed(Math.min(decimals, 12));
  if (step > 0) return value.toFixed(PLACES.find((places) => whole(step * 10 ** places)) ?? 6);
  const size = Math.abs(value);
  const places = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : Math.min(6, 2 - Math.floor(Math.log10(size)));
  return value.toFixed(places).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}
