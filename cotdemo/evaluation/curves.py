"""``python -m cotdemo eval --curves``: what more paths and more compute bring, from one pool of each generator.

Accuracy of every method against N and against counted operations with the oracle beside it, how well the judges tell
right from wrong at each step, whether PARM's is as sure as it should be, and what stopping paths saves and loses. Kept
as JSON, one entry for each generator.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ..backends import MiniBackend
from ..compute.hardware import describe, in_words
from ..errors import UserError
from ..files import headed, write_json
from ..geneval.folder import Entry
from ..registry import METHODS
from ..run.narration import say
from ..settings import PATHS, verifier_of, whole
from .judging import within
from .ladder import means
from .pool import CHECKED, UNKNOWN, YES, Maker, Pool, budget, fill, pool_of
from .records import Path as PathRecord
from .records import Record
from .report import RULES, accuracy, pruning
from .results import CURVES, VERSION, read_curves
from .runner import replay
from .statistics import OVERALL, estimates

FILE = Path("assets/curves.json")
FIGURES = Path("docs/figures")
NUMBERS = (1, 2, 4, 8, 16, 20, 32)
COMPARED = ("orm-zero-shot", "orm", "prm", "parm")


def curves(
    pool: Pool,
    entries: Sequence[Entry],
    numbers: Sequence[int] = NUMBERS,
    methods: Sequence[str] = COMPARED,
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
        "calibration": calibration(pool, entries, max(numbers)) if "parm" in methods else {},
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
    return {
        rule: estimates([truth[:paths].any() for truth in truths], entries)[OVERALL]
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
    scores = pool.p_yes(entries, verifier, question, paths)[..., [step]]
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
    scores, shown = pool.p_yes(entries, "parm", "clarity", paths), pool.clear(entries, paths)
    return _known(within(scores[..., [step]], shown[..., [step]] == 1))


def _known(area: float) -> float | None:
    return None if np.isnan(area) else round(area, 4)


# -- whether PARM's judge is as sure as it should be: P(yes) against how often it was right

BINS = 10


def calibration(pool: Pool, entries: Sequence[Entry], paths: int) -> dict[str, list[dict[str, Any]]]:
    """The bins of every question, over the first ``paths`` paths of a pool, which must hold them judged by PARM.

    Counted are the answers that a run would ask for. Clarity is asked of every guess of a path until it is "yes", and
    is right of a guess that shows what its path ends with; potential of the guess that is clear at last, and outcome of
    the final image, are right where that is.
    """
    said_yes = pool.said(entries, "parm", "clarity", paths) == YES  # (prompts, paths, steps)
    first_yes = said_yes & (said_yes.cumsum(-1) == 1)
    until_yes = said_yes.cumsum(-1) - said_yes == 0
    final = np.zeros_like(said_yes)
    final[..., -1] = True
    shown = pool.clear(entries, paths)
    clear = dict.fromkeys(RULES, shown == 1)
    right = {rule: np.stack([truth[:paths] for truth in of])[..., None] for rule, of in pool.truths(entries).items()}
    asked = {
        "clarity": (clear, until_yes & (shown != UNKNOWN)), "potential": (right, first_yes), "outcome": (right, final),
    }  # fmt: skip
    return {
        question: bins(pool.p_yes(entries, "parm", question, paths), truths, counted)
        for question, (truths, counted) in asked.items()
    }


def bins(stated: np.ndarray, truths: Mapping[str, np.ndarray], counted: np.ndarray) -> list[dict[str, Any]]:
    """Ten rows from P(yes) 0 to 1: how many answers, the mean P(yes) of them, and by rule the share that was right.

    ``stated`` and ``counted``, whether an answer counts, are of one shape; each of ``truths`` broadcasts to it. Means
    of a row without answers are None.
    """
    values = stated[counted]
    right = {rule: np.broadcast_to(truth, stated.shape)[counted] for rule, truth in truths.items()}
    places = np.minimum((values * BINS).astype(int), BINS - 1)
    return [
        {
            "from": number / BINS,
            "count": int((places == number).sum()),
            "stated": _mean(values[places == number]),
            "right": {rule: _mean(of[places == number]) for rule, of in right.items()},
        }
        for number in range(BINS)
    ]


def _mean(values: np.ndarray) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None


# -- as figures for README: light ground, colours that the colour-blind can tell apart, labels on lines

# Okabe and Ito's palette, with a marker each, so that no figure depends on colour
STYLES = {
    "oracle": ("oracle", "#555555", ""),
    "parm": (METHODS["parm"].label, "#D55E00", "o"),
    "orm": (METHODS["orm"].label, "#0072B2", "s"),
    "orm-zero-shot": (METHODS["orm-zero-shot"].label, "#56B4E9", "^"),
    "prm": (METHODS["prm"].label, "#009E73", "D"),
    "potential": (f"{METHODS['parm'].label}, potential", "#D55E00", "o"),
    "clarity": (f"{METHODS['parm'].label}, clarity", "#CC79A7", "s"),
}
SIZE, DPI = (9.2, 3.7), 160


def draw(content: Mapping[str, Any], folder: Path) -> list[str]:
    """Draw all figures of curves into ``folder``; returns their names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for generator in content["generators"]:
        for what, figure in _figures(generator):
            names.append(f"{what}-{generator['model']}.png")
            figure.savefig(folder / names[-1], dpi=DPI, facecolor="white")
    return names


