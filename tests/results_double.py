"""Invented figures in the form of assets/ladder.json and assets/curves.json, for the tests of what shows them."""

from __future__ import annotations

import json
from pathlib import Path

from cotdemo.evaluation.ladder import SHIPPED, Ladder, Measured, Outcome
from cotdemo.evaluation.results import CURVES, ROWS, VERSION, Row

LIMIT = 2  # prompts of each kind
KINDS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
RIGHT = {"plain": 3, "orm": 8, "parm": 9, "dpo-iter": 5, "parm++": 11}  # of twelve prompts
WHY_NOT = "these weights are not trained yet"
NUMBERS = (1, 2, 8)


def invent(folder: Path) -> None:
    """Both files, of a few rows, two generators and one more training seed."""
    invent_ladder(folder / "ladder.json")
    (folder / "curves.json").write_text(json.dumps(invented_curves()))


def invent_ladder(file: Path) -> None:
    ladder = Ladder(file, "test", 0, LIMIT)
    rows = {row.name: row for row in ROWS}
    for name, right in RIGHT.items():
        ladder.put(rows[name], SHIPPED, {"showo": "a"}, _measured(rows[name], right))
    ladder.put(rows["dpo"], SHIPPED, {}, None, WHY_NOT)
    ladder.put(rows["dpo-iter"], "2", {"showo": "b"}, _measured(rows["dpo-iter"], 6))


def _measured(row: Row, right: int) -> Measured:
    """The first of the prompts are right, strictly one fewer."""
    count = LIMIT * len(KINDS)
    bits = {rule: "1" * most + "0" * (count - most) for rule, most in (("geneval", right), ("strict", right - 1))}
    outcomes = [Outcome(1 / row.images, row.paths, bits) for _ in range(row.images)]
    operations = {"generator": 8e10, "decoder": 5e9, "judge": 9e9}
    return Measured(outcomes, {"operations": operations, "seconds": 0.5})


def invented_curves() -> dict:
    from cotdemo.evaluation.entries import fingerprint, of_split

    asked = {"prompts": f"test {fingerprint(of_split('test'))}", "seed": 0, "steps": 3, "guidance": 1.0}
    return {
        "format": CURVES,
        "version": VERSION,
        "created": "2026-01-02T03:04:05+00:00",
        "asked": {**asked, "temperature": 3.0, "annealing": "linear", "limit": LIMIT},
        "prompts": LIMIT * len(KINDS),
        "hardware": "a processor of the double's",
        # as measured before there was a calibration, and since
        "generators": [_generator("base", 0.5) | {"calibration": _calibration()}, _generator("self-correct", 0.25)],
    }


def _calibration() -> dict:
    """A judge that is .05 too sure; in the middle it answers nothing, and little beside that."""
    counts = [4000, 300, 40, 7, 0, 0, 9, 120, 900, 12000]

    def row(number: int, count: int) -> dict:
        stated = round(number / 10 + 0.05, 2)
        right = {"geneval": round(number / 10, 2), "strict": round(number / 12, 4)}
        known = {"stated": stated, "right": right} if count else {"stated": None, "right": dict.fromkeys(right)}
        return {"from": number / 10, "count": count, **known}

    return {question: [row(*one) for one in enumerate(counts)] for question in ("clarity", "potential", "outcome")}


def _generator(model: str, first: float) -> dict:
    def estimates(paths: int, more: float) -> dict:
        ends = {"value": 0.0, "low": -0.05, "high": 0.05}
        reached = {"geneval": first + more * (paths > 1), "strict": first + more * (paths > 1) - 0.1}
        return {rule: {end: round(value + off, 6) for end, off in ends.items()} for rule, value in reached.items()}

    def point(paths: int, more: float) -> dict:
        operations = {"generator": paths * 1e10, "decoder": paths * 1e9, "judge": paths * 2e9}
        return {"paths": paths, "accuracy": estimates(paths, more), "operations": operations, "seconds": paths / 10}

    gains = {"orm-zero-shot": 0.1, "orm": 0.25, "prm": 0.15, "parm": 0.2}
    both = {"geneval": 0.25, "strict": 0.125}
    pruning = {"stopped": 0.25, "step": 2.0, "wrongly": both, "lost": both, "none_left": 0.0, "passes_saved": 0.125}
    return {
        "model": model,
        "weights": {"showo": "a"},
        "methods": [{"method": name, "points": [point(n, more) for n in NUMBERS]} for name, more in gains.items()],
        "oracle": [{"paths": n, "accuracy": estimates(n, 0.3)} for n in NUMBERS],
        "pruning": [{"paths": n, **pruning} for n in NUMBERS],
        "outcome": {name: {"geneval": 0.9, "strict": 0.95} for name in gains},
        "by_step": [
            {"step": step, "clarity": None if step == 1 else 0.75, "potential": both, "prm": both} for step in (1, 2, 3)
        ],
    }
