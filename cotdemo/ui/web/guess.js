// Guess first: of a recorded run the visitor bets which attempts the judge will stop and which one wins, at the step at which
// the judge first stops one, and is then told how far both agree. Nothing is asked of the server.

import { answerOf, tried, waveOf } from "./reducer.js";
import { make, setAttribute, setText, toggle } from "./dom.js";
import { attempt, plural, prose, sentence } from "./words.js";

// What can be bet on an attempt, in the order in which presses go through them: [words, as what it is drawn].
export const BETS = { on: ["goes on", "alive"], stopped: ["stopped", "pruned"], wins: ["wins", "won"] };
const ORDER = Object.keys(BETS);

// Only a run that is over holds what there is to guess, and only of several attempts that were begun together and judged.
export function canGuess(state) {
  const [first] = state.rounds;
  return Boolean(state.recorded && state.phase === "finished" && first?.winner && tried(first).length > 1 && waveOf(first) === 0 && answerOf(first).p_yes !== null);
}

// The moment of the stage at which it is guessed: the judge sees these very images when it first stops an attempt.
export function guessMoment(state) {
  const stops = state.rounds[0].paths.filter(({ pruned }) => pruned).map(({ pruned }) => pruned.step);
  const step = stops.length ? Math.min(...stops) : Math.floor((state.started.steps - 1) / 2);
  return { part: "guess", round: 0, step, seen: { critiques: 0, repaintings: 0, verdict: false } };
}

// What became of every attempt, in the words of a bet.
export function fates(round) {
  return round.paths.map(({ path, pruned }) => (path === round.winner.path ? "wins" : pruned ? "stopped" : "on"));
}

// The bets after a press on an attempt; one attempt wins at most.
export function pressed(bets, path) {
  const next = ORDER[(ORDER.indexOf(bets[path]) + 1) % ORDER.length];
  return bets.map((bet, other) => (other === path ? next : next === "wins" && bet === "wins" ? "on" : bet));
}

export function scoreWords(round, bets) {
  const came = fates(round);
  const both = (fate) => bets.filter((bet, path) => bet === fate && came[path] === fate).length;
  const agreed = bets.filter((bet, path) => bet === came[path]).length;
  const stopped = came.filter((fate) => fate === "stopped").length;
  const stops = stopped ? `${both("stopped")} of the ${stopped} that it stopped` : "it stopped none";
  const mine = bets.indexOf("wins");
  const theirs = round.winner.path;
  const won = mine === theirs ? "and the winner" : `but its winner is ${attempt(theirs).toLowerCase()}`;
  return `You agree with the judge on ${agreed} of ${plural(bets.length, "attempt")}: ${stops}, ${won}.${checkedWords(round, mine, theirs)}`;
}

// Which of both the checker sides with, where it has seen both.
function checkedWords(round, mine, theirs) {
  const told = (path) => (round.paths[path]?.checked ? calledWords(round.paths[path].checked) : "");
  if (!told(theirs)) return "";
  const calls = ` ${sentence(round.paths[theirs].checked.by ?? "the checker")} calls`;
  if (mine === theirs) return `${calls} it ${told(theirs)}.`;
  if (told(mine) === told(theirs)) return `${calls} your winner and the judge’s both ${told(theirs)}.`;
  return told(mine) ? `${calls} your winner ${told(mine)}, and the judge’s ${told(theirs)}.` : `${calls} the judge’s ${told(theirs)}.`;
}

function calledWords({ correct, strict, reason }) {
  if (!correct) return "wrong";
  return strict || !reason ? "right" : `right, though ${prose(reason)}`;
}

// The bets and what is said of them. `reveal()` is called when they are made, `leave()` when the visitor does not want to.
export class Guess {
  constructor(reveal, leave) {
    this.bets = null; // while it is guessed
    this.looked = 0; // the attempt that is shown large
    this.score = null; // {run, words} of the bets that were made last
    this.told = make("p", { class: "cot-note", role: "status" });
    this.reveal = make("button", { type: "button", class: "cot-follow", onclick: reveal }, "Reveal");
    this.leave = make("button", { type: "button", class: "cot-follow", onclick: leave }, "Just show it");
    this.bar = make("div", { class: "cot-guess-bar" }, this.told, this.reveal, this.leave);
  }

  begin(state) {
    this.run = state.run;
    this.bets = state.rounds[0].paths.map(() => "on");
    this.looked = 0;
    this.score = null;
  }

  press(path) {
    this.bets = pressed(this.bets, path);
    this.looked = path;
  }

  // Whether it is this run that is guessed.
  isAbout(state) {
    return Boolean(this.bets) && this.run === state.run && canGuess(state);
  }

  // Ends the guessing; with a score, if it is wanted.
  end(state, scored) {
    this.score = scored ? { run: state.run, words: scoreWords(state.rounds[0], this.bets) } : null;
    this.bets = null;
  }

  draw(state, resting) {
    const scored = resting && this.score?.run === state.run;
    for (const button of [this.reveal, this.leave]) toggle(button, Boolean(this.bets));
    setAttribute(this.bar, "data-scored", scored ? "true" : null);
    if (this.bets) setText(this.told, "Which attempts will the judge stop, and which one wins? Press an attempt to change your bet on it: goes on, stopped, wins.");
    else setText(this.told, scored ? this.score.words : "");
  }
}
