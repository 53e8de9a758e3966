// The viewer's reducer and words, without a browser: node --test tests/
"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");

const WEB = "../cotdemo/ui/web";
const reducer = import(`${WEB}/reducer.js`);
const words = import(`${WEB}/words.js`);

const base64 = (bytes) => Buffer.from(bytes).toString("base64");
const started = (more = {}) => ({
  type: "RunStarted", prompt: "a photo of a dog", method: "parm", backend: "mini", model: "base", paths: 3, steps: 4,
  guidance: 1.75, temperature: 1, seed: 7, rounds: 0, grid: [2, 4], codebook: 1024, picture_size: [64, 64], weights: {}, ...more,
});
// `kept` are the positions that are settled after the step.
const decoded = (path, step, kept = [], more = {}) => ({
  type: "StepDecoded", round: 0, path, step,
  codes: base64(new Uint8Array(Uint16Array.from({ length: 8 }, (_, token) => 300 + token).buffer)),
  masked: base64([[0, 1, 2, 3, 4, 5, 6, 7].reduce((bits, token) => bits | (kept.includes(token) ? 0 : 1 << token), 0)]),
  confidence: base64([255, 128, 0, 0, 0, 0, 0, 51]),
  picture: `data:image/webp;base64,${path}${step}`, ...more,
});
const judged = (path, step, question, yes, more = {}) => ({
  type: "Judged", round: 0, path, step, question, p_yes: yes, p_no: 1 - yes, answer: yes >= 0.5 ? "yes" : "no", ...more,
});
const pruned = (path, step, no = 0.9) => ({ type: "PathPruned", round: 0, path, step, p_no: no });
const winner = (path, more = {}) => ({ type: "Winner", round: 0, path, survivors: [path], p_yes: 0.9, fallback: false, codes: "", picture: "data:image/webp;base64,w", ...more });
const finished = (more = {}) => ({
  type: "RunFinished", round: 0, path: 1, seconds: 1.25, generator_passes: 20, judge_passes: 9, pictures_decoded: 10, passes_saved: 4, ...more,
});
const message = (seq, events, more = {}) => ({ run: "r", seq, events, ...more });

async function after(...events) {
  const { reduce, emptyState } = await reducer;
  return [started(), ...events].reduce(reduce, emptyState());
}

test("a started run has a place for every path and step", async () => {
  const state = await after();
  assert.equal(state.phase, "running");
  assert.deepEqual(state.rounds[0].paths.map((path) => path.steps.length), [4, 4, 4]);
  assert.ok(state.rounds[0].paths.every((path) => path.steps.every((step) => !step.decoded)));
});

test("reducing changes nothing that was there before", async () => {
  const { reduce } = await reducer;
  const deepFreeze = (value) => {
    if (value && typeof value === "object" && !ArrayBuffer.isView(value)) Object.values(Object.freeze(value)).forEach(deepFreeze);
    return value;
  };
  let state = deepFreeze(await after());
  for (const event of [decoded(0, 0, [1]), judged(0, 0, "clarity", 0.2), pruned(0, 0), winner(1), finished()]) {
    state = deepFreeze(reduce(state, event));
  }
  assert.equal(state.phase, "finished");
});

test("what an event does not touch stays the same object, so it is not drawn again", async () => {
  const { reduce } = await reducer;
  const before = await after(decoded(0, 0), decoded(1, 0));
  const now = reduce(before, decoded(0, 1));
  assert.equal(now.rounds[0].paths[1], before.rounds[0].paths[1]);
  assert.equal(now.rounds[0].paths[0].steps[0], before.rounds[0].paths[0].steps[0]);
  assert.notEqual(now.rounds[0].paths[0].steps[1], before.rounds[0].paths[0].steps[1]);
});

test("codes, mask and confidence are unpacked", async () => {
  const state = await after(decoded(1, 0, [0, 3]));
  const step = state.rounds[0].paths[1].steps[0];
  assert.deepEqual([...step.codes], [300, 301, 302, 303, 304, 305, 306, 307]);
  assert.deepEqual([...step.masked], [0, 1, 1, 0, 1, 1, 1, 1]);
  assert.equal(step.confidence[7], 51);
});

test("a token is masked, then new in the step that keeps it, then kept", async () => {
  const { tokenState, keptAt } = await reducer;
  const path = (await after(decoded(0, 0, [2]), decoded(0, 1, [2, 5]), decoded(0, 2, [2, 5]))).rounds[0].paths[0];
  assert.deepEqual([0, 1, 2].map((step) => tokenState(path, step, 5)), ["masked", "new", "kept"]);
  assert.deepEqual([0, 1, 2].map((step) => keptAt(path, step, 5)), [-1, 1, 1]);
  assert.equal(tokenState(path, 0, 2), "new");
});

test("kept and added tokens are counted", async () => {
  const { countTokens } = await reducer;
  const path = (await after(decoded(0, 0, [2]), decoded(0, 1, [2, 5, 6]))).rounds[0].paths[0];
  assert.deepEqual(countTokens(path, 0), { total: 8, kept: 1, added: 1 });
  assert.deepEqual(countTokens(path, 1), { total: 8, kept: 3, added: 2 });
});

