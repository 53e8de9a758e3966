// What page, animation and terminal call the same thing. Declared here alone: cotdemo/run/said.py reads the braces as JSON.
export const SAID = {
  "notJudged": "not judged",
  "badLot": "the best of a bad lot",
  "sure": "Stopped after {tried} of {paths} attempts: the judge was {chances} sure. All {paths} would have cost {times} times as much.",
  "neverSure": "All {paths} attempts were painted: the judge was {chances} sure of the best."
};
