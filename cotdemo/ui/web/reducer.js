// The state of the viewer as a pure function of the events of a run: no drawing, no clock, no network.
//
// It is the twin of cotdemo/run/state.py, by the same names; tests/data/run_states.json holds both to the same states.
//
// `reduce(state, event)` takes one event of cotdemo/run/events.py in the form of cotdemo/run/codec.py. Events of one kind may
// arrive twice or late (a resent message, the closing snapshot): applying one again changes nothing.
// `receive(state, message)` takes one message of the stream, {run, seq, events}. Messages are applied in their order:
// one that comes early waits in `pending` until those in `missing` have been asked for again (or given up, `skipGap`).
// {notice} is a word of the page about whatever is on show, in no order. The last message of a run is a snapshot: all events once more, without the images of steps, which heals what is lost.

export const QUESTIONS = ["clarity", "potential", "outcome"];
export const EVEN = 0.5; // P(yes) from which on the judge rather says yes

export function emptyState() {
  return {
    run: null, // id of the run on show; a message of another run starts afresh
    next: 0, // number of the message expected next
    missing: [], // numbers of messages to be asked for again
    pending: [], // messages that came before their turn, by number
    phase: "empty", // empty | waiting | running | finished | stopped | failed
    message: "", // what is happening or went wrong, in words
    offered: "", // what the page's address asks for, until something is painted
    recorded: null, // {title, created, name} where the run was recorded earlier
    started: null, // what was asked for (RunStarted)
    rounds: [],
    finished: null, // the last RunFinished: the answer, and what was spent on the run and its reflections
  };
}

export function receive(state, message) {
  if (message.notice) return reduce(state, message.notice);
  const here = message.run === state.run ? state : { ...emptyState(), run: message.run };
  if (message.seq < here.next) return state; // known already
  const pending = [...here.pending.filter((other) => other.seq !== message.seq), message].sort((a, b) => a.seq - b.seq);
  return settle({ ...here, pending });
}

// Gives up on the missing messages before the earliest that waits.
export function skipGap(state) {
  return state.pending.length ? settle({ ...state, next: state.pending[0].seq }) : state;
}

function settle(state) {
  let { next } = state;
  let settled = state;
  const turn = state.pending.filter((message, index) => message.seq === state.next + index);
  for (const message of turn) {
    settled = applyMessage(settled, message);
    next = message.seq + 1;
  }
  const pending = state.pending.slice(turn.length);
  const missing = pending.length ? range(next, pending.at(-1).seq).filter((seq) => !pending.some((one) => one.seq === seq)) : [];
  return { ...settled, next, pending, missing };
}

function applyMessage(state, message) {
  const base = message.recorded ? { ...state, recorded: message.recorded } : state;
  return message.snapshot ? heal(base, message.events) : message.events.reduce(reduce, base);
}

// A snapshot holds every event but no images of steps: those already here are carried over.
function heal(state, events) {
  const fresh = { ...emptyState(), run: state.run, recorded: state.recorded, next: state.next };
  const healed = events.reduce(reduce, fresh);
  return {
    ...healed,
    rounds: healed.rounds.map((round) => ({
      ...round,
      paths: round.paths.map((path) => ({
        ...path,
        steps: path.steps.map((step, index) => {
          const known = state.rounds[round.round]?.paths[path.path]?.steps[index];
          return step.picture || !known ? step : { ...step, picture: known.picture };
        }),
      })),
    })),
  };
}

export function reduce(state, event) {
  return Object.hasOwn(HANDLERS, event.type) ? HANDLERS[event.type](state, event) : state;
}