def _figures(generator: Mapping[str, Any]) -> Iterator[tuple[str, Figure]]:
    yield "accuracy", _accuracy(generator)
    if any("potential" in row for row in generator["by_step"]):
        yield "judges-by-step", _judges(generator)
    if generator["pruning"]:
        yield "pruning", _stopping_figure(generator)


def _panels(*titles: str) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots(1, len(titles), squeeze=False)[0]
    for panel, title in zip(axes, titles):
        panel.set_title(title, loc="left", fontsize=10)
        panel.grid(color="#e4e4e4", linewidth=0.8)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=9)
    return figure, axes


def _accuracy(generator: Mapping[str, Any], rule: str = "geneval") -> Figure:
    figure, (by_paths, by_compute) = _panels("against the number of paths", "against compute")
    for one in generator["methods"]:
        points = one["points"]
        right = [point["accuracy"][rule] for point in points]
        paths = [point["paths"] for point in points]
        operations = [sum(point["operations"].values()) / 1e9 for point in points]
        for panel, x in ((by_paths, paths), (by_compute, operations)):
            _line(panel, one["method"], x, [estimate["value"] for estimate in right])
            low, high = ([estimate[end] for estimate in right] for end in ("low", "high"))
            panel.fill_between(x, low, high, color=STYLES[one["method"]][1], alpha=0.10, linewidth=0)
    paths = [point["paths"] for point in generator["oracle"]]
    _line(by_paths, "oracle", paths, [point["accuracy"][rule]["value"] for point in generator["oracle"]])
    _path_axis(by_paths, paths)
    by_compute.set_xscale("log", base=2)
    by_compute.xaxis.set_major_formatter("{x:.0f}")
    by_compute.set_xlabel("GFLOP a prompt: generator, decoder and judge", fontsize=9)
    by_paths.set_ylabel("right by GenEval's rules", fontsize=9)
    by_compute.set_ylim(by_paths.get_ylim())
    for panel in (by_paths, by_compute):
        panel.yaxis.set_major_formatter(PercentFormatter(1, 0))
        _label_ends(panel)
    return figure


def _judges(generator: Mapping[str, Any], rule: str = "strict") -> Figure:
    figure, (right, clear) = _panels("will this guess come out right?", "does it show what it will end with?")
    for panel, names in ((right, ("potential", "prm")), (clear, ("clarity",))):
        for name in names:
            rows = [(row["step"], row[name]) for row in generator["by_step"] if name in row]
            areas = [(step, area[rule] if isinstance(area, Mapping) else area) for step, area in rows]
            known = [(step, area) for step, area in areas if area is not None]
            if known:
                _line(panel, name, *zip(*known))
        panel.axhline(0.5, color="#555555", linewidth=1, linestyle=":")  # what a blind judge has
        panel.set_xlabel("step", fontsize=9)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.set_ylim(0.4, 1.02)
        _label_ends(panel)
    right.set_ylabel("area under ROC within prompt", fontsize=9)
    return figure