test("a stopped path keeps its step and probability, and what follows is cut off", async () => {
  const { isCutOff, alive } = await reducer;
  const round = (await after(decoded(0, 0), decoded(0, 1), pruned(0, 1, 0.8))).rounds[0];
  assert.deepEqual([round.paths[0].pruned.step, round.paths[0].pruned.p_no], [1, 0.8]);
  assert.deepEqual([0, 1, 2, 3].map((step) => isCutOff(round.paths[0], step)), [false, false, true, true]);
  assert.equal(alive(round), 2);
});

test("a stopped path that is finished after all is not cut off where it was painted", async () => {
  const { isCutOff } = await reducer;
  const round = (await after(decoded(0, 1), pruned(0, 1), decoded(0, 2))).rounds[0];
  assert.equal(isCutOff(round.paths[0], 2), false);
});

test("what a stopped path misses most is told by the checklist as it was then", async () => {
  const { fateInWords } = await words;
  const present = (step, ...yes) => ({ type: "Present", round: 0, path: 0, step, p_yes: yes });
  const seen = [decoded(0, 0), present(0, 0.9, 0.03), decoded(0, 1), pruned(0, 1), decoded(0, 2), present(2, 0.01, 0.9)];
  const [first] = (await after(...seen, winner(1))).rounds;
  assert.match(fateInWords(first, first.paths[0], ["a dog", "two dogs"]), /^stopped at step 2.*\. What it misses most: two dogs \(3%\)$/);
  assert.doesNotMatch(fateInWords(first, first.paths[0]), /misses/);
  const [whole] = (await after(decoded(0, 0), present(0, 0.9, 0.6), pruned(0, 0), winner(1))).rounds;
  assert.doesNotMatch(fateInWords(whole, whole.paths[0], ["a dog", "two dogs"]), /misses/);
});

test("survivors are ranked by P(yes) to the outcome", async () => {
  const { ranking } = await reducer;
  const { pathWords } = await words;
  const painted = [0, 1, 2].map((path) => decoded(path, 3));
  const round = (await after(...painted, judged(0, 3, "outcome", 0.3), judged(1, 3, "outcome", 0.9), judged(2, 3, "outcome", 0.6), winner(1))).rounds[0];
  assert.deepEqual(ranking(round), [1, 2, 0]);
  assert.deepEqual(pathWords(round, round.paths[1]), ["chosen", "won"]);
  assert.deepEqual(pathWords(round, round.paths[2]), ["ranked 2", "judged"]);
});

test("a path that is judged on the way to its end still goes on", async () => {
  const { statusOf } = await reducer;
  const [round] = (await after(decoded(0, 0), judged(0, 0, "outcome", 0.8))).rounds;
  assert.equal(statusOf(round, round.paths[0]), "alive");
});

test("paths of a run judged at every step are ranked by the mean", async () => {
  const { ranking, answerOf } = await reducer;
  const { pathNumber, pathNumberWords } = await words;
  const { reduce, emptyState } = await reducer;
  const events = [judged(0, 0, "outcome", 0.8), judged(0, 1, "outcome", 0.4), judged(1, 0, "outcome", 0.2), judged(1, 1, "outcome", 0.9)];
  const state = [started({ method: "prm" }), ...events, winner(0, { p_yes: 0.4 })].reduce(reduce, emptyState());
  assert.deepEqual(ranking(state.rounds[0]), [0, 1]);
  const [name, mean] = pathNumber(state.rounds[0].paths[0]);
  assert.equal(name, "outcome");
  assert.equal(pathNumberWords(state.rounds[0].paths[0]), "matches 60% on average");
  assert.ok(Math.abs(mean - 0.6) < 1e-9);
  assert.equal(answerOf(state.rounds[0]).p_yes, mean);
  assert.equal(state.rounds[0].paths[0].steps[1].verdicts.outcome.p_yes, 0.4);
});

test("a repainting of such a run is judged as PARM judges, and Reflect's word on the winner is no step's", async () => {
  const { reduce, emptyState } = await reducer;
  const run = [started({ method: "prm" }), judged(0, 2, "outcome", 0.8), judged(0, 3, "outcome", 0.4), winner(0), finished({ path: 0 })];
  const events = [...run, judged(0, 3, "outcome", 0.1), judged(1, 3, "clarity", 0.9, { round: 1 }), judged(1, 3, "outcome", 0.7, { round: 1 })];
  const [first, second] = events.reduce(reduce, emptyState()).rounds;
  assert.deepEqual([first.paths[0].outcome.p_yes, first.paths[0].mean], [0.1, null]);
  assert.equal(first.paths[0].steps[3].verdicts.outcome.p_yes, 0.4);
  assert.deepEqual([second.paths[1].outcome.p_yes, second.paths[1].mean], [0.7, null]);
  assert.equal(second.paths[1].steps[3].verdicts.clarity.p_yes, 0.9);
});

test("events of paths, steps or types that there are not change nothing", async () => {
  const { reduce } = await reducer;
  const state = await after();
  assert.equal(reduce(state, { type: "Surprise" }), state);
  assert.deepEqual(reduce(state, decoded(99, 0)).rounds, state.rounds);
  assert.deepEqual(reduce(state, decoded(0, 99)).rounds, state.rounds);
  assert.deepEqual(reduce(state, { type: "toString" }).rounds, state.rounds);
});

test("events before the run has started are left out", async () => {
  const { reduce, emptyState } = await reducer;
  assert.deepEqual(reduce(emptyState(), decoded(0, 0)), emptyState());
});

