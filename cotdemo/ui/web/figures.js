// Measured figures as text: ".888 [.863, .913]", "+.293", "533 of 600".

// Three figures, as 600 images cannot tell more; "1.000", ".888", "−.012".
export function share(value) {
  return `${value < 0 ? "−" : ""}${bare(Math.abs(value).toFixed(3))}`;
}

export function difference(value) {
  return `${value < 0 ? "−" : "+"}${bare(Math.abs(value).toFixed(3))}`;
}

// A difference of shares in points of a hundred: "+34", "−1.7", "0"; below ten with `after` digits after the point.
export function points(value, after = 1) {
  const size = 100 * Math.abs(value);
  const digits = size.toFixed(size < 9.95 ? after : 0);
  return Number(digits) === 0 ? "0" : `${value < 0 ? "−" : "+"}${digits}`;
}

// The paper gives two figures.
export function reported(value, signed = false) {
  const sign = value < 0 ? "−" : signed ? "+" : "";
  return `${sign}${bare(Math.abs(value).toFixed(2))}`;
}

// `estimate` is [value, low, high].
export function interval([, low, high], words = share) {
  return `[${words(low)}, ${words(high)}]`;
}

// Of an axis: "0", ".2", "−.1", "1".
export function tickWords(value, signed = false) {
  const sign = value < 0 ? "−" : signed && value > 0 ? "+" : "";
  return `${sign}${value === 0 ? "0" : bare(String(Math.abs(value)))}`;
}

export function percent(value) {
  return `${Math.round(100 * value)}%`;
}

export function count(value) {
  return value.toLocaleString("en", { maximumFractionDigits: 0 });
}

// Operations, in the unit that leaves one to three digits before the point.
export function operations(value) {
  const units = [[1e12, "TFLOP"], [1e9, "GFLOP"], [1e6, "MFLOP"]];
  const [size, unit] = units.find(([least]) => value >= least) ?? units.at(-1);
  const scaled = value / size;
  return `${scaled.toFixed(scaled < 10 ? 1 : 0)} ${unit}`;
}

export function total(parts) {
  return Object.values(parts).reduce((sum, part) => sum + part, 0);
}

export function seconds(value) {
  return `${value.toFixed(value < 10 ? 2 : 1)} s`;
}

const KINDS = new Map([
  ["overall", "overall"], ["single_object", "single object"], ["two_object", "two objects"], ["counting", "counting"],
  ["colors", "colours"], ["position", "position"], ["color_attr", "colour attribution"],
]);

export function kindWords(kind) {
  return KINDS.get(kind) ?? kind;
}

export const RULES = new Map([["geneval", "GenEval"], ["strict", "strict"]]);

function bare(digits) {
  return digits.startsWith("0") ? digits.slice(1) : digits;
}