const HANDLERS = {
  RunStarted: (state, event) => ({
    ...state,
    phase: "running",
    message: "",
    started: event,
    rounds: state.rounds.length ? state.rounds : [newRound(event, 0)],
  }),
  RoundStarted: (state, event) =>
    inRound({ ...state, phase: "running" }, event.round, (round) => ({
      ...round,
      model: event.model,
      critique: event.critique,
      tokens: event.tokens ?? [],
      before: event.tokens ? answerRound(state)?.round ?? null : null,
      prompt: event.prompt ?? "",
      picture: event.picture ?? round.picture,
    })),
  StepDecoded: (state, event) => {
    const decoded = inStep(state, event, (step) => ({
      ...step,
      decoded: true,
      codes: unpack16(event.codes),
      masked: unpackBits(event.masked, tokensOf(state)),
      confidence: unpack8(event.confidence),
      picture: event.picture ?? step.picture,
    }));
    return inPath(decoded, event, (path) => (path.wave === null && path.steps[event.step] ? { ...path, wave: nextWave(decoded.rounds[event.round]), spared: false } : path));
  },
  Judged: (state, event) => {
    const outcome = event.question === "outcome";
    const everyStep = outcome && judgesEveryStep(state.started, event.round);
    // of a guess that a process reward model has judged, Reflect's word on the outcome is no verdict of the step
    if (state.finished && everyStep) return inPath(state, event, (path) => ({ ...path, outcome: event, mean: null }));
    const judged = inStep(state, event, (step) => ({ ...step, verdicts: { ...step.verdicts, [event.question]: event } }));
    return outcome ? inPath(judged, event, (path) => ({ ...path, outcome: event, mean: everyStep ? meanOf(path) : null })) : judged;
  },
  Present: (state, event) => inStep(state, event, (step) => ({ ...step, present: event.p_yes })),
  PathPruned: (state, event) => inPath(state, event, (path) => ({ ...path, pruned: event })),
  Winner: (state, event) => inRound(state, event.round, (round) => ({ ...round, winner: event, paths: round.paths.map(spare) })),
  Critiqued: (state, event) =>
    inRound(state, event.round, (round) => ({ ...round, criticised: event })),
  Checked: (state, event) => inPath(state, event, (path) => ({ ...path, checked: event })),
  Progress: (state, event) => ({ ...state, phase: "running", message: event.message, recorded: null }), // it goes on, so it is another
  RunFinished: (state, event) => ({ ...state, phase: "finished", message: "", finished: event }),
  // What the page itself has to say, outside any search.
  Approved: (state, event) => inRound(state, event.round, (round) => ({ ...round, approved: event.p_yes })),
  Offered: (state, event) => ({ ...state, offered: event.message }),
  Waiting: (state, event) => ({ ...state, phase: "waiting", message: event.message, offered: "" }),
  Stopped: (state, event) => (state.phase === "finished" ? state : { ...state, phase: "stopped", message: event.message ?? "" }),
  Failed: (state, event) => ({ ...state, phase: "failed", message: event.message }),
};

// A process reward model is asked for the outcome at every step, and picks by the mean; repaintings are judged at their end.
export function judgesEveryStep(started, round) {
  return started?.method === "prm" && round === 0;
}

// A path that a round ends without.
function spare(path) {
  return path.wave === null ? { ...path, spared: true } : path;
}

// The wave of a path that begins now: another one, where the judge has told the outcome of the latest.
function nextWave(round) {
  const wave = waveOf(round);
  return wave + Number(round.paths.some((path) => path.wave === wave && path.outcome));
}

function meanOf(path) {
  const answers = path.steps.map((step) => step.verdicts.outcome).filter(Boolean);
  return answers.reduce((sum, answer) => sum + answer.p_yes, 0) / answers.length;
}

function newRound(started, index) {
  const steps = Array.from({ length: started.steps }, (_, step) => ({ step, decoded: false, verdicts: {}, present: null }));
  const paths = Array.from({ length: started.paths }, (_, path) => ({ path, steps, wave: null, spared: false, pruned: null, outcome: null, mean: null, checked: null }));
  return { round: index, model: started.model, critique: "", tokens: [], before: null, prompt: "", picture: null, paths, winner: null, criticised: null, approved: null };
}

function inRound(state, index, change) {
  if (!state.started) return state;
  const rounds = state.rounds.slice();
  while (rounds.length <= index) rounds.push(newRound(state.started, rounds.length));
  rounds[index] = change(rounds[index]);
  return { ...state, rounds };
}

function inPath(state, event, change) {
  return inRound(state, event.round, (round) => {
    if (!round.paths[event.path]) return round;
    return { ...round, paths: round.paths.with(event.path, change(round.paths[event.path])) };
  });
}

