// Three findings in words, for one kind and one rule. Every figure is one of the ladder's, and so is what is concluded from
// it: another ladder says something else. No drawing.

import { count, points, total } from "./figures.js";
import { PLAIN, gains, isTold, rowsOf, typeset } from "./rows.js";

const AS_MUCH = 1.05; // times the plain generator's compute up to which a row costs no more
const NAMED = 3; // differences at most that a sentence names
const CHANCE = "within chance"; // of a difference whose interval holds 0

// [{question, verdict, because}]; what this ladder holds no rows for is left out.
export function findings(ladder, kind, rule) {
  const all = rowsOf(ladder, kind, rule);
  const steps = gains(ladder, kind, rule).filter(({ here }) => here);
  return [worth(all), held(steps), stopping(all, steps)].filter(Boolean);
}

// Which row gains most over the plain generator for its compute, and which gains most whatever it costs.
function worth(all) {
  const plain = all.find(({ name }) => name === PLAIN);
  const rated = all.filter((one) => one.here && one.gained && !one.yardstick).map((one) => rate(one, plain));
  if (!plain?.here || !rated.length) return null;
  const question = "Which method is worth its cost?";
  const told = rated.filter(({ gained }) => gained[1] > 0);
  if (!told.length) return { question, verdict: "None.", because: `Of ${rated.length} methods here, what each gains over ${plain.label} is ${CHANCE}.` };
  const best = told.toSorted((a, b) => b.each[0] - a.each[0])[0];
  const most = told.toSorted((a, b) => b.gained[0] - a.gained[0] || a.times - b.times)[0];
  const rest = most === best ? "None gains more, whatever it costs." : `The most right, ${plainly(most.label)}, gains ${inPoints(most.gained)} ${timesWords(most)}.`;
  return {
    question, verdict: `${plainly(best.label)}.`,
    because: `It gains ${inPoints(best.gained)} over ${plain.label} ${timesWords(best)}: ${inPoints(best.each)} for the compute of each plain image, more than any other of ${rated.length} methods here. ${rest}`,
  };
}

// `times` is its compute in plain images, `each` its gain for one of them.
function rate(one, plain) {
  const times = total(one.operations) / Math.max(total(plain?.operations ?? {}), 1);
  return { ...one, times, each: one.gained.map((end) => end / Math.max(times, 1)) };
}

function timesWords({ times }) {
  return times <= AS_MUCH ? "at no more compute when it paints" : `for ${times < 9.95 ? times.toFixed(1) : count(times)} times its compute`;
}

// Whether what rises in the paper rises here.
function held(steps) {
  const rising = steps.filter(({ reported }) => reported > 0);
  if (!rising.length) return null;
  const up = rising.filter(({ here }) => isTold(here) && here[0] > 0);
  const down = rising.filter(({ here }) => isTold(here) && here[0] < 0);
  const open = rising.filter(({ here }) => !isTold(here));
  const word = up.length === rising.length ? "Yes" : up.length > rising.length / 2 ? "Mostly" : up.length ? "Only in part" : "No";
  const [largest] = rising.toSorted((a, b) => b.here[0] - a.here[0]);
  return {
    question: "Does the paper’s ladder hold here?",
    verdict: `${word}: of its ${rising.length} steps up that are measured, ${up.length} ${up.length === 1 ? "goes" : "go"} up here too.`,
    because: [
      `The largest, ${plainly(largest.label)}: ${inPoints(largest.here)}, in the paper ${points(largest.reported, 0)}.`,
      open.length ? `${count(open.length)} ${open.length === 1 ? "is" : "are"} ${CHANCE}: ${named(open)}.` : "",
      down.length ? `${count(down.length)} ${down.length === 1 ? "goes" : "go"} down: ${named(down)}.` : "",
    ].filter(Boolean).join(" "),
  };
}

// Whether stopping attempts gets more out of the same compute than painting all of them to their end.
function stopping(all, steps) {
  const rows = new Map(all.map((one) => [one.name, one]));
  const fair = steps.filter(({ of, minus }) => rows.get(minus)?.as_costly_as === of);
  if (!fair.length) return null;
  const told = fair.filter(({ here }) => isTold(here));
  const better = told.filter(({ here }) => here[0] > 0);
  const against = (of, minus) => `${of} against ${minus.replace(` at the compute of ${of}`, "")}`; // the question says it
  const lines = fair.map(({ of, minus, here }) => `${plainly(against(rows.get(of)?.label, rows.get(minus).label))} ${inPoints(here)}${told.length && !isTold(here) ? `, ${CHANCE}` : ""}`);
  const open = fair.length === 1 ? `Not known: the difference is ${CHANCE}.` : `Not known: all ${fair.length} differences are ${CHANCE}.`;
  return {
    question: "Does stopping attempts early pay, at the same compute?",
    verdict: better.length === fair.length ? "Yes." : better.length ? "Sometimes." : told.length ? "No." : open,
    because: `${lines.join("; ")}.`,
  };
}

function inPoints(estimate) {
  const [value, low, high] = estimate.map((end) => points(end));
  return `${value} points [${low}, ${high}]`;
}

// A label of the ladder as words: "PARM++ on self-correcting, 1 path" is "PARM++ with the self-correcting generator, 1 attempt".
function plainly(label) {
  return typeset(label).replace(/ on ([^,−]+?)(?=,| −|$)/g, " with the $1 generator").replace(/\b(\d+) path(s?)\b/g, "$1 attempt$2");
}

function named(list) {
  const names = list.slice(0, NAMED).map(({ label }) => plainly(label));
  return [...names, ...(list.length > NAMED ? [`${list.length - NAMED} more`] : [])].join("; ");
}