test("a message of another run starts afresh", async () => {
  const { receive, emptyState } = await reducer;
  const first = receive(emptyState(), message(0, [started(), decoded(0, 0)]));
  const second = receive(first, { run: "other", seq: 0, events: [started({ paths: 1 })] });
  assert.equal(second.rounds[0].paths.length, 1);
  assert.equal(second.rounds[0].paths[0].steps[0].decoded, false);
});

test("messages are applied in their order, whatever the order they come in", async () => {
  const { receive, emptyState } = await reducer;
  const messages = [message(0, [started()]), message(1, [decoded(0, 0)]), message(2, [decoded(0, 1)]), message(3, [finished()])];
  const inOrder = messages.reduce(receive, emptyState());
  for (const order of [[0, 2, 1, 3], [0, 3, 1, 2], [1, 0, 3, 2], [3, 2, 1, 0]]) {
    assert.deepEqual(order.map((index) => messages[index]).reduce(receive, emptyState()), inOrder);
  }
});

test("a gap is noticed, and closes when the missing message comes", async () => {
  const { receive, emptyState } = await reducer;
  let state = receive(emptyState(), message(0, [started()]));
  state = receive(state, message(3, [decoded(0, 2)]));
  assert.deepEqual(state.missing, [1, 2]);
  assert.equal(state.rounds[0].paths[0].steps[2].decoded, false);
  state = receive(state, message(1, [decoded(0, 0)]));
  assert.deepEqual(state.missing, [2]);
  state = receive(state, message(2, [decoded(0, 1)]));
  assert.deepEqual([state.missing, state.pending, state.next], [[], [], 4]);
  assert.ok(state.rounds[0].paths[0].steps[2].decoded);
});

test("a message that comes twice counts once", async () => {
  const { receive, emptyState } = await reducer;
  const state = receive(emptyState(), message(0, [started(), { type: "Progress", message: "painting" }]));
  assert.equal(receive(state, message(0, [started(), { type: "Progress", message: "old" }])), state);
});

test("a gap that cannot be closed is skipped, and the snapshot heals it", async () => {
  const { receive, skipGap, emptyState } = await reducer;
  let state = [message(0, [started(), decoded(0, 0)]), message(2, [decoded(0, 2)])].reduce(receive, emptyState());
  state = skipGap(state);
  assert.deepEqual(state.rounds[0].paths[0].steps.map((step) => step.decoded), [true, false, true, false]);
  const bare = (path, step) => decoded(path, step, [], { picture: undefined });
  state = receive(state, message(3, [started(), bare(0, 0), bare(0, 1), bare(0, 2), finished()], { snapshot: true }));
  const { steps } = state.rounds[0].paths[0];
  assert.deepEqual(steps.map((step) => step.decoded), [true, true, true, false]);
  assert.deepEqual(steps.map((step) => step.picture), [decoded(0, 0).picture, undefined, decoded(0, 2).picture, undefined]);
  assert.equal(state.phase, "finished");
});

test("a notice changes the phase and nothing of the run on show", async () => {
  const { receive } = await reducer;
  const state = await after(decoded(0, 0));
  const failed = receive(state, { notice: { type: "Failed", message: "no such word" } });
  assert.deepEqual([failed.phase, failed.message], ["failed", "no such word"]);
  assert.equal(failed.rounds, state.rounds);
});

test("Stopped does not undo a finished run", async () => {
  const { reduce } = await reducer;
  assert.equal(reduce(await after(winner(1), finished()), { type: "Stopped" }).phase, "finished");
  assert.equal(reduce(await after(decoded(0, 0)), { type: "Stopped" }).phase, "stopped");
});

test("a reflection pairs the criticised image with the one repainted from it", async () => {
  const { reflections } = await reducer;
  const critique = { type: "Critiqued", round: 0, text: "three apples , not two", done: true };
  const again = (round) => ({ type: "RoundStarted", round, model: "self-correct", critique: critique.text });
  const state = await after(winner(0), critique, again(1), winner(1, { round: 1 }), again(2), winner(2, { round: 2 }));
  const pairs = reflections(state);
  assert.deepEqual(pairs.map(({ before, after }) => [before.round, after.round]), [[0, 1], [0, 2]]);
  assert.equal(pairs[0].critique, critique.text);
});

test("a critique still coming stands alone until it is repainted", async () => {
  const { reflections } = await reducer;
  const state = await after(winner(0), { type: "Critiqued", round: 0, text: "three", done: false });
  assert.deepEqual(reflections(state).map(({ critique, done, after }) => [critique, done, after]), [["three", false, null]]);
});

test("an image the judge calls right is shown as approved, not as criticised", async () => {
  const { reflections } = await reducer;
  const [entry] = reflections(await after(winner(0), finished({ path: 0 }), { type: "Approved", round: 0, p_yes: 0.97 }));
  assert.deepEqual([entry.approved, entry.critique, entry.after], [0.97, "", null]);
});

test("the answer carries the judge's and the checker's word", async () => {
  const { answerOf } = await reducer;
  const checked = { type: "Checked", round: 0, path: 1, correct: false, strict: false, reason: "there is no bus" };
  const answer = answerOf((await after(decoded(1, 3), judged(1, 3, "outcome", 0.9), checked, winner(1))).rounds[0]);
  assert.deepEqual([answer.path, answer.outcome.p_yes, answer.checked.reason], [1, 0.9, "there is no bus"]);
});

