// What the viewer says, in words: the status line, labels for screen readers, numbers. Every term stands here and
// nowhere else, in both voices: plain words, and the field's own, which the switch "for researchers" asks for.

import { EVEN, QUESTIONS, alive, answerOf, answerRound, countTokens, isCutOff, lastStep, outcomeOf, ranking, statusOf, stays, tried, waveOf } from "./reducer.js";
import { SAID } from "./said.js";

const voice = { researchers: false }; // one page speaks one voice

export function speakToResearchers(wanted) {
  voice.researchers = wanted;
}

export function speaksToResearchers() {
  return voice.researchers;
}

// A probability in three characters: ".07", ".97", "1.0".
export function probability(value) {
  if (value >= 0.995) return "1.0";
  return value.toFixed(2).slice(1);
}

// The same for everybody: "7%"; what is not certain is never called so.
export function chances(value) {
  if (value > 0 && value < 0.01) return "<1%";
  if (value < 1 && value > 0.99) return ">99%";
  return `${Math.round(100 * value)}%`;
}

export function number(value) {
  return voice.researchers ? probability(value) : chances(value);
}

// The judge's questions: what the number of each is called, and what it means. Glyphs differ in shape, not only in colour.
export const VERDICTS = {
  clarity: {
    name: "Clear", plain: "clear enough", symbol: "P(clear)", meaning: "how sure the judge is that the guess is clear enough to be judged",
    yes: ["●", "clear"], no: ["○", "not clear yet"], neither: ["◌", "no answer on clarity"],
  },
  potential: {
    name: "Potential", plain: "can still work", symbol: "P(potential)", meaning: "how sure the judge is that this attempt can still become right; where it says no, the attempt stops",
    yes: ["▲", "can become right"], no: ["▼", "unlikely to become right"], neither: ["△", "no answer on potential"],
  },
  outcome: {
    name: "Match", plain: "matches", symbol: "P(yes)", meaning: "how sure the judge is that the image matches the prompt; the surest wins",
    yes: ["✓", "matches the prompt"], no: ["✕", "does not match the prompt"], neither: ["–", "no answer on the outcome"],
  },
};

const CHECKER = "Checker (hidden from the judge): ";
export const NOT_JUDGED = SAID.notJudged;
export const BAD_LOT = SAID.badLot;
const CHOSEN = "chosen";
const NEVER_CLEAR = "never judged clear";
export const SPARED = "not painted, as the judge was sure enough before";

// What the number of a question is called.
export function term(question) {
  return voice.researchers ? VERDICTS[question].symbol : VERDICTS[question].plain;
}

// "can still work 93%"; "P(potential) .93".
export function told(question, value) {
  return `${term(question)} ${number(value)}`;
}

// What stands under a guess. A guess that is not clear yet says so by its glyph alone, except to researchers.
export function markWords(question, verdict) {
  const [glyph] = VERDICTS[question][verdict.answer];
  return question === "clarity" && verdict.answer !== "yes" && !voice.researchers ? glyph : `${glyph} ${number(verdict.p_yes)}`;
}

export function attempt(path) {
  return `Attempt ${path + 1}`;
}

// The answer to "does it match?", for a chosen image: [glyph, words, kind].
export function outcomeWords({ outcome, p_yes, mean }) {
  if (p_yes === null) return ["–", NOT_JUDGED, "outcome-neither"];
  const answer = answerTo({ outcome, p_yes });
  const [glyph] = VERDICTS.outcome[answer];
  const over = mean === null ? "" : voice.researchers ? "mean " : "on average ";
  const words = voice.researchers ? `${over}${told("outcome", p_yes)}, ${VERDICTS.outcome[answer][1]}` : `${over}${number(p_yes)} sure that it matches the prompt`;
  return [glyph, words, `outcome-${answer}`];
}

// The judge's answer about a chosen image; null where it was not asked.
function answerTo({ outcome, p_yes }) {
  return outcome?.answer ?? (p_yes === null ? null : p_yes >= EVEN ? "yes" : "no");
}

