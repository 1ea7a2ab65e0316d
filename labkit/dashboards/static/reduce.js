// Many values to one, by Grafana's names.

const CALCULATIONS = {
  lastNotNull: (there) => there.at(-1),
  firstNotNull: (there) => there[0],
  mean: (there) => there.reduce((sum, value) => sum + value, 0) / there.length,
  sum: (there) => there.reduce((sum, value) => sum + value, 0),
  max: (there) => there.reduce((most, value) => Math.max(most, value)),
  min: (there) => there.reduce((least, value) => Math.min(least, value)),
  range: (there) => CALCULATIONS.max(there) - CALCULATIONS.min(there),
  diff: (there) => there.at(-1) - there[0],
  count: (there) => there.length,
};
const TITLES = { lastNotNull: "last", firstNotNull: "first" };
const SAME = { last: "lastNotNull", first: "firstNotNull", total: "sum", delta: "diff" };

export function reduce(values, calculation = "lastNotNull") {
  const there = values.filter((value) => value !== null);
  if (there.length === 0) return null;
  const named = CALCULATIONS[SAME[calculation] ?? calculation] ?? CALCULATIONS.lastNotNull;
  return named(there);
}

export function heading(calculation) {
  const name = SAME[calculation] ?? calculation;
  return TITLES[name] ?? name;
}