test("probabilities take three characters and never round to certainty falsely", async () => {
  const { probability } = await words;
  assert.deepEqual([0, 0.004, 0.07, 0.5, 0.994, 0.996, 1].map(probability), [".00", ".00", ".07", ".50", ".99", "1.0", "1.0"]);
});

test("a cell says in one sentence what it shows", async () => {
  const { cellWords } = await words;
  const round = (await after(decoded(0, 1, [0, 1, 2]), judged(0, 1, "clarity", 0.91), judged(0, 1, "potential", 0.08), pruned(0, 1, 0.92))).rounds[0];
  assert.equal(cellWords(round.paths[0], 1), "Attempt 1, step 2: 3 of 8 tokens kept, clear enough 91%, unlikely to become right (can still work 8%), stopped here");
  assert.equal(cellWords(round.paths[0], 2), "Attempt 1, step 3: not painted, the attempt was stopped after step 2");
  assert.equal(cellWords(round.paths[1], 0), "Attempt 2, step 1: not painted yet");
  const old = (await after(decoded(0, 1, [0]), pruned(0, 1, 0.92))).rounds[0]; // a trace without the answer itself
  assert.equal(cellWords(old.paths[0], 1), "Attempt 1, step 2: 1 of 8 tokens kept, stopped here, can still work 8%");
});

test("a stopped attempt's row and its cell give the same number, in either voice", async () => {
  const { pathNumber, pathNumberWords, markWords, speakToResearchers } = await words;
  const path = (await after(decoded(0, 1), judged(0, 1, "potential", 0.08), pruned(0, 1, 0.9))).rounds[0].paths[0];
  assert.deepEqual(pathNumber(path), ["potential", 0.08]);
  assert.deepEqual([pathNumberWords(path), markWords("potential", path.steps[1].verdicts.potential)], ["can still work 8%", "▼ 8%"]);
  speakToResearchers(true);
  assert.deepEqual([pathNumberWords(path), markWords("potential", path.steps[1].verdicts.potential)], ["P(potential) .08", "▼ .08"]);
  speakToResearchers(false);
});

test("numbers in plain words never round to certainty falsely, and what is not clear has none", async () => {
  const { chances, markWords, speakToResearchers } = await words;
  assert.deepEqual([0, 0.004, 0.01, 0.5, 0.994, 0.999, 1].map(chances), ["0%", "<1%", "1%", "50%", ">99%", ">99%", "100%"]);
  const unclear = { answer: "no", p_yes: 0.12 };
  assert.equal(markWords("clarity", unclear), "○");
  speakToResearchers(true);
  assert.equal(markWords("clarity", unclear), "○ .12");
  speakToResearchers(false);
});

test("a crown is for a verdict that is good; else it is said what it is", async () => {
  const { isCrowned, pathWords } = await words;
  const chosen = async (p_yes, ...more) => (await after(decoded(1, 3), ...more, winner(1, { p_yes }))).rounds[0];
  const good = await chosen(0.9, judged(1, 3, "outcome", 0.9));
  const bad = await chosen(0.003, judged(1, 3, "outcome", 0.003));
  const plain = await chosen(null);
  assert.deepEqual([good, bad, plain].map(isCrowned), [true, false, false]);
  assert.deepEqual([good, bad, plain].map((round) => pathWords(round, round.paths[1])[0]), ["chosen", "the best of a bad lot", "shown, not judged"]);
  const doubted = await chosen(0.3, judged(1, 3, "outcome", 0.3)); // the judge's answer decides, not how low its number is
  assert.deepEqual([isCrowned(doubted), pathWords(doubted, doubted.paths[1])[0]], [false, "the best of a bad lot"]);
  const left = await chosen(0.9, judged(1, 3, "outcome", 0.9), decoded(0, 3), judged(0, 3, "clarity", 0.1), decoded(2, 3));
  assert.deepEqual([0, 2].map((path) => pathWords(left, left.paths[path])[0]), ["never judged clear", "not judged"]);
});

test("what surprises is explained where it is seen: an attempt that was stopped and wins, one that nobody judged", async () => {
  const { fateInWords, lookedWords, statusWords, whyWords } = await words;
  const all = [decoded(0, 1), pruned(0, 1), decoded(1, 1), pruned(1, 1), decoded(1, 3), judged(1, 3, "outcome", 0.2), decoded(2, 3), judged(2, 3, "clarity", 0.1)];
  const state = await after(...all, winner(1, { p_yes: 0.2, fallback: true }), finished());
  const [round] = state.rounds;
  const why = "No attempt passed, so the least doubtful one, stopped at step 2, was painted to its end all the same";
  assert.deepEqual(round.paths.map((path) => whyWords(round, path).split(",")[0]), ["", "No attempt passed", "The judge says whether an image matches only of an attempt that was clear enough once"]);
  assert.equal(whyWords(round, round.paths[1]), why);
  assert.equal(statusWords(state), `Attempt 2 of 3 is the best of a bad lot: the judge is 20% sure that it matches the prompt. ${why}.`);
  assert.equal(fateInWords(round, round.paths[2]), `never judged clear. ${whyWords(round, round.paths[2])}`);
  assert.equal(lookedWords(round, round.paths[0]), "Attempt 1 of 3: stopped at step 2. Attempt 2 is the best of a bad lot.");
  assert.equal(lookedWords(round, round.paths[1]), "Attempt 2 of 3: the best of a bad lot.");
});

