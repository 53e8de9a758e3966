// The reducer comes to the states that cotdemo/run/state.py comes to: the cases of data/run_states.json, which both read.
"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");

const reducer = import("../cotdemo/ui/web/reducer.js");
const read = (...place) => JSON.parse(fs.readFileSync(path.join(__dirname, ...place), "utf8"));
const cases = read("data", "run_states.json");

const QUESTIONS = ["clarity", "potential", "outcome"];
const digits = (value) => (value === null || value === undefined ? null : Number(value.toFixed(6)));
const said = ({ p_yes, p_no, answer }) => [digits(p_yes), digits(p_no), answer];
const pick = (object, ...names) => object && Object.fromEntries(names.map((name) => [name, object[name]]));

// A state as tests/run_states.py writes it.
function shown(state, { statusOf, answerRound, decidedAt, agreedOn, requirementsOf }) {
  const answer = answerRound(state);
  return {
    phase: state.phase, message: state.message, prompt: state.started?.prompt ?? null,
    finished: pick(state.finished, "round", "path", "seconds", "generator_passes", "judge_passes", "pictures_decoded", "passes_saved"),
    answer: answer && [answer.round, answer.winner.path],
    rounds: state.rounds.map((round) => ({
      round: round.round, model: round.model, critique: round.critique, tokens: round.tokens, before: round.before, prompt: round.prompt,
      criticised: pick(round.criticised, "text", "done"), agreed: agreedOn(round),
      winner: round.winner && { ...pick(round.winner, "path", "survivors", "fallback"), p_yes: digits(round.winner.p_yes) },
      paths: round.paths.map((one) => ({
        status: statusOf(round, one), path: one.path, wave: one.wave,
        pruned: one.pruned && [one.pruned.step, digits(one.pruned.p_no)],
        outcome: one.outcome && said(one.outcome), mean: digits(one.mean),
        checked: one.checked && [one.checked.correct, one.checked.strict, one.checked.reason],
        decided: requirementsOf(state).map((_, requirement) => decidedAt(one, requirement)),
        steps: one.steps.filter((step) => step.decoded).map((step) => ({
          step: step.step, masked: step.masked.reduce((sum, bit) => sum + bit, 0),
          ...Object.fromEntries(QUESTIONS.filter((question) => step.verdicts[question]).map((question) => [question, said(step.verdicts[question])])),
          ...(step.present ? { present: step.present.map(digits) } : {}),
        })),
      })),
    })),
  };
}

function eventsOf(one) {
  if (one.run) return read("..", "assets", "runs", one.run).events.slice(0, one.length);
  return (one.events ?? cases.find((other) => other.name === one.of).events).slice(0, one.length);
}

for (const one of cases) {
  test(`the page and the package come to the same state: ${one.name}`, async () => {
    const functions = await reducer;
    const state = eventsOf(one).reduce(functions.reduce, functions.emptyState());
    assert.deepEqual(shown(state, functions), one.state);
  });
}
