// How a series is to be shown: the panel's defaults and the overrides that fit it.

import { named, nth, nthDash, stepAt } from "./colours.js";
import { format } from "./units.js";

export function fieldOf(panel, series, index = 0) {
  const defaults = panel.fieldConfig?.defaults ?? {};
  const field = { ...structuredClone(defaults), custom: { ...(defaults.custom ?? {}) }, index, name: series.name };
  for (const { matcher, properties } of panel.fieldConfig?.overrides ?? []) {
    if (!fits(matcher, series)) continue;
    for (const { id, value } of properties) {
      if (id.startsWith("custom.")) field.custom[id.slice(7)] = value;
      else field[id] = value;
    }
  }
  if (field.displayName) field.name = renamed(field.displayName, series);
  return field;
}

function fits({ id, options }, series) {
  if (id === "byName") return series.name === options;
  if (id === "byNames") return (options?.names ?? []).includes(series.name);
  if (id === "byFrameRefID") return series.ref === options;
  if (id === "byRegexp") return regex(options).test(series.name);
  return false;
}

function regex(text) {
  const parts = /^\/(.*)\/([a-z]*)$/s.exec(text);
  return parts ? new RegExp(parts[1], parts[2].replace("g", "")) : new RegExp(text);
}

function renamed(template, series) {
  return template.replace(/\$\{__field\.labels\.(\w+)\}/g, (_, label) => series.labels?.[label] ?? "")
    .replace(/\$\{__(?:series|field)\.(?:name|displayName)\}/g, series.name);
}

// The colour of a series: fixed by the file, that of its threshold, else its place in the palette.
export function colourOf(field, value = null) {
  const mode = field.color?.mode;
  if (mode === "fixed" || mode === "shades") return named(field.color.fixedColor);
  if (mode === "thresholds" && value !== null) return named(stepAt(field.thresholds, value, field)?.color);
  return nth(field.index);
}

export function dashOf(field) {
  const style = field.custom.lineStyle;
  if (style?.fill === "dash") return style.dash ?? [8, 4];
  return field.color?.mode === "fixed" ? [] : nthDash(field.index);
}

// A value in words: the text of its mapping, else number and unit; `colour` where a mapping names one.
export function shown(field, value) {
  for (const mapping of field.mappings ?? []) {
    const found = mapped(mapping, value);
    if (found) return { text: found.text ?? format(value, field.unit, field.decimals), colour: found.color && named(found.color) };
  }
  if (value === null || value === undefined) return { text: field.noValue ?? "no data", colour: null };
  if (typeof value === "string") return { text: value, colour: null };
  return { text: format(value, field.unit, field.decimals), colour: null };
}

function mapped({ type, options }, value) {
  if (type === "value") return options[String(value)];
  if (type === "range" && value !== null) {
    return value >= (options.from ?? -Infinity) && value <= (options.to ?? Infinity) ? options.result : null;
  }
  if (type === "special" && (value === null || value === undefined)) {
    return /null/.test(options.match) ? options.result : null;
  }
  return null;
}