test("the status line says where the run is, then what it came to and what it cost", async () => {
  const { statusWords, costWords } = await words;
  const running = await after({ type: "Progress", message: "step 2 of 4 - 3 of 3 paths alive - judging potential" });
  assert.equal(statusWords(running), "Step 2 of 4 · 3 of 3 attempts go on · judging potential");
  const { reduce } = await reducer;
  const done = [decoded(0, 0), decoded(0, 1), pruned(0, 1), decoded(1, 3), decoded(2, 3), judged(1, 3, "outcome", 0.97), winner(1, { p_yes: 0.97 }), finished()].reduce(reduce, running);
  assert.equal(statusWords(done), "Attempt 2 of 3 is chosen: the judge is 97% sure that it matches the prompt. 1 attempt stopped early.");
  assert.equal(costWords(done), "4 steps painted, 2 saved by stopping early · 9 questions to the judge · 1.3 s");
  const { speakToResearchers } = await words;
  speakToResearchers(true);
  assert.equal(statusWords(done), "Attempt 2 of 3 is chosen: the judge says P(yes) .97, matches the prompt. 1 attempt stopped early.");
  assert.equal(costWords(done), "4 steps painted, 2 saved by stopping early · 20 generator passes, 4 saved (with guidance a step takes two: with the prompt, and without) · 9 questions to the judge · 1.3 s");
  speakToResearchers(false);
});

test("a screen reader hears milestones, not every step", async () => {
  const { reduce } = await reducer;
  const { milestone } = await words;
  const before = await after(decoded(0, 0), decoded(1, 0));
  assert.equal(milestone(before, reduce(before, decoded(2, 0))), "");
  assert.equal(milestone(before, reduce(before, pruned(1, 0))), "Attempt 2 stopped at step 1.");
  assert.equal(milestone(before, reduce(before, { type: "Failed", message: "out of memory" })), "out of memory");
});

test("a screen reader hears each new place in the line, once", async () => {
  const { reduce } = await reducer;
  const { milestone } = await words;
  const waiting = (state, message) => reduce(state, { type: "Waiting", message });
  const second = waiting(await after(decoded(0, 0)), "2 runs are before yours.");
  const first = waiting(second, "One run is before yours.");
  assert.equal(milestone(second, first), "One run is before yours.");
  assert.equal(milestone(first, waiting(first, "One run is before yours.")), "");
});

test("a word-level model's punctuation is set as a person sets it, as in Python", async () => {
  const { prose } = await words;
  for (const [raw, written] of require("./prose.json")) assert.equal(prose(raw), written);
});

test("a screen reader hears a critique as it is written", async () => {
  const { reduce } = await reducer;
  const { milestone } = await words;
  const before = await after(winner(0));
  assert.equal(milestone(before, reduce(before, { type: "Critiqued", round: 0, text: "one apple , not two", done: true })), "Critique: one apple, not two");
});

test("a word-level model's commas are set as a person sets them", async () => {
  const { prose, truthWords } = await words;
  assert.equal(prose("three apples , not two"), "three apples, not two");
  assert.equal(truthWords({ strict: false, correct: false, reason: "the dog is red , not blue" }), "wrong: the dog is red, not blue");
});

test("where the best that was painted anew is the image as it was, that is said, whatever the others are", async () => {
  const { reduce, emptyState, stays } = await reducer;
  const { statusWords } = await words;
  const codes = (first) => base64(new Uint8Array(Uint16Array.from({ length: 8 }, (_, token) => (token ? 300 + token : first)).buffer));
  const round = (number, firsts) => firsts.flatMap((first, path) => [decoded(path, 3, [], { round: number, codes: codes(first) }), judged(path, 3, "outcome", 0.9 - path / 10, { round: number })]);
  const run = (firsts, best = 0) => [
    started({ paths: firsts.length }), ...round(0, firsts.map(() => 300)), winner(0), finished({ path: 0 }),
    { type: "RoundStarted", round: 1, model: "base", critique: "", tokens: [0] }, ...round(1, firsts), winner(best, { round: 1 }), finished({ round: 1, path: best }),
  ].reduce(reduce, emptyState());
  const state = run([300, 301, 302, 300]);
  assert.equal(stays(state.rounds[0], state.rounds[1]), true);
  assert.equal(statusWords(state), "Painted anew where it was marked. None of the 4 attempts was better; the image stays.");
  assert.equal(statusWords(run([300])), "Painted anew where it was marked. The attempt was no better; the image stays.");
  assert.match(statusWords(run([300, 301], 1)), /^Painted anew where it was marked\. Attempt 2 of 2 is chosen/);
  const repaired = (state) => ({ ...state, started: { ...state.started, method: "repair" } });
  assert.equal(statusWords(repaired(run([300]))), "Painted anew where the generator doubted it. It came out as it was.");
  assert.match(statusWords(repaired(run([301]))), /^Painted anew where the generator doubted it\. /);
});

