// Where the tour's dialog goes.
"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");

const tour = import("../cotdemo/ui/web/tour.js");

const view = { width: 1000, height: 800 };
const dialog = { width: 400, height: 160 };
const box = (left, top, width, height) => ({ left, top, right: left + width, bottom: top + height });
const inside = ({ left, top }, size = dialog) => left >= 0 && top >= 0 && left + size.width <= view.width && top + size.height <= view.height;

test("it is below what it is about, or above where there is no room", async () => {
  const { beside } = await tour;
  assert.deepEqual(beside(box(100, 100, 60, 60), dialog, view), { left: 100, top: 172 });
  assert.deepEqual(beside(box(100, 700, 60, 60), dialog, view), { left: 100, top: 528 });
});

test("beside the form it stands in the form's column, at the height of what it is about", async () => {
  const { beside } = await tour;
  const column = box(32, -300, 288, 900);
  assert.deepEqual(beside(box(400, 100, 60, 60), dialog, view, column), { left: 32, top: 100 });
  assert.deepEqual(beside(box(400, 750, 60, 60), dialog, view, column), { left: 32, top: 628 });
  assert.deepEqual(beside(box(400, -90, 60, 900), dialog, view, column), { left: 32, top: 12 });
  assert.deepEqual(beside(box(100, 100, 60, 60), dialog, view, column), beside(box(100, 100, 60, 60), dialog, view));
});

test("it never leaves the window, whatever it is about", async () => {
  const { beside } = await tour;
  for (const target of [box(980, 300, 60, 60), box(-50, 300, 20, 20), box(0, 0, 1000, 800), box(10, -500, 900, 2000)]) {
    assert.ok(inside(beside(target, dialog, view)), JSON.stringify(beside(target, dialog, view)));
  }
});