// What the chosen image of a round is called (the same in cotdemo/run/said.py): of one that the judge says "no" to, the
// best of a bad lot.
export function standing(round) {
  const answer = answerOf(round);
  if (answer.p_yes === null) return NOT_JUDGED;
  return answerTo(answer) === "yes" ? CHOSEN : BAD_LOT;
}

// Whether the best is good enough to wear a crown.
export function isCrowned(round) {
  return answerOf(round) !== null && standing(round) === CHOSEN;
}

export function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

// The method and what is asked for beside it, a few words each; `labels` is what cotdemo.ui.data.labels says.
export function settingsWords(started, labels) {
  const shown = labels.settings.filter(({ name }) => voice.researchers || !TECHNICAL.includes(name));
  const words = shown.map((setting) => settingWords(setting, started[setting.name]));
  return [labels.methods[started.method]?.label ?? started.method, ...words.filter(Boolean)];
}

// The same in short: method with model, attempts, seed.
export function briefly({ method, model, paths, seed }, { methods, models }) {
  return [`${methods[method]?.label ?? method}${models[model]?.on ?? ""}`, plural(paths, "attempt"), `seed ${seed}`];
}

const TECHNICAL = ["guidance", "temperature"]; // settings that are told to researchers only

// As Setting.words of cotdemo/settings.py: "" for what is as usual, and in traces from before there was such a setting.
function settingWords({ said, options, usual }, value) {
  if (value === undefined || value === usual) return "";
  return said ? said.replace("{}", value).replace("(s)", value === 1 ? "" : "s") : options[value] ?? "";
}

// The weights that a run painted and judged with; a trace names all that its backend had.
export function weightsWords({ backend, weights, model, method, repaint }, labels) {
  const { repaints, verifier, watcher } = labels.methods[method] ?? {};
  const reflected = repaints ? [repaint === "region" ? "" : labels.corrector, labels.critics[backend]] : [];
  const used = [...new Set([labels.models[model]?.part, "magvit", verifier, watcher, ...reflected])];
  const named = used[0] in weights ? used.filter((part) => part in weights) : Object.keys(weights); // by names of its own
  return named.map((part) => `${part} ${weights[part]}`).join(", ");
}

// The line above the matrix. Where the reflection stands `apart` from it, it says the critique, too.
export function statusWords(state, apart = false) {
  switch (state.phase) {
    case "empty":
      return "Nothing painted yet.";
    case "waiting":
    case "failed":
      return state.message;
    case "stopped":
      return `${state.message || "Stopped."} What was painted until then stays here to look at.`;
    case "finished":
      return answerWords(state, apart);
    default:
      return sentence(progressWords(state.message));
  }
}

// A search says itself where it is: "step 9 of 18 - 5 of 8 paths alive - judging potential".
export function progressWords(message) {
  const words = (message || "starting").replaceAll(" - ", " · ");
  return words.replace(/\bpaths alive\b/, "attempts go on").replace(/\bpath alive\b/, "attempt goes on");
}

// What was chosen, and why.
export function chosenWords(round) {
  const answer = answerOf(round);
  const count = round.paths.length;
  const [, judged] = outcomeWords(answer);
  if (answer.p_yes === null) return `${count === 1 ? "One attempt, painted" : `${attempt(answer.path)} of ${count} is shown`}: ${NOT_JUDGED}`;
  const who = `${attempt(answer.path)}${count === 1 ? "" : ` of ${count}`}`;
  const why = whyWords(round, round.paths[answer.path]);
  return `${who} is ${standing(round)}: the judge ${voice.researchers ? "says" : "is"} ${judged}${why ? `. ${why}` : ""}`;
}

function asWords({ prompt }) {
  return prompt ? `, as “${prompt}”` : "";
}

// Of a round that paints some tokens anew: they were chosen by the generator's own doubt, not marked by a visitor.
export function doubts({ started }, { round }) {
  return started.method === "repair" && round === 1;
}

function anewWords(state, round) {
  return `Painted anew where ${doubts(state, round) ? "the generator doubted it" : "it was marked"}`;
}

