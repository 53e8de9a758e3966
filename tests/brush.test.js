// The brush without a page: which token is meant, and of which the generator was least sure.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { between, leastSure, meantBy, tokenAt } from "../cotdemo/ui/web/brush.js";
import { answerOf, emptyState, reduce } from "../cotdemo/ui/web/reducer.js";

const BOX = { left: 10, top: 20, width: 80, height: 40 };

test("a pointer means the token under it, and the nearest one outside", () => {
  assert.equal(tokenAt({ clientX: 10, clientY: 20 }, BOX, [4, 8]), 0);
  assert.equal(tokenAt({ clientX: 89, clientY: 59 }, BOX, [4, 8]), 31);
  assert.equal(tokenAt({ clientX: 31, clientY: 31 }, BOX, [4, 8]), 8 + 2);
  assert.equal(tokenAt({ clientX: -500, clientY: 500 }, BOX, [4, 8]), 24);
});

test("the least sure are those of the lowest probability when they were kept", () => {
  const step = (masked, confidence) => ({ decoded: true, masked, confidence });
  const steps = [
    step([true, true, false, true], [9, 9, 200, 9]),
    { decoded: false },
    step([true, false, false, false], [9, 30, 255, 90]),
    step([false, false, false, false], [120, 255, 255, 255]),
  ];
  assert.deepEqual(leastSure(steps), [1]);
  assert.deepEqual(leastSure([]), []);
});

test("a stroke marks every token on its way, however fast it goes", () => {
  assert.deepEqual(between(0, 0, [4, 8]), [0, 0]);
  assert.deepEqual(between(0, 3, [4, 8]), [0, 1, 2, 3]);
  assert.deepEqual(between(27, 0, [4, 8]), [27, 18, 9, 0]);
});

test("a critique meant the tokens that were painted otherwise from it, whether or not that was kept", () => {
  const runs = new URL("../assets/runs/", import.meta.url);
  const stateOf = (name) => JSON.parse(readFileSync(new URL(`${name}.json`, runs))).events.reduce(reduce, emptyState());
  for (const name of ["3-critique-helped", "5-critique-did-not-help"]) {
    const state = stateOf(name);
    const [before, after] = [state.rounds[0], state.rounds.at(-1)].map((round) => answerOf(round).codes);
    const meant = meantBy(state);
    assert.ok(meant.length > 0 && meant.length < before.length, name);
    if (state.rounds.length === 2) assert.deepEqual(meant, [...before.keys()].filter((token) => before[token] !== after[token]));
  }
  assert.deepEqual(meantBy(stateOf("1-some-stopped")), []); // nobody criticised it
});
