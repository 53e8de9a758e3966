// The moments of a run, as the stage shows them: which round and step, and how much of what came of it is seen by then.

import { answerOf, answerRound, lastStep, outcomeOf, reflections } from "./reducer.js";

export const PLAY = 5000; // milliseconds in which a recorded run is played
const HELD = { chosen: 600, critique: 1100 }; // milliseconds that a moment lasts
const QUICKEST = 30; // milliseconds of a step of a long run

// A finished run from its first step to its result: {at, part, round, step, critique, seen}, `at` in milliseconds from the
// start. `part` is "painting", "chosen", "critique" or, at the end, "rest"; `seen` says how many critiques and
// repaintings have come by then, and whether the verdict on the answer has.
export function moments(state) {
  const entries = reflections(state);
  const list = [];
  const seen = { critiques: 0, repaintings: 0, verdict: false };
  const add = (part, round, step, more = {}) => list.push({ part, round, step, seen: { ...seen }, ...more });
  for (const round of state.rounds) {
    const first = Math.min(...round.paths.map((path) => path.steps.findIndex((step) => step.decoded)).filter((step) => step >= 0));
    const last = lastOf(round);
    if (last < 0) continue;
    if (round.round > 0) {
      seen.critiques += 1;
      const before = entries.find((entry) => entry.after === round)?.before ?? state.rounds[round.round - 1];
      if (!round.tokens.length) add("critique", before.round, lastOf(before), { critique: round.critique });
    }
    for (let step = first; step <= last; step += 1) add("painting", round.round, step);
    if (!round.winner) continue;
    if (round.round > 0) seen.repaintings += 1;
    add("chosen", round.round, last);
  }
  return timed([...list, resting(state)]);
}

function timed(list) {
  const held = list.reduce((sum, { part }) => sum + (HELD[part] ?? 0), 0);
  const steps = list.filter(({ part }) => part === "painting").length;
  const pace = Math.max(QUICKEST, (PLAY - held) / Math.max(steps, 1));
  let at = 0;
  return list.map((moment) => {
    const placed = { ...moment, at };
    at += HELD[moment.part] ?? pace;
    return placed;
  });
}

// The last moment whose time has come.
export function momentAt(list, elapsed) {
  return list.findLast(({ at }) => at <= elapsed) ?? list[0];
}

// Where a run stands that is being painted; one that is not rests on its answer.
export function present(state) {
  const round = state.rounds.at(-1);
  if (!round || state.phase !== "running") return resting(state);
  const last = lastOf(round);
  const part = round.winner ? (round.criticised ? "critique" : "chosen") : "painting";
  return { part, round: round.round, step: Math.max(last, 0), critique: round.criticised?.text, seen: ALL };
}

const ALL = { critiques: Infinity, repaintings: Infinity, verdict: true };

export function resting(state) {
  const round = answerRound(state) ?? state.rounds.at(-1);
  return { part: "rest", round: round?.round ?? 0, step: round ? Math.max(lastOf(round), 0) : 0, seen: ALL };
}

function lastOf(round) {
  return Math.max(...round.paths.map(lastStep));
}

// The attempt that is shown large: the chosen one; before there is one, whichever of those that go on looks best.
export function leading(round) {
  const chosen = answerOf(round);
  if (chosen) return chosen.path;
  const hope = (path) => outcomeOf(path) ?? path.steps.findLast((step) => step.verdicts.potential)?.verdicts.potential.p_yes ?? 0;
  const live = round.paths.filter((path) => path.pruned === null);
  const [best] = (live.length ? live : round.paths).toSorted((a, b) => hope(b) - hope(a));
  return best.path;
}