function inStep(state, event, change) {
  return inPath(state, event, (path) => {
    if (!path.steps[event.step]) return path;
    return { ...path, steps: path.steps.with(event.step, change(path.steps[event.step])) };
  });
}

function range(from, to) {
  return Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index);
}

// -- what a step holds, as cotdemo/run/codec.py packs it: base64 of bytes

function bytes(text) {
  return Uint8Array.from(atob(text ?? ""), (letter) => letter.charCodeAt(0));
}

const unpack8 = bytes; // confidence: 255 stands for certainty

function unpack16(text) {
  const low = bytes(text);
  return Uint16Array.from({ length: low.length / 2 }, (_, index) => low[2 * index] | (low[2 * index + 1] << 8));
}

function unpackBits(text, count) {
  const packed = bytes(text);
  return Uint8Array.from({ length: count }, (_, index) => (packed[index >> 3] >> (index & 7)) & 1);
}

// -- questions about a state

// What is painted, or what the answer was painted from and is judged by: the run's prompt, or that of its marked tokens.
export function promptOf(state) {
  const round = state.phase === "running" ? state.rounds.at(-1) : answerRound(state);
  return round?.prompt || state.started.prompt;
}

export function tokensOf(state) {
  return state.started.grid[0] * state.started.grid[1];
}

export function lastStep(path) {
  return path.steps.findLastIndex((step) => step.decoded);
}

// The tokens that a guess is veiled at, one bit each; null after the last step, where what is still masked is drawn with it.
export function veilOf({ started }, step) {
  return step.step + 1 === started.steps ? null : step.masked;
}

// What a round begins with, before its first step: the image it repaints, with what was marked in it masked.
export function beginning(state, { picture, tokens }) {
  if (!picture) return [null, null];
  return [picture, tokens.length ? Array.from({ length: tokensOf(state) }, (_, token) => tokens.includes(token)) : null];
}

// The first step that a round paints: one that repaints a part of an image has kept the rest before that.
export function firstStep({ paths }) {
  return Math.max(0, ...paths.map((path) => path.steps.findIndex((step) => step.decoded)));
}

// The paths that have begun.
export function tried(round) {
  return round.paths.filter((path) => path.wave !== null);
}

// The latest wave. Paths begin all at once, which is wave 0, or each wave after the judge has seen the final images of the
// one before.
export function waveOf(round) {
  return Math.max(0, ...tried(round).map((path) => path.wave));
}

// The paths that are painted just now, or were last; all of them before any has begun.
export function latest(round) {
  const wave = round.paths.filter((path) => path.wave === waveOf(round));
  return wave.length ? wave : round.paths;
}

// What has become of a path: "painted" to its end and not judged, or "judged" on its outcome, or "spared", as the round was
// over before it was begun.
export function statusOf(round, path) {
  if (round.winner?.path === path.path) return "won";
  if (path.pruned) return "pruned";
  const last = lastStep(path);
  if (last < 0) return path.spared ? "spared" : "waiting";
  if (last + 1 < path.steps.length) return "alive"; // a process reward model judges outcomes on the way, too
  return path.outcome ? "judged" : "painted";
}

// P(yes) to the outcome by which a path is ranked, or null.
export function outcomeOf(path) {
  return path.mean ?? path.outcome?.p_yes ?? null;
}

// What the prompt asks for, in words; nothing where that is not known.
export function requirementsOf({ started }) {
  return started?.requirements ?? [];
}

// The step from which on the judge has said the same of a requirement of a path, yes or no; null where it was not asked.
export function decidedAt(path, requirement) {
  const looks = path.steps.filter((step) => step.present);
  const says = (step) => step.present[requirement] >= EVEN;
  return looks.findLast((step, index) => index === 0 || says(looks[index - 1]) !== says(step))?.step ?? null;
}

// The requirement that the winner of a round misses by both the judge's checklist and its critique, or null: the least
// likely one, if the judge rather says no of it and the critique speaks of it.
export function agreedOn(round) {
  const path = round.winner && round.paths[round.winner.path];
  const present = path?.steps[lastStep(path)]?.present;
  if (!present || !round.criticised) return null;
  const least = present.indexOf(Math.min(...present));
  return present[least] < EVEN && (round.criticised.about ?? []).includes(least) ? least : null;
}

