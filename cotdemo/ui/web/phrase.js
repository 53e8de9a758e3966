// The sentence of a prompt as the palette changes it: a thing is added, anything else changes the thing named last.

// `words` is what the backend's palette says (cotdemo.world.palette). Answers {prompt, begun}: `begun` is the prompt where
// it ends with a number or a colour that still wants its thing, else "". The next click is to bring it: only where the
// palette has begun with it "orange" at the end is no fruit.
export function withWord(prompt, { what, name }, words, begun = "") {
  const sentence = prompt.trim().replace(/[.!?;\s]+$/, "");
  const last = lastPhrase(sentence, words, sentence !== "" && sentence === begun);
  if (what === "relation") return { prompt: related(sentence, last, name, words), begun: "" };
  const anew = { before: sentence, number: "", colour: "", thing: "" };
  const phrase = !last || (what === "thing" && last.thing) ? anew : last;
  const value = name === words.numbers[0] || name === phrase[what] ? "" : name; // once more takes it back
  const { before, ...said } = { ...phrase, [what]: value };
  const made = joined(before, said, words);
  return { prompt: made, begun: said.thing ? "" : made };
}

// The phrase at the end, {before, number, colour, thing}, "" for what it has not; null where there is none.
function lastPhrase(sentence, words, open) {
  const numbers = any(["a", "an", "the", ...words.numbers]);
  const colours = any(words.colours.map(({ name }) => name));
  const things = any(words.things.flatMap(({ name, plural }) => [plural, name]));
  const whole = new RegExp(`^(.*?)(?:\\b(${numbers}) )?(?:\\b(${colours}) )?\\b(${things})$`, "i");
  const unfinished = new RegExp(`^(.*?)(?:\\b(${numbers}))?(?: ?\\b(${colours}))?$`, "i");
  const found = (open ? null : whole.exec(sentence)) ?? unfinished.exec(sentence);
  if (!found || found.slice(2).every((part) => part === undefined)) return null;
  const [, before, number = "", colour = "", thing = ""] = found.map((part) => part?.toLowerCase());
  return {
    before: sentence.slice(0, before.length).trimEnd(),
    number: words.numbers.slice(1).includes(number) ? number : "",
    colour,
    thing: words.things.find(({ name, plural }) => [name, plural].includes(thing))?.name ?? "",
  };
}

function any(names) {
  return [...names].sort((one, other) => other.length - one.length).join("|");
}

// Things stand in a relation to the next one that is named; another relation takes its place.
function related(sentence, last, relation, words) {
  if (last?.thing) return `${sentence} ${relation}`;
  const end = words.relations.find((one) => sentence.toLowerCase().endsWith(` ${one}`));
  return end ? `${sentence.slice(0, -end.length)}${relation}` : sentence;
}

function joined(before, { number = "", colour = "", thing = "" }, words) {
  const named = words.things.find(({ name }) => name === thing);
  const noun = named ? (number ? named.plural : named.name) : "";
  const said = [colour, noun].filter(Boolean).join(" ");
  const determiner = number || (said && (/^[aeiou]/.test(said) ? "an" : "a"));
  const phrase = [determiner, said].filter(Boolean).join(" ");
  if (!before) return `${words.begins} ${phrase}`;
  const open = ["of", "and", "&", "with", ...words.relations].some((one) => before.toLowerCase() === one || before.toLowerCase().endsWith(` ${one}`));
  return open || !phrase || /,$/.test(before) ? `${before} ${phrase}`.trimEnd() : `${before} and ${phrase}`;
}
