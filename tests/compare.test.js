// What the cards of the Compare tab say.
"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");

const compare = import("../cotdemo/ui/web/compare.js");

const card = (more = {}) => ({ title: "PARM", model: "Show-o, base", paths: 8, state: "done", words: "", verdict: {}, costs: null, ...more });

test("the line above says how many have ended and what is under way", async () => {
  const { overallWords } = await compare;
  const cards = [card(), card({ state: "failed" }), card({ state: "running", words: "step 3 of 18 - 5 of 8 paths alive - painting" }), card({ state: "waiting" })];
  assert.equal(overallWords(cards), "2 of 4 runs ended · PARM: step 3 of 18 · 5 of 8 attempts go on · painting");
  assert.equal(overallWords([card()]), "1 run done.");
  assert.equal(overallWords([card(), card(), card({ state: "waiting" })]), "2 of 3 runs ended"); // between two runs nothing is concluded
  assert.equal(overallWords([card({ state: "running" })], 7.4), "0 of 1 run ended · about 7 s left · PARM: starting");
  assert.equal(overallWords([card({ state: "running" })]), "0 of 1 run ended · PARM: starting");
});

test("a card says its state, or why it failed", async () => {
  const { stateWords } = await compare;
  assert.equal(stateWords(card()), "Done");
  assert.equal(stateWords(card({ state: "failed", words: "out of memory" })), "out of memory");
  assert.equal(stateWords(card({ state: "stopped" })), "Stopped");
});

test("what the judge says and what is true are told apart", async () => {
  const { judgeWords, checkedWords } = await compare;
  assert.equal(judgeWords({ answer: "yes", p_yes: 0.68 }), "✓ 68% sure that it matches the prompt");
  assert.equal(judgeWords({ answer: null, p_yes: null }), "Not judged");
  assert.equal(judgeWords({}), "Not judged");
  assert.equal(judgeWords({ answer: "no", p_yes: 0.03 }), "✕ 3% sure that it matches the prompt: the best of a bad lot");
  assert.equal(checkedWords({ correct: true, strict: true, reason: "" }), "right");
  assert.equal(checkedWords({ correct: true, strict: false, reason: "there is a bus too many" }), "right, but there is a bus too many");
  assert.equal(checkedWords({ correct: false, strict: false, reason: "there is no dog" }), "wrong: there is no dog");
  assert.equal(checkedWords(null), "");
});

test("costs are beside those of one plain image", async () => {
  const { spentWords } = await compare;
  assert.deepEqual(spentWords({ passes: 264, questions: 74, seconds: 1.24 }), ["264 generator passes", "74 questions to the judge", "1.2 s"]);
  assert.deepEqual(spentWords({ passes: 720, questions: 1, seconds: 1 })[0], "720 generator passes");
  assert.equal(spentWords({ operations: 254.2e9, passes: 1, questions: 1, seconds: 0 })[0], "254 GFLOP in all");
  assert.equal(spentWords({ operations: 1.26e12, passes: 1, questions: 1, seconds: 0 })[0], "1.3 TFLOP in all");
  assert.equal(spentWords({ passes: 1, questions: 1, seconds: 0 })[0], "1 generator pass");
});

const ended = (title, correct, operations, more = {}) => card({ title, label: title, method: title === "Baseline" ? "baseline" : title.toLowerCase(), prompt: "a photo of a dog", seed: 1, verdict: { answer: correct ? "yes" : "no", truth: { correct } }, costs: { operations, passes: 1 }, ...more });