function answerWords(state, apart) {
  const round = answerRound(state);
  if (!answerOf(round)) return "Finished.";
  const words = chosenWords(round);
  if (round.tokens.length && stays(state.rounds[round.before], round)) return `${anewWords(state, round)}. ${doubts(state, round) ? "It came out as it was." : staysWords(round)}`;
  if (round.tokens.length) return `${anewWords(state, round)}${asWords(round)}. ${words}.`;
  if (round.round > 0) return `Painted again from the critique${apart ? ` “${shortened(prose(round.critique))}”` : ""}. ${words}.`;
  if (state.rounds.at(-1).tokens.length) return `The image before is back. ${words}.`;
  if (state.rounds.length > 1) return `${words}. What was painted again is not better, says the judge: the first image stays.`;
  const stopped = round.paths.length - alive(round);
  const early = stopped && !answerOf(round).fallback ? `${plural(stopped, "attempt")} stopped early.` : "";
  return [`${words}.`, early, ending(state)].filter(Boolean).join(" ");
}

// Whether the attempts of a round began in waves, until the judge was sure enough.
function inWaves({ started }, round) {
  return round.round === 0 && (started.enough < 1 || waveOf(round) > 0 || round.paths.some(({ pruned }) => pruned?.outdone));
}

// Why a run whose attempts began in waves has ended, and what painting all of them would have cost by its counted passes; ""
// for other runs, and where they went on after that. The same as in cotdemo/run/said.py.
export function ending(state) {
  const { finished: cost, rounds: [round] } = state;
  const p_yes = cost && state.started.enough < 1 && state.rounds.length === 1 ? round.winner?.p_yes ?? null : null;
  const [count, paths] = p_yes === null ? [0, 0] : [tried(round).length, round.paths.length];
  if (paths < 2) return "";
  const times = (cost.generator_passes + cost.passes_saved) / Math.max(cost.generator_passes, 1);
  const told = { tried: count, paths, chances: chances(p_yes), times: (Math.round(10 * times) / 10).toFixed(1) };
  return (count < paths ? SAID.sure : SAID.neverSure).replace(/\{(\w+)\}/g, (_, name) => told[name]);
}

// What is said where the best that was painted anew is the image as it was.
export function staysWords({ paths }) {
  return `${paths.length === 1 ? "The attempt was no" : `None of the ${paths.length} attempts was`} better; the image stays.`;
}

function shortened(text) {
  return text.length > BRIEF ? `${text.slice(0, BRIEF).trimEnd()} …` : text;
}

const BRIEF = 60; // letters of a critique within a sentence

// What is happening at a moment of the stage (moments.js), in one sentence.
export function nowWords(state, moment) {
  const round = state.rounds[moment.round];
  if (moment.part === "chosen") return `${chosenWords(round)}.`;
  if (moment.part === "critique") return `The judge says what is wrong: “${prose(moment.critique ?? "") || "…"}”.`;
  const { paths } = round;
  const { steps } = state.started;
  if (inWaves(state, round)) return waveWords(state, round, moment);
  const repainting = round.tokens.length ? `${anewWords(state, round)}${asWords(round)}, step` : "Painted again from the critique, step";
  const where = `${round.round > 0 ? repainting : "Step"} ${moment.step + 1} of ${steps}`;
  const again = paths.filter(({ pruned, steps }) => pruned && pruned.step < moment.step && steps[moment.step]?.decoded);
  if (again.length) return `${where}: no attempt passed, so ${listed(again)}, the least doubtful, is painted to the end.`;
  const recent = paths.filter(({ pruned }) => pruned && pruned.step <= moment.step && pruned.step > moment.step - 3);
  const at = Math.max(...recent.map(({ pruned }) => pruned.step));
  const fallen = recent.filter(({ pruned }) => pruned.step === at);
  if (fallen.length) {
    const several = fallen.length > 1;
    const stopped = at < moment.step ? `${several ? "were" : "was"} stopped at step ${at + 1}` : `${several ? "are" : "is"} stopped`;
    return `${where}: ${listed(fallen)} ${stopped}, as ${fallen[0].pruned.outdone ? OUTDONE : "the judge sees no way left to come out right"}.`;
  }
  if (moment.step < 2 && round.round === 0) return `${plural(paths.length, "attempt")} at “${state.started.prompt}”: each begins as noise and keeps its surest tokens.`;
  const hopeful = paths.filter((path) => !path.pruned && path.steps.slice(0, moment.step + 1).some((step) => step.verdicts.potential?.answer === "yes"));
  if (hopeful.length) return `${where}: ${listed(hopeful)} can be judged by now, and can still work.`;
  const asked = paths.some((path) => path.steps[moment.step]?.verdicts.clarity);
  return `${where}: ${asked ? "the judge looks at every guess; none is clear enough to judge yet." : "more tokens are kept at every step."}`;
}