def _stopping_figure(generator: Mapping[str, Any]) -> Figure:
    figure, (saves, loses) = _panels("what stopping paths saves", "what it loses")
    paths = [row["paths"] for row in generator["pruning"]]
    lines = (
        (saves, "paths stopped", "#D55E00", "o", [row["stopped"] for row in generator["pruning"]]),
        (saves, "passes saved", "#0072B2", "s", [row["passes_saved"] for row in generator["pruning"]]),
        (loses, "stopped, would be right", "#D55E00", "o", [row["wrongly"]["strict"] for row in generator["pruning"]]),
        (loses, "all right paths stopped", "#0072B2", "s", [row["lost"]["strict"] for row in generator["pruning"]]),
        (loses, "no path left", "#009E73", "D", [row["none_left"] for row in generator["pruning"]]),
    )
    for panel, label, colour, marker, shares in lines:
        known = [(x, y) for x, y in zip(paths, shares) if y is not None]
        if known:
            panel.plot(*zip(*known), color=colour, marker=marker, markersize=4, linewidth=1.8, label=label)
    for panel in (saves, loses):
        _path_axis(panel, paths)
        panel.yaxis.set_major_formatter(PercentFormatter(1, 0))
        panel.set_ylim(bottom=0)
        _label_ends(panel)
    return figure


def _path_axis(panel: Axes, paths: Sequence[int]) -> None:
    panel.set_xscale("log", base=2)
    panel.set_xticks(paths, ["" if number == 16 and 20 in paths else str(number) for number in paths])  # side by side
    panel.minorticks_off()
    panel.set_xlabel("paths N", fontsize=9)


def _line(panel: Axes, name: str, x: Sequence[float], y: Sequence[float]) -> None:
    label, colour, marker = STYLES[name]
    style = "--" if not marker else "-"
    panel.plot(x, y, color=colour, marker=marker or None, markersize=4, linewidth=1.8, linestyle=style, label=label)


def _label_ends(panel: Axes) -> None:
    """Each line's name at its right end, darker than the line, as thin strokes need more contrast."""
    lines = [line for line in panel.get_lines() if not line.get_label().startswith("_")]
    low, high = panel.get_ylim()
    ends = [(line.get_ydata()[-1] - low) / (high - low) for line in lines]
    for line, place in zip(lines, apart(ends)):
        colour = [0.75 * part for part in to_rgb(line.get_color())]
        panel.annotate(
            line.get_label(), (1.02, place), xycoords="axes fraction", va="center",
            color=colour, fontsize=9, fontweight="bold", annotation_clip=False,
        )  # fmt: skip


def apart(places: Sequence[float], gap: float = 0.07, top: float = 1.0) -> list[float]:
    """``places`` moved so that none is nearer to the next than ``gap`` or above ``top``; their order stays."""
    order = sorted(range(len(places)), key=lambda number: places[number])
    moved = list(places)
    for below, number in zip(order, order[1:]):
        moved[number] = max(moved[number], moved[below] + gap)
    limit = top
    for number in reversed(order):
        moved[number] = min(moved[number], limit)
        limit = moved[number] - gap
    return moved


# -- the file and the command


def main(options: argparse.Namespace, backend: MiniBackend) -> None:
    """``eval --curves``: the curves of ``--model`` take their place in the file; the figures are drawn anew."""
    most = whole("paths", options.paths or PATHS[1], *PATHS)
    pool, entries = pool_of(options, backend)
    asked = {name: value for name, value in pool.identity.items() if name not in ("model", "weights")}
    asked["limit"] = options.limit
    file = options.json or FILE
    before = read_curves(file) if file.exists() else {"asked": asked, "generators": []}
    if before["asked"] != asked:
        raise UserError(f"{file} is of other prompts or settings: name another file.")
    maker = Maker(pool, most, [verifier_of(method) for method in COMPARED])
    if options.dry_run:
        print(f"pool of {options.model}: {budget(maker, entries)}")
        return
    fill(maker, entries, say)
    found = curves(pool, entries, [number for number in NUMBERS if number <= most], status=say)
    generators = {one["model"]: one for one in before["generators"]} | {found["model"]: found}
    content = headed(
        CURVES, VERSION, asked=asked, prompts=len(entries), hardware=in_words(describe()),
        generators=list(generators.values()),
    )  # fmt: skip
    write_json(file, content)
    folder = options.out or FIGURES
    for name in draw(content, folder):
        print(f"Wrote {folder / name}")
    print(f"Wrote {file}")
