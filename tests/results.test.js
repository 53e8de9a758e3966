// The Results tab without a browser - scales, figures, rows and differences of the ladder - and the tab bar's address.
"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");

const WEB = "../cotdemo/ui/web";
const scale = import(`${WEB}/scale.js`);
const figures = import(`${WEB}/figures.js`);
const table = import(`${WEB}/rows.js`);
const finding = import(`${WEB}/findings.js`);
const tabs = import(`${WEB}/tabs.js`);

// Estimates of one kind beside "overall", the same by both rules but for `strict`.
const accuracy = (counting, strict = counting) => Object.fromEntries(
  [["geneval", counting], ["strict", strict]].map(([rule, value]) => [rule, { overall: [value, value - 0.1, value + 0.1], counting: [value, value - 0.1, value + 0.1], colors: [1, 1, 1] }]),
);
const row = (more = {}) => ({
  name: "parm", label: "PARM", model: "base", seed: "shipped", paths: 20, missing: "", paper: { overall: 0.67, counting: null },
  accuracy: accuracy(0.6, 0.5), images: 1, operations: null, seconds: 1, ...more,
});
const gain = (more = {}) => ({ label: "PARM - plain", of: "parm", minus: "plain", seed: "shipped", paper: { overall: 0.14 }, accuracy: accuracy(0.2), ...more });
const ladder = (more = {}) => ({ kinds: ["counting", "colors"], images: { counting: 20, colors: 10 }, rows: [row()], differences: [gain()], ...more });

test("linear and logarithmic scales go from end to end, also upwards", async () => {
  const { linear, logarithmic } = await scale;
  assert.deepEqual([0, 5, 10].map(linear([0, 10], [100, 0])), [100, 50, 0]);
  assert.deepEqual([1, 4, 16].map(logarithmic([1, 16], [0, 40])).map(Math.round), [0, 20, 40]);
  assert.equal(linear([3, 3], [10, 20])(3), 10); // one value has a place, not none
});

