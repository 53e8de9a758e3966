// What page, animation and terminal call the same thing. Declared here alone: cotdemo/run/said.py reads the braces as JSON.
export const SAID = {
  "notJudged": "not judged",
  "badLot": "the best of a bad lot"
};
