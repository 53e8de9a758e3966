// What a run was asked for beside what the form asks for, without a browser: node --test tests/
"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");

const WEB = "../cotdemo/ui/web";
const asked = import(`${WEB}/asked.js`);
const words = import(`${WEB}/words.js`);

const all = ["baseline", "parm", "parm++"];
const known = [
  ...["prompt", "method", "model", "paths", "seed"].map((name) => ({ name, usual: null, methods: all })),
  { name: "judge_from", usual: 1, methods: ["parm", "parm++"] }, { name: "repaint", usual: "whole", methods: ["parm++"] },
];
const started = (more = {}) => ({ prompt: "a dog", method: "parm", model: "base", paths: 8, seed: 3, judge_from: 1, ...more });
const form = (more = {}) => ({ ...started(), repaint: "whole", fresh: false, ...more });

test("the form asks for what a run had, or otherwise", async () => {
  const { asksOtherwise } = await asked;
  assert.equal(asksOtherwise(form(), started(), known), false);
  for (const more of [{ method: "parm++" }, { model: "dpo" }, { paths: 4 }, { seed: 4 }, { judge_from: 9 }]) {
    assert.equal(asksOtherwise(form(more), started(), known), true, JSON.stringify(more));
  }
});

test("the prompt does not count, nor what the run's method has not, nor what its trace does not know", async () => {
  const { asksOtherwise } = await asked;
  assert.equal(asksOtherwise(form({ prompt: "two buses", repaint: "region" }), started(), known), false);
  assert.equal(asksOtherwise(form({ judge_from: 9 }), started({ judge_from: undefined }), known), false);
});

test("in short: method with model, attempts, seed", async () => {
  const { briefly } = await words;
  const labels = { methods: { "parm++": { label: "PARM++" } }, models: { base: { on: "" }, dpo: { on: " on DPO" } } };
  assert.deepEqual(briefly(started({ method: "parm++", paths: 4 }), labels), ["PARM++", "4 attempts", "seed 3"]);
  assert.deepEqual(briefly(started({ method: "parm++", model: "dpo", paths: 1 }), labels), ["PARM++ on DPO", "1 attempt", "seed 3"]);
});
