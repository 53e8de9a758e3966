// The moments of a run, as the stage shows them: which round and step, and how much of what came of it is seen by then.

import { answerOf, answerRound, lastStep, latest, outcomeOf, reflections, waveOf } from "./reducer.js";

export const PLAY = 5000; // milliseconds in which a recorded run is played
const HELD = { chosen: 600, critique: 1100 }; // milliseconds that a moment lasts
const QUICKEST = 30; // milliseconds of a step of a long run

// A finished run from its first step to its result: {at, part, round, wave, step, critique, seen}, `at` in milliseconds from
// the start. `part` is "painting", "chosen", "critique" or, at the end, "rest"; `seen` says how many critiques and
// repaintings have come by then, and whether the verdict on the answer has.
export function moments(state) {
  const entries = reflections(state);
  const list = [];
  const seen = { critiques: 0, repaintings: 0, verdict: false };
  const add = (part, round, step, more = {}) => list.push({ part, round, step, seen: { ...seen }, ...more });
  for (const round of state.rounds) {
    const last = lastOf(round.paths);
    if (last < 0) continue;
    if (round.round > 0) {
      seen.critiques += 1;
      const before = entries.find((entry) => entry.after === round)?.before ?? state.rounds[round.round - 1];
      if (!round.tokens.length) add("critique", before.round, lastOf(before.paths), { critique: round.critique });
    }
    for (let wave = 0; wave <= waveOf(round); wave += 1) {
      const paths = round.paths.filter((path) => path.wave === wave);
      for (let step = firstOf(paths); step <= lastOf(paths); step += 1) add("painting", round.round, step, { wave });
    }
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
  const part = round.winner ? (round.criticised ? "critique" : "chosen") : "painting";
  const wave = part === "painting" ? waveOf(round) : undefined;
  return { part, round: round.round, wave, step: Math.max(lastOf(latest(round)), 0), critique: round.criticised?.text, seen: ALL };
}

const ALL = { critiques: Infinity, repaintings: Infinity, verdict: true };

export function resting(state) {
  const round = answerRound(state) ?? state.rounds.at(-1);
  return { part: "rest", round: round?.round ?? 0, step: round ? Math.max(lastOf(round.paths), 0) : 0, seen: ALL };
}

function firstOf(paths) {
  return Math.min(...paths.map((path) => path.steps.findIndex((step) => step.decoded)).filter((step) => step >= 0));
}

function lastOf(paths) {
  return Math.max(...paths.map(lastStep));
}

// The step of an attempt that is seen at a moment: of an earlier wave its last, of a later one none (-1).
export function stepAt(path, { wave = path.wave, step }) {
  if (path.wave !== wave) return path.wave !== null && path.wave < wave ? lastStep(path) : -1;
  return Math.min(step, lastStep(path));
}

// The attempt that is shown large: the chosen one; before there is one, whichever of those that go on looks best, of those
// that have begun by a wave.
export function leading(round, { wave = Infinity } = {}) {
  const begun = round.paths.filter((path) => path.wave === null || path.wave <= wave);
  const chosen = answerOf(round);
  if (chosen && begun.some((path) => path.path === chosen.path)) return chosen.path;
  const hope = (path) => outcomeOf(path) ?? path.steps.findLast((step) => step.verdicts.potential)?.verdicts.potential.p_yes ?? 0;
  const live = begun.filter((path) => path.pruned === null);
  const [best] = (live.length ? live : begun).toSorted((a, b) => hope(b) - hope(a));
  return best.path;
}
