// The stage: the run at one glance, first of all. One image, large, with all attempts beside it, what the judge says, and
// one sentence on what is happening. A recorded run is played once, then rests on its result; a live one shows as it comes.

import { answerOf, answerRound, beginning, lastStep, promptOf, reflections, requirementsOf, stays, veilOf } from "./reducer.js";
import { ICONS, STILL, icon, make, setAttribute, setText, toggle } from "./dom.js";
import { canvasSide, clear, drawGuess } from "./canvas.js";
import { leading, momentAt, moments, present, stepAt } from "./moments.js";
import { Brush, meantBy } from "./brush.js";
import { Checklist } from "./checklist.js";
import { BETS, Guess, canGuess, guessMoment } from "./guess.js";
import { Reflection } from "./reflection.js";
import { Saying } from "./saying.js";
import { slide } from "./slide.js";
import { VERDICTS, attempt, checkerMeaning, checkerWords, fateInWords, fateWords, isCrowned, lookedWords, nowWords, outcomeWords, pathWords, speaksToResearchers, statusWords, truthBeside, truthWords } from "./words.js";

const LARGE = 384; // canvas pixels per side, about
const SMALL = 96;
const BESIDE = 8; // attempts that have room beside the image on a phone
const TOUCHED = "(pointer: coarse)";

export class Stage {
  // `onSelect({round, path, step})` where an attempt is chosen; `onDraw()` where the stage is to be drawn again; `less(prompt)`
  // is a promise of what may be taken away from an image (cotdemo/world/prompts.py).
  constructor(onSelect, onDraw, less) {
    this.onSelect = onSelect;
    this.onDraw = onDraw;
    this.less = less;
    this.playing = null; // {list, since, timer, settled} while a run is played
    this.peek = null; // {round, path} of an attempt that the visitor wants to see large
    this.canvas = make("canvas", { width: LARGE, height: LARGE, role: "img" });
    this.mended = make("div", { class: "cot-mended" });
    this.tries = make("div", { class: "cot-tries", role: "group", "aria-label": "Attempts" });
    this.judge = make("p", { class: "cot-judge", title: VERDICTS.outcome.meaning });
    this.truth = make("p", { class: "cot-truth" });
    this.checklist = new Checklist();
    this.facts = make("div", { class: "cot-facts" }, this.judge, this.truth);
    this.opinion = make("div", { class: "cot-opinion" }, this.checklist.element, this.facts);
    this.reflection = new Reflection();
    this.beside = make("div", { class: "cot-beside" }, this.reflection.element, this.opinion);
    this.status = new Saying("cot-status");
    this.replay = make("button", { type: "button", class: "cot-follow cot-replay", onclick: () => (this.playing ? this.rest() : this.play(this.state)) });
    this.sent = null; // what the brush has asked for, until that is taken
    this.brush = new Brush((tokens, prompt) => this.request((this.sent = { tokens, prompt })), () => this.onDraw());
    this.brushing = make("button", { type: "button", class: "cot-follow", title: "Mark tokens of this image, and have only them painted anew", onclick: () => this.pickUp() }, "Brush");
    this.back = make("button", { type: "button", class: "cot-follow", title: "The image before it was painted anew", onclick: () => this.request({ tokens: [] }) }, "Undo");
    this.progress = make("div", { class: "cot-progress", "aria-hidden": "true" }, make("span"));
    this.guess = new Guess(() => this.reveal(true), () => this.reveal(false));
    this.acts = make("div", { class: "cot-acts" }, this.back, this.brushing, this.replay);
    this.element = make(
      "section", { class: "cot-show", "aria-label": "The run at a glance" },
      make("figure", { class: "cot-big" }, this.canvas, this.mended, this.brush.element), this.tries,
      make("div", { class: "cot-now" }, this.status.element, this.acts, this.progress, this.brush.bar, this.guess.bar),
      this.beside,
    );
    this.shape = "";
  }

  // Plays the run from its beginning, or from a step of its first round; `settled` is called when it has come to rest. With
  // reduced motion it rests at once.
  play(state, settled = () => {}, step = 0) {
    this.peek = null;
    if (this.playing) this.rest();
    if (matchMedia(STILL).matches || !this.element.offsetParent) return settled();
    const list = moments(state);
    const from = list.find((one) => one.round === 0 && one.step >= step)?.at ?? 0;
    this.playing = { list, since: performance.now() - from, settled };
    this.tick();
  }