const OUTDONE = "others of its wave are likelier to come out right";

// Which attempts of a run in waves are painted, and why those.
function waveWords({ started: { steps } }, { paths }, { wave, step }) {
  const where = `Wave ${wave + 1}, step ${step + 1} of ${steps}`;
  const behind = paths.filter((path) => path.wave === wave && path.pruned && path.pruned.step <= step);
  if (behind.length) {
    const going = paths.filter((path) => path.wave === wave && !path.pruned);
    return `${where}: ${listed(going)} ${going.length > 1 ? "go" : "goes"} on, likelier to come out right than ${listed(behind)}.`;
  }
  const before = paths.filter((path) => path.outcome && path.wave < wave);
  const why = before.length ? `as the judge is ${number(Math.max(...before.map(outcomeOf)))} sure of the best so far` : `of ${paths.length} at most`;
  return `${where}: ${listed(paths.filter((path) => path.wave === wave))}, ${why}.`;
}

function listed(paths) {
  const names = paths.map(({ path }) => String(path + 1));
  if (names.length > 3) return `${names.length} attempts`;
  const last = names.pop();
  return names.length ? `attempts ${names.join(", ")} and ${last}` : `attempt ${last}`;
}

// What has become of an attempt by a moment of the stage: [short words, kind].
export function fateWords(round, path, moment) {
  if (moment.part !== "painting") return pathWords(round, path);
  if (path.wave === null || path.wave > moment.wave) return ["waiting", "alive"];
  if (path.wave < moment.wave) return path.pruned ? pathWords(round, path) : [pathNumberWords(path) || "painted", "judged"];
  if (path.pruned && path.pruned.step < moment.step && path.steps[moment.step]?.decoded) return ["painted on, as none passed", "alive"];
  if (path.pruned && path.pruned.step <= moment.step) return [`stopped at step ${path.pruned.step + 1}`, "pruned"];
  const seen = path.steps.slice(0, moment.step + 1);
  if (seen.some((step) => step.verdicts.potential?.answer === "yes")) return [VERDICTS.potential.plain, "hopeful"];
  return [seen.some((step) => step.decoded) ? "painting" : "waiting", "alive"];
}

// The work of a run. A step with guidance takes two passes of the generator, one with the prompt and one without.
export function costWords(state) {
  const { finished: cost } = state;
  if (!cost) return "";
  const paths = state.rounds.flatMap((round) => round.paths);
  const steps = sum(paths, (path) => path.steps.filter((step) => step.decoded).length);
  const cut = sum(paths, (path) => path.steps.filter((_, step) => isCutOff(path, step)).length);
  const asked = `${plural(cost.judge_passes, "question")} to the judge`;
  const time = `${cost.seconds.toFixed(1)} s`;
  const painted = `${plural(steps, "step")} painted${cut ? `, ${cut} saved by stopping early` : ""}`;
  if (!voice.researchers) return [painted, asked, time].join(" · ");
  const passes = plural(cost.generator_passes, "generator pass").replace(/passs$/, "passes");
  const saved = cost.passes_saved ? `, ${cost.passes_saved} saved` : "";
  const twice = cost.generator_passes > steps ? " (with guidance a step takes two: with the prompt, and without)" : "";
  return [painted, `${passes}${saved}${twice}`, asked, time].join(" · ");
}

function sum(list, count) {
  return list.reduce((total, one) => total + count(one), 0);
}

