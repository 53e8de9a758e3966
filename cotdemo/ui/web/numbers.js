// What charts show, as tables of numbers.

import { make } from "./dom.js";
import { RULES, interval, operations, share, total } from "./figures.js";
import { seriesOf } from "./series.js";

export function seriesTable(caption, corner, series, words) {
  const places = [...new Set(series.flatMap(({ points }) => points.map(({ at }) => at)))].sort((a, b) => a - b);
  const rows = places.map((at) => [String(at), ...series.map(({ points }) => points.find((point) => point.at === at)).map((point) => (point ? words(point.y) : "–"))]);
  return numbers(caption, [corner, ...series.map(({ name }) => seriesOf(name).label)], rows);
}

export function accuracyTable({ methods, oracle }, rule) {
  const words = (point) => (point ? `${share(point.accuracy[rule][0])} ${interval(point.accuracy[rule])}` : "–");
  const at = (points, paths) => points.find((point) => point.paths === paths);
  const rows = oracle.map(({ paths }) => [
    String(paths), words(at(oracle, paths)),
    ...methods.flatMap(({ points }) => [words(at(points, paths)), at(points, paths) ? operations(total(at(points, paths).operations)) : "–"]),
  ]);
  const columns = methods.flatMap(({ method }) => [seriesOf(method).label, "operations"]);
  return numbers(`Overall accuracy, ${RULES.get(rule)}, with 95% intervals, and operations a prompt`, ["paths", "oracle", ...columns], rows);
}

export function numbers(caption, heads, rows) {
  return make(
    "table", {},
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...heads.map((words) => make("th", { scope: "col" }, words)))),
    make("tbody", {}, ...rows.map(([first, ...rest]) => make("tr", {}, make("th", { scope: "row" }, first), ...rest.map((words) => make("td", {}, words))))),
  );
}