  // Lets the visitor guess what comes of a run, where that can be guessed; whether it can.
  ask(state) {
    if (!canGuess(state)) return false;
    this.rest();
    this.brush.close();
    this.peek = null;
    this.state = state;
    this.guess.begin(state);
    this.onDraw();
    return true;
  }

  // What came of it, from where it was guessed on; `scored` where the bets count.
  reveal(scored) {
    if (!this.guess.bets) return;
    this.guess.end(this.state, scored);
    this.play(this.state, () => {}, guessMoment(this.state).step);
    if (this.guess.bar.contains(document.activeElement)) this.attempts[this.guess.looked].button.focus({ preventScroll: true });
    this.onDraw();
  }

  tick() {
    const { list, since } = this.playing;
    const elapsed = performance.now() - since;
    const next = list.find(({ at }) => at > elapsed);
    if (!next) return this.rest();
    this.playing.timer = setTimeout(() => this.tick(), next.at - elapsed);
    this.onDraw();
  }

  // What the page's server is asked for: tokens to paint anew; none to take back what was.
  request(detail) {
    this.element.dispatchEvent(new CustomEvent("cot-brush", { bubbles: true, detail }));
  }

  pickUp() {
    this.rest();
    this.peek = this.sent = null;
    const round = answerRound(this.state);
    this.brushed = this.state.run;
    bringIntoSight(this.canvas);
    this.brush.begin(round.paths[answerOf(round).path].steps, this.state.started.grid, meantBy(this.state));
    this.less(promptOf(this.state)).then((ways) => this.brush.offer(ways ?? []), () => {}); // without them it is a brush all the same
    this.onDraw();
  }

  rest() {
    if (!this.playing) return;
    const { timer, settled } = this.playing;
    clearTimeout(timer);
    this.playing = null;
    this.onDraw();
    settled();
  }

  redraw() {
    this.drawn = null;
  }

  draw(state, colours) {
    this.state = state;
    if (this.guess.bets && !this.guess.isAbout(state)) this.guess.end(state, false);
    const moment = this.guess.bets ? guessMoment(state) : this.playing ? momentAt(this.playing.list, performance.now() - this.playing.since) : present(state);
    const round = state.rounds[moment.round];
    setAttribute(this.element, "data-part", round ? moment.part : "empty");
    setAttribute(this.element, "data-repaints", state.started?.method === "parm++" ? "true" : null); // keeps room for it
    this.status.say(this.sentence(state, moment), state.phase === "failed");
    setAttribute(this.replay, "data-later", state.phase === "finished" && !matchMedia(STILL).matches ? null : "true"); // keeps its room
    setText(this.replay, this.playing ? "Skip" : "Replay");
    setAttribute(this.replay, "aria-label", this.playing ? "Skip to the result" : "Replay how it was painted");
    this.drawActs(state);
    this.drawProgress(state, moment);
    this.guess.draw(state, moment.part === "rest");
    this.drawFacts(state, moment);
    this.drawChecklist(state, round, moment);
    this.reflection.draw(state, moment.seen);
    if (!round) return;
    this.drawLarge(state, round, moment, colours);
    this.drawMended(state, moment);
    this.drawTries(state, round, moment, colours);
  }

  sentence(state, moment) {
    if (moment.part === "guess") return `Step ${moment.step + 1} of ${state.started.steps}, before the judge has stopped any.`;
    if (this.playing && moment.part !== "rest") return nowWords(state, moment);
    const looked = state.phase === "finished" ? this.lookedAt(state.rounds[moment.round], moment) : null;
    if (looked) return lookedWords(state.rounds[moment.round], looked);
    const painted = moment.part !== "rest" && state.rounds[moment.round].paths.some((path) => lastStep(path) >= 0);
    const plain = painted && !speaksToResearchers() && (/^(wave \d+ - )?step \d/.test(state.message) || moment.part !== "painting");
    const apart = !this.beside.contains(this.reflection.element);
    return plain ? nowWords(state, moment) : statusWords(state, apart);
  }