// The state of an attempt, for the first column: [short words, kind].
export function pathWords(round, path) {
  const status = statusOf(round, path);
  switch (status) {
    case "won":
      return [standing(round) === NOT_JUDGED ? `shown, ${NOT_JUDGED}` : standing(round), status];
    case "pruned":
      return [`stopped at step ${path.pruned.step + 1}`, status];
    case "judged":
      return [`ranked ${ranking(round).indexOf(path.path) + 1}`, status];
    case "painted":
      return [round.winner === null ? "painted" : path.steps.some((step) => step.verdicts.clarity) ? NEVER_CLEAR : NOT_JUDGED, "judged"];
    case "alive":
      return [`step ${lastStep(path) + 1}`, status];
    case "spared":
      return ["not begun", status];
    default:
      return ["waiting", status];
  }
}

// What became of an attempt that is looked at, and what the judge said of it last: "stopped at step 8: clear enough 83%,
// unlikely to become right (can still work <1%). What it misses most: two dogs (3%)"; the latter by the checklist, where
// that misses one of the run's `requirements`.
export function fateInWords(round, path, requirements = []) {
  const [fate] = pathWords(round, path);
  if (fate === NEVER_CLEAR || path.pruned?.outdone) return `${fate}. ${whyWords(round, path)}`;
  const at = path.pruned?.step ?? lastStep(path);
  const last = path.steps[at];
  const said = QUESTIONS.filter((question) => last?.verdicts[question]).map((question) => verdictWords(question, last.verdicts[question]));
  const words = said.length ? `${fate}: ${said.join(", ")}` : fate;
  return isCrowned(round) && round.winner.path === path.path ? words : `${words}${missedWords(path, at, requirements)}`;
}

function missedWords(path, at, requirements) {
  const seen = path.steps.findLast((step) => step.step <= at && step.present)?.present ?? [];
  const least = seen.indexOf(Math.min(...seen));
  return seen[least] < EVEN && requirements[least] ? `. What it misses most: ${requirements[least]} (${number(seen[least])})` : "";
}

// Why an attempt ended as it did, where that alone would surprise: one that was stopped and wins, or that nobody has
// judged; "" elsewhere.
export function whyWords(round, path) {
  const [fate, kind] = pathWords(round, path);
  if (fate === NEVER_CLEAR) return "The judge says whether an image matches only of an attempt that was clear enough once, which this one never was";
  if (kind === "pruned" && path.pruned.outdone) return sentence(OUTDONE);
  if (kind !== "won" || !round.winner.fallback) return "";
  if (!path.pruned) return "No attempt passed; this is the least doubtful one";
  return `No attempt passed, so the least doubtful one, stopped at step ${path.pruned.step + 1}, was painted to its end all the same`;
}

// What the status line says of an attempt that is looked at beside the chosen one: "Attempt 3 of 8: stopped at step 8.".
export function lookedWords(round, path) {
  const chosen = answerOf(round);
  const other = chosen && chosen.path !== path.path ? ` ${attempt(chosen.path)} is ${standing(round)}.` : "";
  return `${attempt(path.path)} of ${round.paths.length}: ${pathWords(round, path)[0]}.${other}`;
}

// The number beside it: [question, P(yes) to it]; that of potential where it ended the attempt, as its cell shows it.
export function pathNumber(path) {
  if (path.outcome) return ["outcome", outcomeOf(path)];
  if (path.pruned) return ["potential", stoppedBy(path)];
  return null;
}

export function pathNumberWords(path) {
  const found = pathNumber(path);
  if (!found) return "";
  const words = told(...found);
  if (path.mean === null || found[0] !== "outcome") return words;
  return voice.researchers ? `mean ${words}` : `${words} on average`;
}

// P(yes) to potential of the guess at which an attempt was stopped.
export function stoppedBy(path) {
  return path.steps[path.pruned.step]?.verdicts.potential?.p_yes ?? 1 - path.pruned.p_no;
}

// How sure the judge is that a requirement of the prompt is there: "a dog: 93%".
export function presentWords(requirement, yes) {
  return `${requirement}: ${number(yes)}`;
}