test("a comparison ends in a sentence: who is right, and at what cost", async () => {
  const { conclusion, overallWords, stateWords } = await compare;
  const [plain, orm, parm] = [ended("Baseline", false, 10), ended("ORM", true, 79), ended("PARM", true, 240)];
  assert.equal(conclusion([plain, orm, parm]), "2 of 3 are right; the cheapest of them is ORM, at 7.9 × the cost of Baseline.");
  assert.equal(overallWords([plain, orm, parm]), conclusion([plain, orm, parm]));
  assert.equal(conclusion([plain, ended("ORM", false, 79), parm]), "1 of 3 is right: PARM, at 24 × the cost of Baseline.");
  assert.equal(conclusion([plain, ended("ORM", false, 79)]), "None of 2 is right.");
  assert.equal(conclusion([ended("Baseline", true, 10), orm]), "All 2 are right; the cheapest of them is Baseline.");
  assert.equal(conclusion([orm, parm]), "All 2 are right; the cheapest of them is ORM.");
  assert.equal(conclusion([plain]), "");
  const stopped = ended("PARM", true, 240, { state: "stopped" });
  assert.equal(overallWords([plain, stopped, stopped]), "1 run done, 2 stopped.");
  const refused = ended("PARM", false, 0, { state: "failed", words: "It does not know “please”." });
  assert.equal(overallWords([refused, refused]), "It does not know “please”.");
  assert.equal(stateWords(refused, true), "Failed");
  assert.equal(overallWords([plain, refused, stopped]), "1 run done, 1 stopped, 1 failed.");
});

test("where nobody can check, the judge's word is told as its own", async () => {
  const { conclusion } = await compare;
  const told = [ended("Baseline", false, 10), ended("ORM", true, 79)].map((one) => ({ ...one, verdict: { answer: one.verdict.answer, truth: null } }));
  assert.equal(conclusion(told), "1 of 2 is right by the judge: ORM, at 7.9 × the cost of Baseline.");
});

test("a detector, which errs, is told as who says it", async () => {
  const { conclusion } = await compare;
  const told = [ended("Baseline", false, 10), ended("ORM", true, 79)].map((one) => ({ ...one, verdict: { answer: "yes", truth: { ...one.verdict.truth, by: "GenEval's detector" } } }));
  assert.equal(conclusion(told), "1 of 2 is right by GenEval's detector: ORM, at 7.9 × the cost of Baseline.");
});

test("of several seeds or prompts each method's runs are counted together", async () => {
  const { conclusion, groups, plainBeside } = await compare;
  const cards = [1, 2].flatMap((seed) => [ended("Baseline", seed === 1, 10, { seed }), ended("PARM", true, 86, { seed })]);
  assert.equal(conclusion(cards), "Right: Baseline 1 of 2; PARM 2 of 2, at 8.6 × the cost of Baseline.");
  assert.equal(plainBeside(cards[3], cards), cards[2]);
  assert.equal(plainBeside(cards[3], cards.slice(0, 2)), undefined);
  assert.deepEqual(groups(cards).map((group) => group.map(({ title }) => title)), [["Baseline", "PARM"], ["Baseline", "PARM"]]);
});

test("two models of one method are told apart", async () => {
  const { conclusion } = await compare;
  const cards = [ended("Baseline", false, 10), ended("Baseline", true, 10, { label: "Baseline on iterative DPO" })];
  assert.equal(conclusion(cards), "1 of 2 is right: Baseline on iterative DPO, which costs no more than Baseline.");
});

test("another prompt is offered than those that are compared: the form's, then one that is new at Run", async () => {
  const { offered } = await import("../cotdemo/ui/web/anew.js");
  const compared = ["a photo of two red cars"];
  for (const own of ["Two red cars.", "", " a photo of  ".trim()]) assert.equal(offered({ own, run: "" }, compared, ""), null, own);
  assert.deepEqual(offered({ own: " three cats ", run: "" }, compared, ""), { prompt: "three cats", where: "The form" });
  const run = "a photo of a blue bus";
  assert.deepEqual(offered({ own: "two red cars", run }, compared, "two red cars"), { prompt: run, where: "The Run tab" });
  assert.equal(offered({ own: "two red cars", run }, compared, run), null); // it was there before
  assert.equal(offered({ own: "three cats", run }, [], ""), null); // nothing is compared yet, or only now
});
