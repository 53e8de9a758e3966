// What the viewer says, in words: the status line, labels for screen readers, numbers.

import { QUESTIONS, alive, answerOf, answerRound, countTokens, isCutOff, lastStep, outcomeOf, ranking, statusOf } from "./reducer.js";

// A probability in three characters: ".07", ".97", "1.0".
export function probability(value) {
  if (value >= 0.995) return "1.0";
  return value.toFixed(2).slice(1);
}

// Glyphs differ in shape, not only in colour.
export const VERDICTS = {
  clarity: { name: "Clear", yes: ["●", "clear"], no: ["○", "not clear yet"], neither: ["◌", "no answer on clarity"] },
  potential: { name: "Potential", yes: ["▲", "can become right"], no: ["▼", "can no longer become right"], neither: ["△", "no answer on potential"] },
  outcome: { name: "Match", yes: ["✓", "matches the prompt"], no: ["✕", "does not match the prompt"], neither: ["–", "no answer on the outcome"] },
};

export function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

// The method and what is asked for beside it, a few words each; `labels` is what cotdemo.ui.data.labels says.
export function settingsWords(started, labels) {
  const told = labels.settings.map((setting) => settingWords(setting, started[setting.name]));
  return [labels.methods[started.method]?.label ?? started.method, ...told.filter(Boolean)];
}

// As Setting.words of cotdemo/settings.py: "" for what is as usual, and in traces from before there was such a setting.
function settingWords({ said, options, usual }, value) {
  if (value === undefined || value === usual) return "";
  return said ? said.replace("{}", value).replace("(s)", value === 1 ? "" : "s") : options[value] ?? "";
}

// The weights that a run painted and judged with; a trace names all that its backend had.
export function weightsWords({ backend, weights, model, method, repaint }, labels) {
  const { repaints, verifier } = labels.methods[method] ?? {};
  const reflected = repaints ? [repaint === "region" ? "" : labels.corrector, labels.critics[backend]] : [];
  const used = [...new Set([labels.models[model]?.part, "magvit", verifier, ...reflected])];
  const named = used[0] in weights ? used.filter((part) => part in weights) : Object.keys(weights); // by names of its own
  return named.map((part) => `${part} ${weights[part]}`).join(", ");
}

// The line above the matrix.
export function statusWords(state) {
  switch (state.phase) {
    case "empty":
      return "Nothing painted yet.";
    case "waiting":
    case "failed":
      return state.message;
    case "stopped":
      return "Stopped. What was painted until then stays here to look at.";
    case "finished":
      return answerWords(state);
    default:
      return progressWords(state);
  }
}

// A search says itself where it is: "step 9 of 18 - 5 of 8 paths alive - judging potential".
function progressWords(state) {
  return sentence((state.message || "starting").replaceAll(" - ", " · "));
}

function answerWords(state) {
  const round = answerRound(state);
  const answer = answerOf(round);
  if (!answer) return "Finished.";
  const count = round.paths.length;
  const parts = [count === 1 ? "One path painted" : `Path ${answer.path + 1} of ${count} is chosen`];
  if (round.round > 0) parts[0] = `Repainted in round ${round.round}: path ${answer.path + 1} of ${count} is chosen`;
  else if (state.rounds.length > 1) parts[0] = `Path ${answer.path + 1} of the first painting stays: what was repainted is not better, says the judge`;
  if (answer.p_yes !== null) parts.push(`${answer.mean === null ? "" : "mean "}P(yes) ${probability(answer.p_yes)}`);
  if (answer.fallback) parts.push("no path passed the judge, so the least doubtful was finished");
  const stopped = count - alive(round);
  if (stopped && !answer.fallback) parts.push(`${plural(stopped, "path")} stopped early`);
  return parts.join(" · ");
}

export function costWords(state) {
  const { finished: cost } = state;
  if (!cost) return "";
  const passes = `${plural(cost.generator_passes, "generator pass").replace(/passs$/, "passes")}`;
  const saved = cost.passes_saved ? `, ${cost.passes_saved} saved by stopping early` : "";
  return `${passes}${saved} · ${plural(cost.judge_passes, "question")} to the judge · ${cost.seconds.toFixed(1)} s`;
}

// The state of a path, for the first column: [short words, kind].
export function pathWords(round, path) {
  const status = statusOf(round, path);
  switch (status) {
    case "won":
      return ["chosen", status];
    case "pruned":
      return [`stopped at ${path.pruned.step + 1}`, status];
    case "judged":
      return [`ranked ${ranking(round).indexOf(path.path) + 1}`, status];
    case "painted":
      return ["painted", "judged"];
    case "alive":
      return [`step ${lastStep(path) + 1}`, status];
    default:
      return ["waiting", status];
  }
}

// The number beside it: P(yes) to the outcome, or P(no) to potential that ended the path.
export function pathNumber(path) {
  if (path.outcome) return [path.mean === null ? "P(yes)" : "mean P(yes)", outcomeOf(path)];
  if (path.pruned) return ["P(no)", path.pruned.p_no];
  return null;
}

// A cell of the matrix in one sentence.
export function cellWords(path, step) {
  const where = `Path ${path.path + 1}, step ${step + 1}`;
  const cell = path.steps[step];
  if (isCutOff(path, step)) return `${where}: not painted, the path was stopped after step ${path.pruned.step + 1}`;
  if (!cell.decoded) return path.steps.some((later) => later.decoded && later.step > step) ? `${where}: kept from the picture before` : `${where}: not painted yet`;
  const { kept, total } = countTokens(path, step);
  const verdicts = QUESTIONS.filter((question) => cell.verdicts[question]).map(
    (question) => verdictWords(question, cell.verdicts[question]),
  );
  const stopped = path.pruned?.step === step ? [`stopped here, P(no) ${probability(path.pruned.p_no)}`] : [];
  return [`${where}: ${kept} of ${total} tokens kept`, ...verdicts, ...stopped].join(", ");
}

export function verdictWords(question, verdict) {
  return `${VERDICTS[question][verdict.answer][1]}, P(yes) ${probability(verdict.p_yes)}`;
}

export function truthWords(checked) {
  if (!checked) return "";
  if (checked.strict) return "right";
  const reason = prose(checked.reason);
  if (checked.correct) return reason ? `right, but ${reason}` : "right, with something that was not asked for";
  return reason ? `wrong: ${reason}` : "wrong";
}

// Words of a word-level model as a person writes them, as cotdemo/run/prose.py does: "three stars , not two" -> "three stars, not two".
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
  if (!old || old.round !== now.round) return statusWords(after);
  const fallen = now.paths.filter((path, index) => path.pruned && !old.paths[index].pruned);
  if (fallen.length) return fallen.map((path) => `Path ${path.path + 1} stopped at step ${path.pruned.step + 1}.`).join(" ");
  if (now.criticised?.done && !old.criticised?.done) return `Critique: ${prose(now.criticised.text)}`;
  return "";
}

export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