// What the judge says of a requirement at a step of an attempt, and since when it says what it said last.
export function sinceWords(path, place, at, since) {
  if (since === null) return "not asked";
  const last = path.steps.findLast((step) => step.present).present[place];
  const now = path.steps[at].present;
  return `${now ? number(now[place]) : "–"} · ${last >= EVEN ? "there" : "missing"} since step ${since + 1}`;
}

// A cell of the matrix in one sentence; `requirements` are the run's, in words.
export function cellWords(path, step, requirements) {
  const where = `${attempt(path.path)}, step ${step + 1}`;
  const cell = path.steps[step];
  if (path.spared) return `${where}: ${SPARED}`;
  if (isCutOff(path, step)) return `${where}: not painted, the attempt was stopped after step ${path.pruned.step + 1}`;
  if (!cell.decoded) return path.steps.some((later) => later.decoded && later.step > step) ? `${where}: kept from the image before` : `${where}: not painted yet`;
  const { kept, total } = countTokens(path, step);
  const verdicts = QUESTIONS.filter((question) => cell.verdicts[question]).map(
    (question) => verdictWords(question, cell.verdicts[question]),
  );
  const stopped = path.pruned?.step === step ? [`stopped here${cell.verdicts.potential ? "" : `, ${told("potential", stoppedBy(path))}`}`] : [];
  const listed = cell.present ? requirements.map((one, place) => presentWords(one, cell.present[place])) : [];
  return [`${where}: ${kept} of ${total} tokens kept`, ...verdicts, ...stopped, ...listed].join(", ");
}

export function verdictWords(question, verdict) {
  const [, answer] = VERDICTS[question][verdict.answer];
  return verdict.answer === "yes" && !voice.researchers ? told(question, verdict.p_yes) : `${answer} (${told(question, verdict.p_yes)})`;
}

// Who says what is true of an image: an exact checker, or a detector, which is named.
export function checkerWords(checked) {
  return checked?.by ? `Checker (${checked.by}, which errs; hidden from the judge): ` : CHECKER;
}

// How it comes to say so.
export function checkerMeaning({ by }) {
  return by ? "GenEval’s own scorer: a detector and the benchmark’s rules, which may be wrong; it never chooses an image" : "A program that reads the image exactly; it never chooses one";
}

// What is true of an image beside what the judge says of it, which may be mistaken.
export function truthBeside({ checked, outcome, p_yes }) {
  const answer = answerTo({ outcome, p_yes });
  const mistaken = answer === "yes" ? !checked.correct : answer !== null && checked.strict;
  return `${truthWords(checked)}${mistaken ? (checked.by ? ". The judge says otherwise" : ". The judge is mistaken") : ""}`;
}

export function truthWords(checked) {
  if (!checked) return "";
  if (checked.strict) return "right";
  const reason = prose(checked.reason);
  if (checked.correct) return reason ? `right, but ${reason}` : "right, with something that was not asked for";
  return reason ? `wrong: ${reason}` : "wrong";
}

// Words of a word-level model as a person writes them, as cotdemo/run/prose.py does: "three apples , not two" -> "three apples, not two".
export function prose(text) {
  return text.replace(/\s+([,.;!?])(?=\s|$)/g, "$1");
}

// What a screen reader is told while a run goes on: milestones only.
export function milestone(before, after) {
  if (after.phase !== before.phase) return statusWords(after);
  if (after.phase === "waiting" || after.phase === "failed") return after.message === before.message ? "" : after.message;
  const old = before.rounds.at(-1);
  const now = after.rounds.at(-1);
  if (!now || after.phase !== "running") return "";
  if (!old || old.round !== now.round || waveOf(old) !== waveOf(now)) return statusWords(after);
  const fallen = now.paths.filter((path, index) => path.pruned && !old.paths[index].pruned);
  if (fallen.length) return fallen.map((path) => `${attempt(path.path)} stopped at step ${path.pruned.step + 1}.`).join(" ");
  if (now.criticised?.done && !old.criticised?.done) return `Critique: ${prose(now.criticised.text)}`;
  return "";
}

export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
