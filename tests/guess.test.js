// Guess first, without a browser: who can be guessed, when, and how bets are scored.
"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");

const guess = import("../cotdemo/ui/web/guess.js");

const path = (number, more = {}) => ({ path: number, steps: [], wave: 0, pruned: null, outcome: { p_yes: 0.9 }, mean: null, checked: null, ...more });
const stopped = (number, step) => path(number, { pruned: { step }, outcome: null });
const round = (paths, winner = 1) => ({ paths, tokens: [], winner: { path: winner, p_yes: 0.9 } });
const state = (more = {}) => ({
  recorded: { name: "x" }, phase: "finished", started: { steps: 18 }, rounds: [round([stopped(0, 6), path(1), stopped(2, 9), path(3)])], ...more,
});

test("only a recorded run of several judged attempts can be guessed", async () => {
  const { canGuess } = await guess;
  assert.equal(canGuess(state()), true);
  assert.equal(canGuess(state({ recorded: null })), false);
  assert.equal(canGuess(state({ phase: "running" })), false);
  assert.equal(canGuess(state({ rounds: [round([path(0)], 0)] })), false);
  const plain = round([path(0, { outcome: null }), path(1, { outcome: null })], 0);
  assert.equal(canGuess(state({ rounds: [{ ...plain, winner: { path: 0, p_yes: null } }] })), false);
  assert.equal(canGuess(state({ rounds: [] })), false);
});

test("it is guessed at the step at which the judge first stops an attempt, and nothing of the end is seen", async () => {
  const { guessMoment } = await guess;
  assert.deepEqual(guessMoment(state()), { part: "guess", round: 0, step: 6, seen: { critiques: 0, repaintings: 0, verdict: false } });
  assert.equal(guessMoment(state({ rounds: [round([path(0), path(1)])] })).step, 8);
});

test("presses go through the bets, and one attempt wins at most", async () => {
  const { pressed } = await guess;
  const once = pressed(["on", "on", "on"], 1);
  assert.deepEqual(once, ["on", "stopped", "on"]);
  const twice = pressed(once, 1);
  assert.deepEqual(twice, ["on", "wins", "on"]);
  assert.deepEqual(pressed(pressed(twice, 0), 0), ["wins", "on", "on"]);
  assert.deepEqual(pressed(twice, 1), ["on", "on", "on"]);
});

test("the score says how far visitor and judge agree, and whom the checker sides with", async () => {
  const { scoreWords } = await guess;
  const [first] = state().rounds;
  assert.equal(scoreWords(first, ["stopped", "wins", "stopped", "on"]), "You agree with the judge on 4 of 4 attempts: 2 of the 2 that it stopped, and the winner.");
  assert.equal(scoreWords(first, ["stopped", "on", "on", "wins"]), "You agree with the judge on 1 of 4 attempts: 1 of the 2 that it stopped, but its winner is attempt 2.");
  const checked = round([path(0, { checked: { correct: true } }), path(1, { checked: { correct: false } })]);
  assert.equal(scoreWords(checked, ["wins", "on"]), "You agree with the judge on 0 of 2 attempts: it stopped none, but its winner is attempt 2. The checker calls your winner right, and the judge’s wrong.");
  const smeared = { correct: true, strict: false, reason: "something is malformed" };
  const both = round([path(0, { checked: smeared }), path(1, { checked: smeared })]);
  assert.match(scoreWords(both, ["wins", "on"]), /The checker calls your winner and the judge’s both right, though something is malformed\.$/);
  assert.match(scoreWords(checked, ["on", "wins"]), /and the winner\. The checker calls it wrong\.$/);
  assert.match(scoreWords(checked, ["on", "on"]), /The checker calls the judge’s wrong\.$/);
  const seen = round([path(0), path(1, { checked: { correct: false, by: "a detector" } })]);
  assert.match(scoreWords(seen, ["on", "wins"]), /and the winner\. A detector calls it wrong\.$/);
});

test("an attempt that was stopped and finished all the same, as none passed, is the winner", async () => {
  const { fates } = await guess;
  assert.deepEqual(fates(round([stopped(0, 6), stopped(1, 7)], 1)), ["stopped", "wins"]);
});