test("ticks are round numbers within the domain", async () => {
  const { ticks } = await scale;
  assert.deepEqual(ticks(0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(ticks(-0.1, 0.5), [0, 0.2, 0.4]);
  assert.deepEqual(ticks(0.4, 1), [0.4, 0.6, 0.8, 1]);
  assert.deepEqual(ticks(1, 18, 8), [5, 10, 15]);
});

test("on a logarithmic axis they are 1, 2, 5 and their tens", async () => {
  const { doublings } = await scale;
  assert.deepEqual(doublings(1, 32), [1, 2, 5, 10, 20]);
  assert.deepEqual(doublings(9.4, 600), [10, 20, 50, 100, 200, 500]);
});

test("a domain holds all values in whole steps", async () => {
  const { around } = await scale;
  assert.deepEqual(around([0.53, 0.98], 0.1), [0.5, 1]);
  assert.deepEqual(around([-0.02, 0.31, 0], 0.1), [-0.1, 0.4]);
  assert.deepEqual(around([0, 0.3], 0.1), [0, 0.3]);
});

test("figures are written as the README writes them", async () => {
  const { share, difference, interval, reported, tickWords } = await figures;
  assert.deepEqual([0, 0.8883, 1, -0.012].map(share), [".000", ".888", "1.000", "−.012"]);
  assert.deepEqual([0.2934, -0.05, 0].map(difference), ["+.293", "−.050", "+.000"]);
  assert.equal(interval([0.5, 0.4, 0.61]), "[.400, .610]");
  assert.equal(interval([0.1, -0.1, 0.3], difference), "[−.100, +.300]");
  assert.deepEqual([reported(0.67), reported(0.14, true), reported(-0.03, true)], [".67", "+.14", "−.03"]);
  assert.deepEqual([-0.2, 0, 0.2, 1].map((value) => tickWords(value, true)), ["−.2", "0", "+.2", "+1"]);
});

test("operations are said in the unit that fits", async () => {
  const { operations, seconds, total } = await figures;
  assert.deepEqual([8.94e10, 4.2e9, 1.5e12, 300].map(operations), ["89 GFLOP", "4.2 GFLOP", "1.5 TFLOP", "0.0 MFLOP"]);
  assert.deepEqual([0.784, 12.04].map(seconds), ["0.78 s", "12.0 s"]);
  assert.equal(total({ generator: 1, decoder: 2, judge: 3 }), 6);
});

test("kinds have words, and one that is not known keeps its name", async () => {
  const { kindWords } = await figures;
  assert.deepEqual(["overall", "color_attr", "constructor"].map(kindWords), ["overall", "colour attribution", "constructor"]);
});

test("kind and rule choose a row's figure, the paper's and how many images are right", async () => {
  const { rowsOf: of } = await table;
  const [overall] = of(ladder(), "overall", "geneval");
  assert.deepEqual([overall.here[0], overall.reported, overall.right], [0.6, 0.67, [22, 30]]); // 12 of 20 and 10 of 10
  const [counting] = of(ladder(), "counting", "strict");
  assert.deepEqual([counting.here[0], counting.reported, counting.right], [0.5, null, [10, 20]]);
});

test("of several images a prompt all count, of two mixed numbers of paths none", async () => {
  const { rowsOf: of } = await table;
  assert.deepEqual(of(ladder({ rows: [row({ images: 4 })] }), "counting", "geneval")[0].right, [48, 80]);
  assert.equal(of(ladder({ rows: [row({ images: null })] }), "counting", "geneval")[0].right, null);
  assert.equal(of(ladder({ images: null }), "counting", "geneval")[0].right, null);
});

test("a missing row has no figure and says why", async () => {
  const { rowsOf: of } = await table;
  const [one] = of(ladder({ rows: [row({ missing: "not trained yet", accuracy: undefined })] }), "overall", "geneval");
  assert.deepEqual([one.here, one.right, one.missing, one.reported], [null, null, "not trained yet", 0.67]);
});

test("training seeds stand under the shipped row, and without it for themselves alone", async () => {
  const { rowsOf: of, gains } = await table;
  const other = row({ seed: "2", accuracy: accuracy(0.7) });
  const [both, ...more] = of(ladder({ rows: [row(), other] }), "counting", "geneval");
  assert.deepEqual([both.here[0], both.seeds.map(({ seed, here }) => [seed, here[0]]), more], [0.6, [["2", 0.7]], []]);
  const [alone] = of(ladder({ rows: [other] }), "counting", "geneval");
  assert.deepEqual([alone.here, alone.seeds.length], [null, 1]);
  const [difference] = gains(ladder({ differences: [gain({ seed: "2" })] }), "overall", "geneval");
  assert.deepEqual([difference.here, difference.seeds[0].seed, difference.reported], [null, "2", 0.14]);
});

test("rows of the same sort of generator stand together, in the order of the table", async () => {
  const { families } = await table;
  const rows = [["plain", "base"], ["parm", "base"], ["dpo", "dpo"], ["dpo-iter+parm", "dpo-iter"], ["parm++", "self-correct"], ["new", "other"]];
  const found = families(ladder({ rows: rows.map(([name, model]) => row({ name, model })) }), "overall", "geneval");
  assert.deepEqual(found.map((group) => group.rows.map(({ name }) => name)), [["plain", "parm"], ["dpo", "dpo-iter+parm"], ["parm++"], ["new"]]);
});

test("a difference is told from none where its interval leaves out 0", async () => {
  const { isTold } = await table;
  assert.deepEqual([[0.1, 0.01, 0.2], [-0.1, -0.2, -0.01], [0.1, -0.01, 0.2], [0, 0, 0]].map(isTold), [true, true, false, false]);
});

test("an address names a tab, or else the first is meant", async () => {
  const { tabOf } = await tabs;
  assert.deepEqual(["#results", "", "#other", "#<img src=x>"].map((hash) => tabOf(hash, ["run", "results"])), ["results", "run", "run", "run"]);
});

// A ladder of a plain generator that costs 10 GFLOP, and of rows by [gain, times its compute, more].
const measured = (rowsBy, more = {}) => ladder({
  rows: [
    row({ name: "plain", label: "Plain", method: "baseline", accuracy: accuracy(0.5), operations: { generator: 1e10 } }),
    ...Object.entries(rowsBy).map(([name, [gained, times, of]]) => row({
      name, label: name.toUpperCase(), method: "parm", accuracy: accuracy(0.5 + gained), operations: { generator: 1e10 * times },
      gain: { geneval: { overall: [gained, gained - 0.1, gained + 0.1] }, strict: { overall: [gained, gained - 0.1, gained + 0.1] } }, ...of,
    })),
  ],
  ...more,
});

test("points are of a hundred, with one digit where they are few", async () => {
  const { points } = await figures;
  assert.deepEqual([0.344, 0.0167, -0.0167, 0.0001, -0.0001, 0.0996].map((value) => points(value)), ["+34", "+1.7", "−1.7", "0", "0", "+10"]);
  assert.equal(points(0.04, 0), "+4");
});

test("what is worth its cost gains most for each plain image's compute, and the figures say so", async () => {
  const { findings } = await finding;
  const [{ question, verdict, because }] = findings(measured({ cheap: [0.3, 2], dear: [0.4, 20], control: [0.49, 1, { yardstick: true }] }), "overall", "geneval");
  assert.deepEqual([question, verdict], ["Which method is worth its cost?", "CHEAP."]);
  assert.equal(because, "It gains +30 points [+20, +40] over Plain for 2.0 times its compute: +15 points [+10, +20] for the compute of each plain image, more than any other of 2 methods here. The most right, DEAR, gains +40 points [+30, +50] for 20 times its compute.");
  const repainting = measured({ one: [0.3, 2] });
  repainting.rows.at(-1).label = "PARM++ on self-correcting, 1 path";
  assert.equal(findings(repainting, "overall", "geneval")[0].verdict, "PARM++ with the self-correcting generator, 1 attempt.");
  const [one] = findings(measured({ trained: [0.2, 1.01] }), "overall", "geneval");
  assert.match(one.because, /at no more compute when it paints.*None gains more, whatever it costs\.$/);
  const [none] = findings(measured({ idle: [0.05, 2] }), "overall", "geneval");
  assert.equal(none.verdict, "None.");
});

test("whether the paper's ladder holds is counted from the differences it reports", async () => {
  const { findings } = await finding;
  const differences = [gain(), gain({ label: "B - A", accuracy: accuracy(0.05) }), gain({ label: "C - A", accuracy: accuracy(-0.2) }), gain({ label: "D - A", paper: {} })];
  const [said] = findings(ladder({ differences }), "overall", "geneval");
  assert.equal(said.verdict, "Only in part: of its 3 steps up that are measured, 1 goes up here too.");
  assert.match(said.because, /^The largest, PARM − plain: \+20 points \[\+10, \+30\], in the paper \+14\. 1 is within chance: B − A\. 1 goes down: C − A\.$/);
  assert.deepEqual(findings(ladder({ differences }), "colors", "geneval"), []); // the paper says nothing of it
});

test("whether stopping pays goes by the rows that cost as much", async () => {
  const { findings } = await finding;
  const rows = [row(), row({ name: "orm-at", label: "ORM at the compute of PARM", method: "orm", as_costly_as: "parm" })];
  const said = (value) => findings(ladder({ rows, differences: [gain({ minus: "orm-at", paper: {}, accuracy: accuracy(value) })] }), "overall", "geneval")[0];
  assert.deepEqual([0.2, -0.2, 0.05].map((value) => said(value).verdict), ["Yes.", "No.", "Not known: the difference is within chance."]);
  assert.equal(said(0.05).because, "PARM against ORM +5.0 points [−5.0, +15].");
});

test("a ladder that holds none of that is no fault", async () => {
  const { findings } = await finding;
  assert.deepEqual(findings(ladder({ rows: [], differences: [] }), "overall", "geneval"), []);
  assert.deepEqual(findings(ladder({ rows: [row({ missing: "not trained yet", accuracy: undefined })], differences: [] }), "overall", "geneval"), []);
});

test("the rows that none beats for as little compute are joined, and yardsticks are left out", async () => {
  const { costly, frontier } = await import(`${WEB}/costs.js`);
  const { rowsOf: of } = await table;
  const all = costly(of(measured({ cheap: [0.3, 2], worse: [0.2, 3], dear: [0.4, 20], control: [0.49, 1, { yardstick: true }] }), "overall", "geneval"));
  assert.deepEqual(all.map(({ at, x }) => [at, x]), [["plain", 10], ["cheap", 20], ["worse", 30], ["dear", 200]]);
  assert.deepEqual(frontier(all).map(({ at }) => at), ["plain", "cheap", "dear"]);
});

test("the paper's story stands at the top; without its rows, the first that the paper has", async () => {
  const { story } = await table;
  const rows = [row({ name: "a", story: true }), row({ name: "b" }), row({ name: "c", paper: {}, story: false })];
  assert.deepEqual(story(ladder({ rows }), "overall", "geneval").map(({ name }) => name), ["a"]);
  assert.deepEqual(story(ladder({ rows: rows.slice(1) }), "overall", "geneval").map(({ name }) => name), ["b"]);
});

test("a label beside a point stands on no other label and no other point, or not at all", async () => {
  const { placeLabels } = await import("../cotdemo/ui/web/plot.js");
  const mark = (left, top) => ({ left, top, from: top - 5, to: top + 5 });
  const named = (left, top, words) => ({ left, top, words });
  const alone = placeLabels([named(200, 100, "ten letters")], [mark(200, 100)], [40, 400]);
  assert.deepEqual(alone.map(({ anchor, x, y }) => [anchor, x, y]), [["end", 192, 92]]);
  const beside = placeLabels([named(200, 100, "ten letters")], [mark(200, 100), mark(160, 90)], [40, 400]);
  assert.deepEqual(beside.map(({ anchor, x, y }) => [anchor, x, y]), [["start", 210, 116]]);
  const around = [-30, 0, 30].flatMap((dx) => [-20, 0, 20].map((dy) => mark(200 + dx, 100 + dy)));
  assert.deepEqual(placeLabels([named(200, 100, "ten letters")], around, [40, 400]), []);
  const [, second] = placeLabels([named(200, 100, "first"), named(202, 100, "second")], [mark(200, 100)], [40, 400]);
  assert.equal(second.anchor, "start");
  assert.deepEqual(placeLabels([named(60, 100, "a label too long for the room")], [], [40, 100]), []);
});

test("a pointer anywhere in a chart means the nearest column, and the nearest point in it", async () => {
  const { nearestPoint } = await import(`${WEB}/plot.js`);
  const point = (name, x, left, top, at = x) => ({ name, at, x, left, top });
  const columns = [point("orm", 1, 100, 20), point("parm", 1, 100, 80), point("orm", 2, 200, 20), point("parm", 2, 200, 90)];
  assert.equal(nearestPoint(columns, { left: 149, top: 300 }), columns[1]); // far below, and nearer to the other in the plane
  assert.equal(nearestPoint(columns, { left: 400, top: 0 }), columns[2]);
  const scattered = [point("orm", 1.5, 100, 20, 1), point("parm", 1.6, 104, 200, 1)];
  assert.equal(nearestPoint(scattered, { left: 104, top: 30 }), scattered[0]);
  assert.equal(nearestPoint([], { left: 1, top: 1 }), null);
});

test("bins with answers are points, hollow where they are few, and how far they are off is told", async () => {
  const { pointsOf, error } = await import(`${WEB}/calibration.js`);
  const bin = (from, count, stated, right) => ({ from, count, stated, right: { geneval: right, strict: right } });
  const bins = [bin(0, 90, 0.05, 0), bin(0.1, 0, null, null), bin(0.9, 10, 0.95, 0.45)];
  assert.deepEqual(pointsOf(bins, "strict"), [{ at: 0, x: 0.05, y: 0, of: 90, few: false }, { at: 0.9, x: 0.95, y: 0.45, of: 10, few: true }]);
  assert.ok(Math.abs(error(bins, "geneval") - 0.095) < 1e-9);
  assert.equal(error([bin(0, 0, null, null)], "strict"), 0);
});