test("an exact checker says what is true, a detector what it finds, and neither chooses", async () => {
  const { checkerMeaning, checkerWords, truthBeside } = await words;
  const wrong = { correct: false, strict: false, reason: "no dog found" };
  const seen = { ...wrong, by: "GenEval's detector" };
  assert.equal(checkerWords(wrong), "Checker (hidden from the judge): ");
  assert.equal(checkerWords(null), checkerWords(wrong));
  assert.equal(checkerWords(seen), "Checker (GenEval's detector, which errs; hidden from the judge): ");
  const said = { outcome: { answer: "yes" }, p_yes: 0.9 };
  assert.equal(truthBeside({ ...said, checked: wrong }), "wrong: no dog found. The judge is mistaken");
  assert.equal(truthBeside({ ...said, checked: seen }), "wrong: no dog found. The judge says otherwise");
  const toomany = { correct: true, strict: false, reason: "there is a dog too many" }; // right by the benchmark, not in full
  const doubts = { outcome: { answer: "no" }, p_yes: 0.1 };
  assert.equal(truthBeside({ ...doubts, checked: toomany }), "right, but there is a dog too many");
  assert.equal(truthBeside({ ...doubts, checked: { correct: true, strict: true, reason: "" } }), "right. The judge is mistaken");
  assert.match(checkerMeaning(wrong), /exactly/);
  assert.match(checkerMeaning(seen), /may be wrong/);
});

test("tokens that differ are found, and none where codes are not known", async () => {
  const { changedTokens } = await reducer;
  assert.deepEqual(changedTokens([1, 2, 3, 4], [1, 5, 3, 6]), [1, 3]);
  assert.deepEqual(changedTokens([1, 2], [1, 2]), []);
  assert.equal(changedTokens(null, [1, 2]), null);
  assert.equal(changedTokens([1], [1, 2]), null);
});

// As cotdemo.ui.data.labels gives them (tests/test_registry.py).
const method = (label, verifier, repaints = false) => ({ label, verifier, repaints });
const labels = {
  methods: { baseline: method("Baseline", "judge"), orm: method("ORM", "judge-orm"), parm: method("PARM", "judge"), "parm++": method("PARM++", "judge", true) },
  models: { base: { label: "Show-o, base", part: "showo" }, dpo: { label: "Show-o, DPO", part: "dpo" } },
  critics: { mini: "judge", "show-o": "judge-zero-shot" },
  corrector: "self-correct",
  settings: [
    { name: "model", said: "model {}", options: {}, usual: null },
    { name: "paths", said: "{} attempt(s)", options: {}, usual: null },
    { name: "judge_from", said: "judged from step {}", options: {}, usual: 1 },
    { name: "repaint", said: "", options: { region: "repaints a region" }, usual: "whole" },
  ],
};

test("a run is told by its method and settings, those that are as usual left out", async () => {
  const { settingsWords } = await words;
  const asked = { method: "parm++", model: "base", paths: 1, judge_from: 1, repaint: "whole" };
  assert.deepEqual(settingsWords(asked, labels), ["PARM++", "model base", "1 attempt"]);
  const other = { method: "mine", model: "dpo", paths: 8, judge_from: 9, repaint: "region" };
  assert.deepEqual(settingsWords(other, labels), ["mine", "model dpo", "8 attempts", "judged from step 9", "repaints a region"]);
  assert.deepEqual(settingsWords({ method: "orm", model: "base", paths: 2 }, labels), ["ORM", "model base", "2 attempts"]); // an older trace
});

test("guidance and temperature are told to researchers", async () => {
  const { settingsWords, speakToResearchers } = await words;
  const more = { ...labels, settings: [{ name: "guidance", said: "guidance {}", options: {}, usual: null }] };
  const asked = { method: "orm", guidance: 1.75 };
  assert.deepEqual(settingsWords(asked, more), ["ORM"]);
  speakToResearchers(true);
  assert.deepEqual(settingsWords(asked, more), ["ORM", "guidance 1.75"]);
  speakToResearchers(false);
});

test("of all weights those are named that a run used", async () => {
  const { weightsWords } = await import("../cotdemo/ui/web/words.js");
  const weights = { magvit: "m1", showo: "s1", "self-correct": "c1", judge: "j1", "judge-orm": "o1", dpo: "d1" };
  assert.equal(weightsWords({ weights, model: "base", method: "parm" }, labels), "showo s1, magvit m1, judge j1");
  assert.equal(weightsWords({ weights, model: "dpo", method: "orm" }, labels), "dpo d1, magvit m1, judge-orm o1");
  assert.equal(weightsWords({ weights, model: "base", method: "parm++", repaint: "whole" }, labels), "showo s1, magvit m1, judge j1, self-correct c1");
  assert.equal(weightsWords({ weights, model: "base", method: "parm++", repaint: "region" }, labels), "showo s1, magvit m1, judge j1");
  assert.equal(weightsWords({ weights: { generator: "g1" }, model: "base", method: "baseline" }, labels), "generator g1");
});

