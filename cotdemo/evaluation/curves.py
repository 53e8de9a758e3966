"""``python -m cotdemo eval --curves``: what more paths and more compute bring, from one pool of each generator.

Accuracy of every method against N and against counted operations with the oracle beside it, how well the judges tell
right from wrong at each step, and what stopping paths saves and loses. Kept as JSON, one entry for each generator.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from ..backends import MiniBackend
from ..compute.hardware import describe, in_words
from ..errors import UserError
from ..settings import PATHS, verifier_of, whole
from .entries import Entry, select
from .figures import draw
from .judging import within
from .ladder import means
from .pool import CHECKED, FOLDER, Maker, Pool, budget, fill, say
from .records import Path as PathRecord
from .records import Record, write_json
from .replay import replay
from .report import RULES, accuracy, pruning
from .results import CURVES, VERSION, read_curves
from .statistics import OVERALL, estimates

FILE = Path("assets/curves.json")
FIGURES = Path("docs/figures")
NUMBERS = (1, 2, 4, 8, 16, 20, 32)
METHODS = ("orm-zero-shot", "orm", "prm", "parm")


def curves(
    pool: Pool,
    entries: Sequence[Entry],
    numbers: Sequence[int] = NUMBERS,
    methods: Sequence[str] = METHODS,
    status: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """All curves of one generator, whose pool must hold the most paths of ``numbers``, judged for ``methods``."""
    reached, stopping = [], []
    for method in methods:
        points = []
        for paths in numbers:
            status(f"{method}, {paths} paths")
            runs = [replay(pool, entry, method, paths) for entry in entries]
            points.append(_point(runs, paths))
            if method == "parm":
                stopping.append(_stopping(runs, paths))
        reached.append({"method": method, "points": points})
    status("judges by step")
    return {
        "model": pool.settings.model,
        "weights": {name: hash for method in methods for name, hash in pool.weights_with(verifier_of(method)).items()},
        "methods": reached,
        "oracle": [{"paths": paths, "accuracy": _oracle(pool, entries, paths)} for paths in numbers],
        "pruning": stopping,
        "outcome": {
            method: _areas(pool, entries, verifier_of(method), "outcome", max(numbers), -1) for method in methods
        },
        "by_step": _by_step(pool, entries, methods, max(numbers)),
    }


def _point(runs: Sequence[Record], paths: int) -> dict[str, Any]:
    spent = means(runs)
    return {
        "paths": paths,
        "accuracy": {rule: accuracy(runs, lambda one, of=of: of(one.final))[OVERALL] for rule, of in RULES.items()},
        "operations": spent["operations"],
        "seconds": spent["seconds"],
    }


def _oracle(pool: Pool, entries: Sequence[Entry], paths: int) -> dict[str, Any]:
    """How often any of the first ``paths`` paths is right."""
    kinds, prompts = [entry.kind for entry in entries], [entry.prompt for entry in entries]
    return {
        rule: estimates([truth[:paths].any() for truth in truths], kinds, prompts)[OVERALL]
        for rule, truths in pool.truths(entries).items()
    }


def _stopping(records: Sequence[Record], paths: int) -> dict[str, Any]:
    """What stopping paths saves, and what it stops wrongly; ``lost``: prompts whose right paths were all stopped."""
    found = pruning(records)
    return {
        "paths": paths,
        "stopped": found["pruned"] / found["paths"],
        "step": found["mean_step"],
        "wrongly": found["would_have_been_right"],
        "lost": {rule: mean(_lost(record, of) for record in records) for rule, of in RULES.items()},
        "none_left": found["all_pruned"],
        "passes_saved": found["passes_saved"],
    }


def _lost(record: Record, right: Callable[[PathRecord], bool | None]) -> bool:
    first = record.rounds[0]
    left = [path for path in first.paths if path.pruned is None or path is first.chosen]
    return any(map(right, first.paths)) and not any(map(right, left))


# -- judges


def _areas(
    pool: Pool, entries: Sequence[Entry], verifier: str, question: str, paths: int, step: int
) -> dict[str, float | None]:
    """Areas under ROC within prompt of P(yes) to a question at a step, against what the paths come to."""
    scores = pool.told(entries, verifier, question, paths)[..., [step]]
    return {
        rule: _known(within(scores, np.stack([truth[:paths] for truth in truths])[..., None]))
        for rule, truths in pool.truths(entries).items()
    }


def _by_step(pool: Pool, entries: Sequence[Entry], methods: Sequence[str], paths: int) -> list[dict[str, Any]]:
    rows = []
    for step in range(pool.settings.steps):
        row: dict[str, Any] = {"step": step + 1}
        if "parm" in methods:
            row["clarity"] = _clarity(pool, entries, min(paths, CHECKED), step)
            row["potential"] = _areas(pool, entries, "parm", "potential", paths, step)
        if "prm" in methods:
            row["prm"] = _areas(pool, entries, "prm", "outcome", paths, step)
        rows.append(row)
    return rows


def _clarity(pool: Pool, entries: Sequence[Entry], paths: int, step: int) -> float | None:
    """Area under ROC within prompt of P(yes) to clarity, against whether the guess shows what its path ends with."""
    scores, shown = pool.told(entries, "parm", "clarity", paths), pool.clear(entries, paths)
    return _known(within(scores[..., [step]], shown[..., [step]] == 1))


def _known(area: float) -> float | None:
    return None if np.isnan(area) else round(area, 4)


# -- the file and the command


def main(options: argparse.Namespace, backend: MiniBackend) -> None:
    """``eval --curves``: the curves of ``--model`` take their place in the file; the figures are drawn anew."""
    most = whole("paths", options.paths or PATHS[1], *PATHS)
    pool = Pool(backend, options.model, options.split, options.seed, folder=FOLDER)
    entries = select([entry.metadata for entry in pool.entries], options.limit)
    asked = {name: value for name, value in pool.identity.items() if name not in ("model", "weights")}
    asked["limit"] = options.limit
    file = options.json or FILE
    before = read_curves(file) if file.exists() else {"asked": asked, "generators": []}
    if before["asked"] != asked:
        raise UserError(f"{file} is of other prompts or settings: name another file.")
    maker = Maker(pool, most, [verifier_of(method) for method in METHODS])
    if options.dry_run:
        print(f"pool of {options.model}: {budget(maker, entries)}")
        return
    fill(maker, entries, say)
    found = curves(pool, entries, [number for number in NUMBERS if number <= most], status=say)
    generators = {one["model"]: one for one in before["generators"]} | {found["model"]: found}
    content = {
        "format": CURVES,
        "version": VERSION,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "asked": asked,
        "prompts": len(entries),
        "hardware": in_words(describe()),
        "generators": list(generators.values()),
    }
    write_json(file, content)
    folder = options.out or FIGURES
    for name in draw(content, folder):
        print(f"Wrote {folder / name}")
    print(f"Wrote {file}")