  drawActs(state) {
    const round = state.phase === "running" || state.phase === "waiting" ? null : answerRound(state);
    const codes = round && answerOf(round).codes;
    if (this.brush.open && (!codes || this.brushed !== state.run)) this.brush.close();
    if (this.sent && state.phase === "failed" && codes) {
      const { tokens, prompt } = this.sent; // refused: nothing that was marked or written is lost
      this.pickUp();
      this.brush.resume(tokens, prompt);
    }
    if (state.phase === "running") this.sent = null;
    setAttribute(this.brushing, "data-later", codes && state.started.steps > 1 && !this.brush.open ? null : "true"); // keeps its room
    toggle(this.back, Boolean(round) && round.before !== null);
  }

  drawProgress(state, moment) {
    const done = moment.part === "rest" ? Number(state.phase === "finished") : (moment.step + 1) / state.started.steps;
    this.progress.firstChild.style.width = `${(100 * done).toFixed(1)}%`;
  }

  // The attempt of a round that the visitor looks at; null while the run is played, or where it is the chosen one.
  lookedAt(round, moment) {
    if (moment.part === "guess") return round.paths[this.guess.looked];
    return moment.part === "rest" && this.peek && this.peek.round === round?.round ? round.paths[this.peek.path] : null;
  }

  shownLarge(round, moment) {
    return this.lookedAt(round, moment) ?? round.paths[leading(round, moment)];
  }

  // Of the attempt that is shown large: the chosen one, or that which the visitor looks at.
  drawFacts(state, moment) {
    const round = state.rounds[moment.round];
    const looked = moment.part === "guess" ? null : this.lookedAt(round, moment);
    if (looked) {
      const [, kind] = pathWords(round, looked);
      this.judge.replaceChildren(make("strong", {}, `${attempt(looked.path)}: `), make("span", { "data-kind": kind }, fateInWords(round, looked, requirementsOf(state))));
      this.drawTruth(looked.checked, truthWords(looked.checked));
      setAttribute(this.facts, "data-later", null);
      toggle(this.opinion, true);
      return;
    }
    const answer = state.phase === "running" ? null : answerOf(answerRound(state));
    const [glyph, words, kind] = answer ? outcomeWords(answer) : ["", "", ""];
    this.judge.replaceChildren(...(answer ? [make("strong", {}, "Judge: "), make("span", { "data-verdict": kind }, make("span", { class: "cot-mark" }, glyph), ` ${words}`)] : []));
    const checked = answer?.checked ?? null;
    this.drawTruth(checked, checked ? truthBeside(answer) : "");
    setAttribute(this.facts, "data-later", moment.seen.verdict ? null : "true");
    toggle(this.opinion, state.phase === "running" || reflections(state).length === 0); // else the images beside the critique say it
  }

  // Of the guess that is shown large; while it is guessed it would tell.
  drawChecklist(state, round, moment) {
    const path = round && moment.part !== "guess" ? this.shownLarge(round, moment) : null;
    this.checklist.draw(state, path, path ? stepAt(path, moment) : 0);
  }

  drawTruth(checked, words) {
    this.truth.replaceChildren(...(words ? [make("strong", {}, checkerWords(checked)), words] : []));
    setAttribute(this.truth, "title", words ? checkerMeaning(checked) : null);
    toggle(this.truth, Boolean(words));
  }

  drawLarge(state, round, moment, colours) {
    const answer = this.lookedAt(round, moment) || moment.part === "painting" ? null : answerOf(round);
    const path = this.shownLarge(round, moment);
    const step = path.steps[stepAt(path, moment)];
    const [url, masked] = answer?.picture ? [answer.picture, null] : step?.decoded ? [step.picture ?? null, veilOf(state, step)] : beginning(state, round);
    const name = answer ? `The chosen image, ${attempt(path.path).toLowerCase()}` : `${attempt(path.path)}, step ${(step?.step ?? 0) + 1}`;
    setAttribute(this.canvas, "aria-label", name);
    const side = canvasSide(LARGE, state.started.grid[1]);
    if (this.canvas.width !== side) this.canvas.width = this.canvas.height = side;
    const drawn = [url, masked, colours.veil];
    if (this.drawn?.every((one, index) => one === drawn[index])) return;
    this.drawn = drawn;
    if (url || masked) drawGuess(this.canvas, url, masked, state.started.grid, colours);
    else clear(this.canvas);
  }

