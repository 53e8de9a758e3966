// Scales and their ticks: numbers to pixels, and back to what a reader can name.

// A function from `domain` to `range`, both [from, to].
export function linear([low, high], [from, to]) {
  const span = high - low || 1;
  return (value) => from + ((value - low) / span) * (to - from);
}

// Equal factors take equal room.
export function logarithmic([low, high], range) {
  const scale = linear([Math.log(low), Math.log(high)], range);
  return (value) => scale(Math.log(value));
}

// About `count` round numbers from `low` to `high`.
export function ticks(low, high, count = 5) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

// Numbers from `low` to `high`, each about twice the one before: 1, 2, 5, 10, 20, 50 ...
export function doublings(low, high) {
  const found = [];
  for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10) {
    found.push(...[1, 2, 5].map((factor) => factor * power).filter((value) => value >= low && value <= high));
  }
  return found;
}

// The smallest domain of whole `step`s that holds all `values`.
export function around(values, step) {
  const whole = (value, round) => Number((round(value / step) * step).toPrecision(12));
  return [whole(Math.min(...values) + 1e-9, Math.floor), whole(Math.max(...values) - 1e-9, Math.ceil)];
}
