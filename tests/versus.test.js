// Another run beside the one on show: what is read from its file, and what is told of it.
"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");
const { join } = require("node:path");

const versus = import("../cotdemo/ui/web/versus.js");
const reducer = import("../cotdemo/ui/web/reducer.js");
const file = readFileSync(join(__dirname, "../assets/runs/2-one-left.json"), "utf8");
const labels = {
  most: { paths: 32, steps: 50, round: 12, side: 64, events: 20000, requirements: 16 },
  methods: { parm: { label: "PARM" } },
  settings: [{ name: "paths", said: "{} attempt(s)", options: {}, usual: null }, { name: "seed", said: "seed {}", options: {}, usual: null }],
};
const altered = (change) => {
  const content = JSON.parse(file);
  change(content);
  return JSON.stringify(content);
};

test("a trace file comes to the state of its run", async () => {
  const { traceOf } = await versus;
  const { answerOf, answerRound } = await reducer;
  const state = traceOf(file, labels);
  assert.equal(state.phase, "finished");
  assert.equal(answerOf(answerRound(state)).path, JSON.parse(file).events.find(({ type }) => type === "Winner").path);
});

test("what is no trace, and one that cannot be shown, are refused in words", async () => {
  const { traceOf } = await versus;
  for (const text of ["", "{", "[]", "null", "{}", '{"format": "cotdemo-trace"}', '{"format": "other", "events": []}']) {
    assert.throws(() => traceOf(text, labels), /not a trace of this app/);
  }
  const winner = ({ events }) => events.find(({ type }) => type === "Winner");
  const step = ({ events }) => events.find(({ type }) => type === "StepDecoded");
  const judged = ({ events }) => events.find(({ type }) => type === "Judged");
  const present = ({ events }, p_yes, requirements = []) => {
    Object.assign(events[0], { requirements });
    events.push({ type: "Present", round: 0, path: 0, step: 0, p_yes });
  };
  const faults = [
    (trace) => { trace.events = []; },
    (trace) => { trace.events.shift(); },
    (trace) => { trace.events = trace.events.filter(({ type }) => type !== "Winner"); },
    (trace) => { trace.events.push(null); },
    (trace) => { trace.events[0].paths = 1e9; },
    (trace) => { trace.events[0].steps = "18"; },
    (trace) => { trace.events[0].grid = [8]; },
    (trace) => { trace.events[0].grid = [1e6, 1e6]; },
    (trace) => { trace.events[0].prompt = 7; },
    (trace) => { trace.events[1].round = 1e9; },
    (trace) => { winner(trace).path = 99; },
    (trace) => { winner(trace).path = -1; },
    (trace) => { step(trace).step = 1.5; },
    (trace) => { step(trace).codes = "%%%"; },
    (trace) => { judged(trace).p_yes = "much"; },
    (trace) => { judged(trace).p_yes = 2; },
    (trace) => { judged(trace).answer = "perhaps"; },
    (trace) => { trace.events[0].requirements = "a dog"; },
    (trace) => { trace.events[0].requirements = [7]; },
    (trace) => { trace.events[0].requirements = Array(17).fill("a dog"); },
    (trace) => { present(trace, [0.5]); },
    (trace) => { present(trace, 0.5, ["a dog"]); },
    (trace) => { present(trace, [2], ["a dog"]); },
    (trace) => { present(trace, ["much"], ["a dog"]); },
  ];
  for (const fault of faults) assert.throws(() => traceOf(altered(fault), labels), /is damaged/, String(fault));
});

test("of both runs the same is told: what was asked, what became of the attempt, the answer, the cost", async () => {
  const { comparison, traceOf } = await versus;
  const state = traceOf(file, labels);
  const [round] = state.rounds;
  const chosen = round.winner.path;
  const stopped = round.paths.find((path) => path.pruned);
  const told = Object.fromEntries(comparison(state, round, round.paths[chosen], labels));
  assert.deepEqual(Object.keys(told), ["Prompt", "Asked", `Attempt ${chosen + 1}`, "Answer", "Checker", "Cost"]);
  assert.equal(told.Prompt, "“a photo of two dogs”");
  assert.match(told.Asked, /^PARM · 4 attempts/);
  assert.match(told[`Attempt ${chosen + 1}`], /^chosen: matches/);
  assert.match(told.Answer, new RegExp(`^Attempt ${chosen + 1} of 4 is chosen`));
  assert.match(told.Cost, /steps painted, \d+ saved by stopping early/);
  const other = Object.fromEntries(comparison(state, round, stopped, labels));
  assert.match(other[`Attempt ${stopped.path + 1}`], new RegExp(`^stopped at step ${stopped.pruned.step + 1}`));
  assert.equal(other.Checker, "–");
  const seen = { ...stopped, checked: { correct: true, strict: true, reason: "", by: "a detector" } };
  assert.equal(Object.fromEntries(comparison(state, round, seen, labels)).Checker, "right (a detector)");
});
