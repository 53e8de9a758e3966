// What the palette makes of a prompt, click by click, without a browser.
"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");

const phrase = import("../cotdemo/ui/web/phrase.js");

const thing = (name, plural = `${name}s`) => ({ name, plural, also: "" });
const words = {
  begins: "a photo of",
  things: [thing("dog"), thing("hot dog"), thing("cat"), thing("orange"), thing("apple"), thing("bus", "buses"), thing("teddy bear"), thing("bear")],
  colours: ["red", "orange", "blue"].map((name) => ({ name })),
  numbers: ["one", "two", "three"],
  relations: ["left of", "right of", "above", "below"],
};
const whatOf = (name) => (words.numbers.includes(name) ? "number" : words.relations.includes(name) ? "relation" : words.things.some((one) => one.name === name) ? "thing" : "colour");

// Clicks by name; "colour:orange" where a name is two things.
async function clicked(prompt, ...clicks) {
  const { withWord } = await phrase;
  let made = { prompt, begun: "" };
  for (const click of clicks) {
    const [what, name] = click.includes(":") ? click.split(":") : [whatOf(click), click];
    made = withWord(made.prompt, { what, name }, words, made.begun);
  }
  return made.prompt;
}

const cases = [
  ["", ["dog"], "a photo of a dog"],
  ["", ["apple"], "a photo of an apple"],
  ["", ["dog", "cat"], "a photo of a dog and a cat"],
  ["", ["dog", "red"], "a photo of a red dog"],
  ["", ["dog", "red", "blue"], "a photo of a blue dog"],
  ["", ["dog", "red", "red"], "a photo of a dog"],
  ["", ["dog", "two"], "a photo of two dogs"],
  ["", ["bus", "red", "three"], "a photo of three red buses"],
  ["", ["bus", "three", "one"], "a photo of a bus"],
  ["", ["red", "dog", "blue", "cat"], "a photo of a blue dog and a cat"],
  ["", ["two", "red", "apple"], "a photo of two red apples"],
  ["", ["colour:orange", "dog"], "a photo of an orange dog"],
  ["", ["orange", "dog"], "a photo of an orange and a dog"],
  ["", ["orange", "colour:orange"], "a photo of an orange orange"],
  ["", ["dog", "right of", "teddy bear"], "a photo of a dog right of a teddy bear"],
  ["", ["dog", "right of", "above", "cat", "red"], "a photo of a dog above a red cat"],
  ["", ["dog", "left of", "red", "cat"], "a photo of a dog left of a red cat"],
  ["", ["left of"], ""],
  ["", ["hot dog", "red"], "a photo of a red hot dog"],
  ["", ["dog", "dog"], "a photo of a dog and a dog"],
  ["", ["red", "red"], "a photo of"],
  ["a photo of three cats", ["dog"], "a photo of three cats and a dog"],
  ["a photo of three cats", ["two"], "a photo of two cats"],
  ["a photo of a", ["apple"], "a photo of an apple"],
  ["a photo of", ["two", "dog"], "a photo of two dogs"],
  ["Two RED dogs.", ["blue"], "a photo of two blue dogs"],
  ["a kitty", ["dog"], "a kitty and a dog"],
  ["a dog,", ["cat"], "a dog, a cat"],
  ["dog and", ["cat"], "dog and a cat"],
];

for (const [prompt, clicks, wanted] of cases) {
  test(`“${prompt}” and ${clicks.join(", ")} make “${wanted}”`, async () => assert.equal(await clicked(prompt, ...clicks), wanted));
}