  // The image before and after its repainting, over the large one, once the run rests on it.
  drawMended(state, moment) {
    const entry = reflections(state).findLast(({ before, after }) => answerOf(before)?.picture && answerOf(after)?.picture);
    const key = entry && state.phase !== "running" && !stays(entry.before, entry.after) ? [entry.before, entry.after] : [];
    if (key.length !== this.mendedKey?.length || key.some((one, index) => one !== this.mendedKey[index])) {
      this.mendedKey = key;
      const result = answerRound(state) === entry?.after ? 0 : 100;
      this.mended.replaceChildren(...(key.length ? [slide(answerOf(entry.before), answerOf(entry.after), state.started.grid, result)] : []));
    }
    const shown = key.length > 0 && moment.part === "rest" && !this.peek && !this.brush.open;
    setAttribute(this.mended, "data-later", shown ? null : "true");
  }

  drawTries(state, round, moment, colours) {
    const shape = `${state.run}/${round.paths.length}/${state.started.grid}`;
    if (shape !== this.shape) this.buildTries(round, shape, canvasSide(SMALL, state.started.grid[1]));
    const { bets } = this.guess;
    const crowned = bets ? bets.includes("wins") : moment.part !== "painting" && isCrowned(round);
    setAttribute(this.tries, "aria-label", bets ? "Your bets" : "Attempts");
    const looked = this.lookedAt(round, moment);
    const large = round.paths.length > 1 ? this.shownLarge(round, moment) : null;
    round.paths.forEach((path, index) => {
      const { button, canvas, words, crown, drawn } = this.attempts[index];
      const [fate, kind] = bets ? BETS[bets[index]] : fateWords(round, path, moment);
      const step = path.steps[stepAt(path, moment)];
      setText(words, fate);
      setAttribute(button, "data-kind", kind);
      setAttribute(button, "aria-label", `${attempt(index)}: ${bets ? `you bet: ${fate}. Change it` : `${fate}. Show it large`}`);
      setAttribute(button, "aria-pressed", String(looked === path));
      setAttribute(button, "data-large", large === path ? "true" : null);
      toggle(crown, kind === "won" && crowned);
      if (drawn.step === step && drawn.veil === colours.veil && step) return;
      Object.assign(drawn, { step, veil: colours.veil });
      const [url, masked] = step?.decoded ? [step.picture, veilOf(state, step)] : beginning(state, round);
      if (url || masked) drawGuess(canvas, url, masked, state.started.grid, colours);
      else clear(canvas);
    });
  }

  buildTries(round, shape, side) {
    this.shape = shape;
    this.attempts = round.paths.map(({ path }) => {
      const canvas = make("canvas", { width: side, height: side, "aria-hidden": "true" });
      const words = make("span", { class: "cot-try-words" });
      const crown = icon(ICONS.crown);
      const button = make(
        "button", { type: "button", class: "cot-try", onclick: () => this.look(path) },
        canvas, make("span", { class: "cot-try-name" }, crown, String(path + 1)), words,
      );
      return { button, canvas, words, crown, drawn: {} };
    });
    setAttribute(this.tries, "data-count", round.paths.length);
    setAttribute(this.element, "data-many", round.paths.length > BESIDE ? "true" : null);
    this.tries.replaceChildren(...this.attempts.map(({ button }) => button));
  }

  // An attempt is wanted large, here and in what follows below; once more, and the result is back.
  look(path) {
    if (this.guess.bets) {
      this.guess.press(path);
      return this.onDraw();
    }
    this.brush.close();
    const { round } = present(this.state);
    const same = this.peek?.round === round && this.peek.path === path;
    this.peek = same ? null : { round, path };
    this.onSelect({ round, path: same ? leading(this.state.rounds[round]) : path, step: Math.max(0, lastStep(this.state.rounds[round].paths[path])) });
  }
}

// The prompt waits for the visitor, unless something has the focus already; no phone opens its keyboard for it.
export function invitePrompt() {
  const field = document.querySelector("#prompt textarea");
  const free = document.activeElement === document.body || document.activeElement === null;
  if (field?.offsetParent && free && !matchMedia(TOUCHED).matches) field.focus({ preventScroll: true });
}