test("a path's line is what was asked of every guess, its marks what was asked besides", async () => {
  const { series, watched } = await import("../cotdemo/ui/web/rewards.js");
  const verdict = (p_yes, answer) => ({ p_yes, p_no: 1 - p_yes, answer });
  const path = { path: 0, steps: [
    { step: 0, verdicts: { clarity: verdict(0.1, "no") } },
    { step: 1, verdicts: { clarity: verdict(0.9, "yes"), potential: verdict(0.2, "no") } },
    { step: 2, verdicts: { outcome: verdict(0.7, "yes") } },
  ] };
  assert.deepEqual(series(path, "clarity"), {
    line: [{ step: 0, yes: 0.1 }, { step: 1, yes: 0.9 }],
    marks: [{ step: 1, yes: 0.2, glyph: "▼", kind: "potential-no" }, { step: 2, yes: 0.7, glyph: "✓", kind: "outcome-yes" }],
  });
  assert.deepEqual(series(path, "outcome").line, [{ step: 2, yes: 0.7 }]);
  const first = { round: 0, paths: [] };
  assert.deepEqual(["parm", "prm", "orm", "baseline"].map((method) => watched({ method }, first)), ["clarity", "outcome", "", ""]);
  const repainting = (verdicts) => ({ round: 1, paths: [{ steps: [{ verdicts }] }] });
  assert.equal(watched({ method: "parm++" }, repainting({ outcome: { p_yes: 1, answer: "yes" } })), "");
  assert.equal(watched({ method: "parm++" }, repainting({ clarity: { p_yes: 1, answer: "yes" } })), "clarity");
});

test("of a pinned guess is said what the judge said", async () => {
  const { saidOf } = await import("../cotdemo/ui/web/pinned.js");
  const step = { verdicts: { clarity: { p_yes: 0.91, answer: "yes" }, potential: { p_yes: 0.08, answer: "no" } } };
  assert.deepEqual(saidOf(step), ["Clear enough ● 91%", "Can still work ▼ 8%"]);
  assert.deepEqual(saidOf({ verdicts: {} }), []);
});

// A run of two steps, mended once: attempt 1 is stopped, attempt 2 chosen, criticised and painted again.
async function mended() {
  const again = { round: 1 };
  const critique = { type: "Critiqued", round: 0, text: "one apple , not two", done: true };
  const first = [decoded(0, 0), decoded(1, 0), decoded(2, 0), judged(0, 0, "potential", 0.1), pruned(0, 0), decoded(1, 1), decoded(2, 1), judged(1, 1, "outcome", 0.05), winner(1, { p_yes: 0.05 })];
  const second = [0, 1].flatMap((step) => [0, 1, 2].map((path) => decoded(path, step, [], again)));
  return after(...first, critique, { type: "RoundStarted", round: 1, model: "self-correct", critique: critique.text }, ...second, judged(2, 1, "outcome", 0.98, again), winner(2, { ...again, p_yes: 0.98 }), finished({ round: 1, path: 2 }));
}

test("a run is played from its first step over the critique to its result, in five seconds", async () => {
  const { PLAY, moments, momentAt } = await import(`${WEB}/moments.js`);
  const list = moments(await mended());
  assert.deepEqual(list.map(({ part, round, step }) => [part, round, step]), [
    ["painting", 0, 0], ["painting", 0, 1], ["chosen", 0, 1], ["critique", 0, 1], ["painting", 1, 0], ["painting", 1, 1], ["chosen", 1, 1], ["rest", 1, 1],
  ]);
  assert.ok(Math.abs(list.at(-1).at - PLAY) < 1);
  assert.deepEqual(list.map(({ seen }) => seen.critiques), [0, 0, 0, 1, 1, 1, 1, Infinity]);
  assert.deepEqual(list.map(({ seen }) => seen.repaintings), [0, 0, 0, 0, 0, 0, 1, Infinity]);
  assert.deepEqual([momentAt(list, 0), momentAt(list, 1e9)], [list[0], list.at(-1)]);
});

test("what happens at a moment is said in one sentence", async () => {
  const { moments } = await import(`${WEB}/moments.js`);
  const { nowWords, fateWords } = await words;
  const state = await mended();
  const list = moments(state);
  assert.deepEqual([0, 2, 3, 5].map((at) => nowWords(state, list[at])), [
    "Step 1 of 4: attempt 1 is stopped, as the judge sees no way left to come out right.",
    "Attempt 2 of 3 is the best of a bad lot: the judge is 5% sure that it matches the prompt.",
    "The judge says what is wrong: “one apple, not two”.",
    "Painted again from the critique, step 2 of 4: more tokens are kept at every step.",
  ]);
  const [first] = state.rounds;
  assert.deepEqual(first.paths.map((path) => fateWords(first, path, list[1])[1]), ["pruned", "alive", "alive"]);
});

test("of a wave that is halved it is said who goes on, and why the others do not", async () => {
  const { nowWords, whyWords } = await words;
  const { reduce, emptyState } = await reducer;
  const behind = (path) => ({ ...pruned(path, 0), outdone: true });
  const events = [started({ enough: 0.9 }), decoded(0, 0), decoded(1, 0), decoded(2, 0), judged(1, 0, "potential", 0.4), behind(0), behind(2), decoded(1, 1)];
  const state = events.reduce(reduce, emptyState());
  const [round] = state.rounds;
  assert.equal(nowWords(state, { part: "painting", round: 0, wave: 0, step: 1 }), "Wave 1, step 2 of 4: attempt 2 goes on, likelier to come out right than attempts 1 and 3.");
  assert.deepEqual(round.paths.map((path) => whyWords(round, path)), ["Others of its wave are likelier to come out right", "", "Others of its wave are likelier to come out right"]);
});

