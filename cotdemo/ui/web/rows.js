// Rows and differences of the ladder for one kind and one rule: no drawing.

export const PLAIN = "plain"; // the row that all others are held against
const SHIPPED = "shipped";
const FAMILIES = [
  ["The plain generator, and choosing among its paths", ["base"]],
  ["A generator aligned to preferences", ["dpo", "dpo-iter", "dpo-iter-parm"]],
  ["A generator that repaints", ["self-correct"]],
];

// [{heading, rows}]: what has the same kind of generator together, in the order of the table.
export function families(ladder, kind, rule) {
  const all = rowsOf(ladder, kind, rule);
  const known = FAMILIES.flatMap(([, models]) => models);
  const groups = FAMILIES.map(([heading, models]) => ({ heading, rows: all.filter((one) => models.includes(one.model)) }));
  groups.push({ heading: "Others", rows: all.filter((one) => !known.includes(one.model)) });
  return groups.filter((group) => group.rows.length > 0);
}

// The rows at the top: those of the paper's story; where the ladder has none of them, the first that the paper has.
export function story(ladder, kind, rule) {
  const all = rowsOf(ladder, kind, rule).filter(({ paper }) => Object.keys(paper ?? {}).length);
  const told = all.filter((one) => one.story);
  return told.length ? told : all.slice(0, 8);
}

// One for every name: the shipped row, and under `seeds` what other training seeds came to.
export function rowsOf(ladder, kind, rule) {
  return byName(ladder.rows, (row) => row.name).map((rows) => {
    const row = rows.find((one) => one.seed === SHIPPED) ?? { ...rows[0], accuracy: undefined, missing: "not measured with the shipped weights" };
    return {
      ...row,
      here: row.accuracy?.[rule][kind] ?? null,
      gained: row.gain?.[rule][kind] ?? null, // over PLAIN, paired by prompt
      right: row.accuracy ? rightOf(row, ladder.images, kind, rule) : null,
      reported: row.paper?.[kind] ?? null,
      seeds: seedsOf(rows, kind, rule),
    };
  });
}

// The same for differences; one that is there for a training seed only has no figure `here`.
export function gains(ladder, kind, rule) {
  return byName(ladder.differences, (one) => one.label).map((all) => ({
    ...all[0],
    here: all.find((one) => one.seed === SHIPPED)?.accuracy[rule][kind] ?? null,
    reported: all[0].paper[kind] ?? null,
    seeds: seedsOf(all, kind, rule),
  }));
}

// "A - B" as it is set in text.
export function typeset(label) {
  return label.replaceAll(" - ", " − ");
}

// Whether a difference can be told from none: its interval leaves out 0.
export function isTold([, low, high]) {
  return low > 0 || high < 0;
}

// [right, of]: how many images; null where their number is not known or not whole.
function rightOf(row, images, kind, rule) {
  if (!images || !row.images) return null;
  const kinds = kind === "overall" ? Object.keys(images) : [kind];
  const counts = kinds.map((one) => [Math.round(row.accuracy[rule][one][0] * images[one] * row.images), images[one] * row.images]);
  return counts.reduce(([right, of], [more, all]) => [right + more, of + all], [0, 0]);
}

function seedsOf(rows, kind, rule) {
  return rows
    .filter((one) => one.seed !== SHIPPED && one.accuracy)
    .map((one) => ({ seed: one.seed, here: one.accuracy[rule][kind] }));
}

function byName(list, nameOf) {
  const groups = new Map();
  for (const one of list) groups.set(nameOf(one), [...(groups.get(nameOf(one)) ?? []), one]);
  return [...groups.values()];
}
