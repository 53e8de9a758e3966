// Words that may be long, without a browser: node --test tests/
"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");

const saying = import("../cotdemo/ui/web/saying.js");
const LIST = "It paints GenEval's 80 things, in ten colours, one to four of them, left of, right of, above or below each other.";

test("of several lines the first is in sight", async () => {
  const { folded } = await saying;
  assert.deepEqual(folded("I do not know “x”. Did you mean a, b or c?\nIt knows these:\n a, b."), ["I do not know “x”. Did you mean a, b or c?", "It knows these: a, b."]);
});

test("of one that is long its first sentence is, and what is short stays whole", async () => {
  const { folded } = await saying;
  const unknown = "The small model does not know “lamp” (did you mean sheep or laptop?).";
  const rest = `${LIST} Try “a green cat and a yellow bus”.`;
  assert.deepEqual(folded(`${unknown} ${rest}`), [unknown, rest]);
  assert.deepEqual(folded("The seed is too large. Choose another."), ["The seed is too large. Choose another.", ""]);
  const endless = "x".repeat(300);
  assert.deepEqual(folded(endless), [endless, ""]);
  assert.deepEqual(folded(""), ["", ""]);
});
