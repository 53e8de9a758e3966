// What stands below Run, and what may be dropped, without a browser: node --test tests/
"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");

const WEB = "../cotdemo/ui/web";
const estimate = import(`${WEB}/estimate.js`);
const drop = import(`${WEB}/drop.js`);

const form = (more = {}) => ({ prompt: "a dog", method: "parm", model: "base", paths: 8, steps: 18, guidance: 1, temperature: 3, seed: 0, ...more });
const names = { methods: { parm: "PARM", baseline: "Baseline", orm: "ORM" }, models: { base: "", dpo: " on DPO" } };
const limits = { backend: "mini", cap: 800, prompt: 300, seed: 4294967295 };

test("the time is that of the latest runs of the same kind", async () => {
  const { timeWords } = await estimate;
  const rates = { "parm/guided": 0.0125, "baseline/unguided": 0.001 };
  assert.deepEqual(timeWords(form(), rates, names), ["About 2 s", " for PARM, 8 attempts × 18 steps, going by the latest runs here."]);
  assert.equal(timeWords(form({ paths: 32, steps: 25 }), rates, names)[0], "About 10 s");
  assert.equal(timeWords(form({ method: "baseline", guidance: 0, paths: 1 }), rates, names)[0], "Under a second");
  assert.equal(timeWords(form(), { "parm/guided": 2 }, names)[0], "About 5 minutes");
});

test("what was never run has no time, and that is said", async () => {
  const { timeWords } = await estimate;
  for (const rates of [{}, { "parm/unguided": 1 }, { "orm/guided": 1 }]) {
    const [time, words] = timeWords(form({ paths: 1, model: "dpo" }), rates, names);
    assert.equal(time, "");
    assert.match(words, /^PARM on DPO, 1 attempt × 18 steps\. How long it takes is known after a first run/);
  }
});

test("what Run will do about the seed is said in words", async () => {
  const { seedWords, limitWords } = await estimate;
  assert.equal(seedWords(form({ seed: 7, fresh: true }), limits), "Run draws a new seed.");
  assert.equal(seedWords(form({ seed: 7, fresh: false }), limits), "Run keeps seed 7.");
  assert.equal(seedWords(form({ seed: 0, fresh: false }), limits), "Run keeps seed 0.");
  for (const seed of [-1, 1.5, null, 2 ** 32]) assert.equal(seedWords(form({ seed, fresh: false }), limits), "");
  assert.equal(limitWords(form({ seed: 1.5, fresh: true }), limits), ""); // it is not used
});

test("a limit is explained where it is broken", async () => {
  const { limitWords } = await estimate;
  assert.equal(limitWords(form(), limits), "");
  assert.match(limitWords(form({ paths: 32, steps: 50 }), limits), /is 1600, and mini takes at most 800: choose fewer/);
  assert.match(limitWords(form({ prompt: "x".repeat(300) }), limits), /300 characters at most/);
  for (const seed of [-1, 1.5, null, 2 ** 32]) assert.match(limitWords(form({ seed }), limits), /from 0 to 4294967295/);
});

test("one trace or image of a fair size may be dropped", async () => {
  const { fault } = await drop;
  const most = 8_000_000;
  assert.equal(fault([{ name: "trace.json", size: 9 }], most), "");
  assert.equal(fault([{ name: "WINNER.PNG", size: most }], most), "");
  assert.match(fault([{ name: "a.json", size: most + 1 }], most), /at most 8 MB/);
  assert.match(fault([{ name: "a.exe", size: 9 }], most), /Only a trace/);
  assert.match(fault([{ name: "json", size: 9 }], most), /Only a trace/);
  assert.match(fault([], most), /one file/);
  assert.match(fault([{ name: "a.json", size: 9 }, { name: "b.json", size: 9 }], most), /one file/);
});