test("what was stopped in a wave before stays stopped, and waves are told where no threshold ends them", async () => {
  const { fateInWords, fateWords, nowWords, statusWords, whyWords } = await words;
  const { reduce, emptyState } = await reducer;
  const all = [started({ enough: 1 }), decoded(0, 1), decoded(1, 1), judged(0, 1, "potential", 0.8), judged(1, 1, "potential", 0.7), { ...pruned(1, 1, 0.3), outdone: true }, decoded(0, 3), judged(0, 3, "outcome", 0.3), decoded(2, 0)];
  const state = all.reduce(reduce, emptyState());
  const [round] = state.rounds;
  const moment = { part: "painting", round: 0, wave: 1, step: 0 };
  assert.deepEqual(round.paths.map((path) => fateWords(round, path, moment)[1]), ["judged", "pruned", "alive"]);
  assert.equal(nowWords(state, moment), "Wave 2, step 1 of 4: attempt 3, as the judge is 30% sure of the best so far.");
  assert.equal(fateInWords(round, round.paths[1]), "stopped at step 2. Others of its wave are likelier to come out right");
  const ended = [winner(0, { p_yes: 0.3 }), finished({ path: 0 })].reduce(reduce, state);
  assert.match(statusWords(ended), /1 attempt stopped early\.$/);
  const whole = [decoded(0, 3), judged(0, 3, "clarity", 0.1), winner(0, { p_yes: 0.2, fallback: true }), finished({ path: 0 })];
  const unclear = (await after(...whole)).rounds[0];
  assert.equal(whyWords(unclear, unclear.paths[0]), "No attempt passed; this is the least doubtful one");
});

test("a live run shows the attempt that looks best of those that go on, then the chosen one", async () => {
  const { leading, present } = await import(`${WEB}/moments.js`);
  const { reduce } = await reducer;
  const state = await after(decoded(0, 0), decoded(1, 0), decoded(2, 0), judged(0, 0, "potential", 0.1), pruned(0, 0));
  assert.equal(leading(state.rounds[0]), 1);
  const later = reduce(state, judged(2, 0, "potential", 0.8));
  assert.equal(leading(later.rounds[0]), 2);
  assert.equal(leading(reduce(later, winner(1)).rounds[0]), 1);
  assert.deepEqual([present(later).part, present(reduce(later, winner(1))).part], ["painting", "chosen"]);
  assert.equal(present({ ...later, phase: "stopped" }).part, "rest");
});

test("of each requirement of the prompt it is told how sure the judge is, where, and since when", async () => {
  const { reduce, emptyState } = await reducer;
  const { cellWords, sinceWords, speakToResearchers } = await words;
  const { decidedAt, requirementsOf } = await reducer;
  const present = (path, step, ...yes) => ({ type: "Present", round: 0, path, step, p_yes: yes });
  const events = [started({ requirements: ["a dog", "two dogs"] }), decoded(0, 0), present(0, 0, 0.4, 0.6), decoded(0, 1), decoded(0, 2), present(0, 2, 0.93, 0.004)];
  const state = events.reduce(reduce, emptyState());
  const [path, other] = state.rounds[0].paths;
  assert.deepEqual(requirementsOf(state), ["a dog", "two dogs"]);
  assert.deepEqual(requirementsOf(await after()), []);
  assert.equal(cellWords(path, 2, requirementsOf(state)), "Attempt 1, step 3: 0 of 8 tokens kept, a dog: 93%, two dogs: <1%");
  assert.equal(cellWords(path, 1, requirementsOf(state)), "Attempt 1, step 2: 0 of 8 tokens kept");
  const since = (at, place) => sinceWords(path, place, at, decidedAt(path, place));
  assert.deepEqual([since(2, 0), since(2, 1)], ["93% · there since step 3", "<1% · missing since step 3"]);
  assert.deepEqual([since(0, 0), since(1, 0)], ["40% · there since step 3", "– · there since step 3"]);
  assert.equal(sinceWords(other, 0, 0, decidedAt(other, 0)), "not asked");
  speakToResearchers(true);
  assert.equal(since(2, 0), ".93 · there since step 3");
  speakToResearchers(false);
});

test("what comes late or again changes the bars of its own step only", async () => {
  const { reduce } = await reducer;
  const before = await after(decoded(0, 0), decoded(0, 1));
  const present = { type: "Present", round: 0, path: 0, step: 1, p_yes: [0.5] };
  const now = reduce(reduce(before, present), present);
  assert.deepEqual(now.rounds[0].paths[0].steps.map((step) => step.present), [null, [0.5], null, null]);
  assert.equal(now.rounds[0].paths[0].steps[0], before.rounds[0].paths[0].steps[0]);
});

test("a pointer at a step means the path that is nearest there, or where none was judged the selected one", async () => {
  const { meant } = await import(`${WEB}/rewards.js`);
  const lines = [
    { path: 0, line: [{ step: 0, yes: 0.1 }, { step: 1, yes: 0.9 }], marks: [{ step: 2, yes: 0.4 }] },
    { path: 1, line: [{ step: 0, yes: 0.2 }], marks: [] },
  ];
  assert.deepEqual(meant(lines, 0, 0.95, 5), { path: 1, step: 0 });
  assert.deepEqual(meant(lines, 0, -0.2, 5), { path: 0, step: 0 });
  assert.deepEqual(meant(lines, 2, 1, 5), { path: 0, step: 2 });
  assert.deepEqual(meant(lines, 3, 1, 5), { path: 5, step: 3 });
});
