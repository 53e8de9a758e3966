"""The curves as figures for the README: light ground, colours that the colour-blind can tell apart, labels on lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

# Okabe and Ito's palette, with a marker each, so that no figure depends on colour
STYLES = {
    "oracle": ("oracle", "#555555", ""),
    "parm": ("PARM", "#D55E00", "o"),
    "orm": ("fine-tuned ORM", "#0072B2", "s"),
    "orm-zero-shot": ("zero-shot ORM", "#56B4E9", "^"),
    "prm": ("PRM", "#009E73", "D"),
    "potential": ("PARM, potential", "#D55E00", "o"),
    "clarity": ("PARM, clarity", "#CC79A7", "s"),
}
SIZE, DPI = (9.2, 3.7), 160


def draw(content: Mapping[str, Any], folder: Path) -> list[str]:
    """Draw all figures of curves (``cotdemo.evaluation.curves``) into ``folder``; returns their names."""
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
        yield "pruning", _stopping(generator)


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


def _stopping(generator: Mapping[str, Any]) -> Figure:
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