// A step that is neither decoded nor to come: its path was stopped before, or never begun.
export function isCutOff(path, step) {
  return path.spared || (path.pruned !== null && step > path.pruned.step && !path.steps[step].decoded);
}

export function tokenState(path, step, token) {
  if (path.steps[step].masked[token]) return "masked";
  const before = path.steps[step - 1];
  return step === 0 || (before.decoded && before.masked[token]) ? "new" : "kept";
}

// The step in which a token was kept for good, or -1 while it is masked.
export function keptAt(path, step, token) {
  if (path.steps[step].masked[token]) return -1;
  let first = step;
  while (first > 0 && path.steps[first - 1].decoded && !path.steps[first - 1].masked[token]) first -= 1;
  return first;
}

export function countTokens(path, step) {
  const masked = path.steps[step].masked.reduce((sum, bit) => sum + bit, 0);
  const total = path.steps[step].masked.length;
  const before = step > 0 && path.steps[step - 1].decoded ? path.steps[step - 1].masked.reduce((sum, bit) => sum + bit, 0) : total;
  return { total, kept: total - masked, added: before - masked };
}

// Places of the tokens that differ; null where the codes of one are not known.
export function changedTokens(before, after) {
  if (!before?.length || before.length !== after?.length) return null;
  return [...after.keys()].filter((place) => before[place] !== after[place]);
}

// Whether the best that a round made of an image is that image as it was.
export function stays(before, after) {
  return changedTokens(answerOf(before)?.codes, answerOf(after)?.codes)?.length === 0;
}

// Path numbers that were judged on their final image, best first.
export function ranking(round) {
  return round.paths
    .filter((path) => path.outcome)
    .sort((a, b) => outcomeOf(b) - outcomeOf(a))
    .map((path) => path.path);
}

export function alive(round) {
  return round.paths.filter((path) => path.pruned === null).length;
}

// The repaintings of a run, in order: the round whose image was criticised or marked, the critique, and the round that
// repainted it (null while there is none). A round may repaint an earlier image than its predecessor's: the best so far.
export function reflections(state) {
  const criticisedBefore = (after) => state.rounds.findLast((round) => round.round < after && round.criticised);
  const beginning = (after) => (after.before === null ? criticisedBefore(after.round) : state.rounds[after.before]);
  const line = lineage(state, beginning); // what was painted where it was marked, and taken back, is not told
  const told = state.rounds.slice(1).filter((after) => !after.tokens.length || !line || line.includes(after));
  const repainted = told.map((after) => ({ before: beginning(after), critique: after.critique, done: true, after }));
  const open = state.rounds.findLast((round) => round.criticised || round.approved !== null || round.tokens.length > 0);
  if (!open || open.tokens.length > 0 || repainted.some(({ before }) => before === open)) return repainted.filter(({ before }) => before);
  const { criticised, approved } = open;
  return [...repainted.filter(({ before }) => before), { before: open, critique: criticised?.text ?? "", done: criticised?.done ?? true, approved, after: null }];
}

// The answer's round and all that it came from; null while a round is painted.
function lineage(state, beginning) {
  if (state.phase === "running") return null;
  const line = [];
  for (let round = answerRound(state); round; round = round.round > 0 ? beginning(round) : null) line.push(round);
  return line;
}

// The round whose image is the answer: the one that the last end names; before the end the latest with a winner.
export function answerRound(state) {
  const chosen = state.rounds.filter((round) => round.winner);
  return (state.finished ? chosen.find((round) => round.round === state.finished.round) : chosen.at(-1)) ?? null;
}

// The round's chosen image and what is said of it, or null while it is painting.
export function answerOf(round) {
  if (!round?.winner) return null;
  const path = round.paths[round.winner.path];
  const final = path.steps[lastStep(path)];
  return {
    path: path.path,
    codes: final?.codes ?? null,
    picture: round.winner.picture ?? final?.picture ?? null,
    outcome: path.outcome,
    mean: path.mean,
    p_yes: outcomeOf(path) ?? round.winner.p_yes,
    fallback: round.winner.fallback,
    checked: path.checked,
    model: round.model,
  };
}
