"""The ladder: its rows, the differences between them, its file, and its tables as Markdown; the file of the curves.

``eval --table`` measures the rows (``ladder``), ``eval --curves`` the curves. This is what the page and the documents
read both by; no torch here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..files import read_json
from ..registry import CORRECTOR, METHODS, MODELS
from ..settings import corrects
from .entries import SPLITS, fingerprint, of_split, select
from .report import RULES
from .statistics import OVERALL

__all__ = ["OVERALL", "RULES"]

PAPER = Path(__file__).with_name("paper.json")
LADDER, CURVES = "cotdemo-ladder", "cotdemo-curves"
VERSION = 1
HEADLINE = ("plain", "orm", "prm", "parm", "parm-lenient", "dpo-iter", "dpo-iter-parm+parm", "parm++")
PLAIN = "plain"  # the row that all others are held against; ``PLAIN`` of ui/web/rows.js
SHIPPED = "shipped"  # the training seed whose weights are in assets
USUAL = 20  # paths of a search


# -- the rows


@dataclass(frozen=True)
class Row:
    """One row: ``method`` over ``paths`` paths of ``model``.

    ``images`` is how many of the plain generator's images count for each prompt; a search has one winner.
    ``as_costly_as`` names a row whose counted operations decide the number of paths, ``beside`` the row whose repainted
    paths do (and whose critiques are shuffled). ``judge_from`` and ``stopping`` are PARM's settings. ``paper`` is the
    row's name in paper.json.
    """

    name: str
    method: str
    model: str = "base"
    paths: int = USUAL
    paper: str | None = None
    images: int = 1
    as_costly_as: str | None = None
    critique: str = "real"
    beside: str | None = None
    repaint: str = "whole"
    judge_from: int = 1
    stopping: str = "paper"

    @property
    def label(self) -> str:
        """By the registry's names, and what is unusual about it."""
        model = MODELS[self.model]
        if self.method == "baseline":
            return model.label
        return f"{METHODS[self.method].label}{model.on}{self._unusual}"

    @property
    def _unusual(self) -> str:
        for other, words in ((self.as_costly_as, "at the compute of"), (self.beside, "with as many paths as")):
            if other and not self.live:
                return f" {words} {METHODS[row_named(other).method].label}{row_named(other)._unusual}"
        words = {
            f"{self.paths} path{'s' if self.paths > 1 else ''}": self.paths != USUAL and not METHODS[self.method].waves,
            f"{self.paths} at most": METHODS[self.method].waves,
            f"{self.stopping} from step {self.judge_from}": self.stopping != "paper",
            f"by {self.repaint}": self.repaint != "whole",
            f"{self.critique} critiques": self.critique != "real",
        }
        return "".join(f", {word}" for word, unusual in words.items() if unusual)

    @property
    def live(self) -> bool:
        """It repaints, so no pool holds it."""
        return self.method in ("parm++", "repair")

    @property
    def verifiers(self) -> tuple[str, ...]:
        return METHODS[self.method].verifiers

    @property
    def models(self) -> tuple[str, ...]:
        """All generators it paints with."""
        corrected = corrects(self.method, self.repaint)
        return tuple(dict.fromkeys((self.model, CORRECTOR) if corrected else (self.model,)))


def _plain(name: str, model: str, paper: str) -> Row:
    return Row(name, "baseline", model, 1, paper, images=4)


SMALL = (1, 2, 4, 8)  # paths of PARM++ where it is compared with PARM that has as many paths in all

ROWS = (
    _plain("plain", "base", "show-o"),
    Row("repair", "repair", paths=1),
    Row("orm-zero-shot", "orm-zero-shot", paper="orm-zero-shot"),
    Row("orm", "orm", paper="orm"),
    Row("adaptive", "adaptive"),
    Row("orm-at-adaptive's-compute", "orm", as_costly_as="adaptive"),
    Row("think8", "think", paths=8),
    Row("orm-at-think8's-compute", "orm", as_costly_as="think8"),
    Row("think", "think"),
    Row("orm-at-think's-compute", "orm", as_costly_as="think"),
    Row("prm", "prm", paper="prm"),
    Row("parm", "parm", paper="parm"),
    Row("orm-at-parm's-compute", "orm", as_costly_as="parm"),
    Row("parm-lenient", "parm", judge_from=9, stopping="lenient"),
    Row("parm8", "parm", paths=8),
    Row("parm8-lenient", "parm", paths=8, judge_from=9, stopping="lenient"),
    Row("orm-at-parm8-lenient's-compute", "orm", as_costly_as="parm8-lenient"),
    _plain("dpo", "dpo", "dpo"),
    _plain("dpo-iter", "dpo-iter", "dpo-iter"),
    _plain("dpo-iter-parm", "dpo-iter-parm", "dpo-iter-parm"),
    Row("dpo-iter+parm", "parm", "dpo-iter", paper="dpo-iter+parm"),
    Row("dpo-iter-parm+parm", "parm", "dpo-iter-parm", paper="dpo-iter-parm+parm"),
    _plain("self-correct", "self-correct", "self-correct"),
    Row("self-correct+orm", "orm", "self-correct", paper="self-correct+orm"),
    Row("self-correct+parm", "parm", "self-correct", paper="self-correct+parm"),
    Row("parm++", "parm++", "self-correct", paper="parm++"),
    # 8 paths and at most three repaintings of as many: 32, the most that a run may have
    *(Row(f"parm++{n}", "parm++", "self-correct", n) for n in SMALL),
    *(Row(f"as-many-as-parm++{n}", "parm", "self-correct", n, beside=f"parm++{n}") for n in SMALL),
    Row("parm++8-shuffled", "parm++", "self-correct", 8, critique="shuffled", beside="parm++8"),
    Row("parm++8-empty", "parm++", "self-correct", 8, critique="empty", beside="parm++8"),
    Row("parm++8-region", "parm++", "base", 8, repaint="region"),
    Row("as-many-as-parm++8-region", "parm", "base", 8, beside="parm++8-region"),
    Row("dpo-iter-parm+parm++", "parm++", "dpo-iter-parm"),
    Row("dpo-iter-parm+parm++region", "parm++", "dpo-iter-parm", repaint="region"),
)


def row_named(name: str) -> Row:
    return next(row for row in ROWS if row.name == name)


@dataclass(frozen=True)
class Difference:
    """Row ``of`` minus row ``minus``, paired by prompt and path seed."""

    of: str
    minus: str

    @property
    def label(self) -> str:
        return f"{row_named(self.of).label} - {row_named(self.minus).label}"

    @property
    def paper(self) -> float | None:
        """What the paper's overall figures differ by, where it has both."""
        of, minus = (paper_of(row_named(name).paper) for name in (self.of, self.minus))
        return None if None in (of, minus) else round(of - minus, 2)


DIFFERENCES = (
    Difference("parm", "plain"),
    Difference("parm", "orm"),
    Difference("parm", "orm-at-parm's-compute"),
    Difference("parm-lenient", "parm"),
    Difference("parm8-lenient", "parm8"),
    Difference("parm8-lenient", "orm-at-parm8-lenient's-compute"),
    Difference("repair", "plain"),
    Difference("orm", "orm-zero-shot"),
    Difference("adaptive", "orm"),
    Difference("adaptive", "orm-at-adaptive's-compute"),
    Difference("think", "orm"),
    Difference("think", "orm-at-think's-compute"),
    Difference("think8", "orm-at-think8's-compute"),
    Difference("parm", "prm"),
    Difference("dpo", "plain"),
    Difference("dpo-iter", "plain"),
    Difference("dpo-iter-parm", "dpo-iter"),
    Difference("dpo-iter-parm+parm", "plain"),
    Difference("parm++", "self-correct"),
    Difference("parm++", "self-correct+parm"),
    Difference("parm++8", "parm++8-empty"),
    Difference("parm++8", "parm++8-shuffled"),
    *(Difference(f"parm++{n}", f"as-many-as-parm++{n}") for n in SMALL),
    Difference("parm++8-region", "as-many-as-parm++8-region"),
    Difference("dpo-iter-parm+parm++", "dpo-iter-parm+parm"),
    Difference("dpo-iter-parm+parm++region", "dpo-iter-parm+parm"),
)


@cache
def paper() -> Mapping[str, Mapping[str, float | None]]:
    """The paper's figures: row -> kind or "overall" -> accuracy, None where it gives none."""
    content = json.loads(PAPER.read_text(encoding="utf-8"))
    return {name: dict(zip(content["kinds"], figures)) for name, figures in content["rows"].items()}


def paper_of(name: str | None) -> float | None:
    """The paper's overall figure of a row, where it has it."""
    return paper().get(name or "", {}).get(OVERALL)


# -- the files


def read_ladder(file: Path) -> dict[str, Any]:
    """A table. Raises UserError for a file that this version did not write."""
    return read_json(file, LADDER, VERSION, "table", _checked_ladder)


def read_curves(file: Path) -> dict[str, Any]:
    """Curves. Raises UserError for a file that this version did not write."""
    return read_json(file, CURVES, VERSION, "curves", _checked_curves)


def _checked_ladder(content: Any) -> Any:
    _ = content["asked"], content["differences"]
    for row in content["rows"]:
        _ = row["name"], row["training_seed"], row["weights"]
        lengths = {len(one[rule]) for one in row.get("outcomes", ()) for rule in RULES}
        if not row["missing"] and len(lengths) != 1:
            raise ValueError("its rows do not have as many prompts")
    return content


def _checked_curves(content: Any) -> Any:
    _ = content["asked"], [one["model"] for one in content["generators"]]
    return content


def images_of(asked: Mapping[str, Any]) -> dict[str, int] | None:
    """How many images of each kind were asked for; None where the prompts are no longer the ones of then."""
    split, _, prints = asked["prompts"].partition(" ")
    if split not in SPLITS or prints != fingerprint(of_split(split)):
        return None
    return dict(Counter(entry.kind for entry in select(of_split(split), asked["limit"])))


def values(row: Mapping[str, Any], rule: str) -> list[float]:
    """How right a row was on each prompt, 0 to 1."""
    parts = [[float(one["share"]) * int(bit) for bit in one[rule]] for one in row["outcomes"]]
    return [sum(shares) for shares in zip(*parts)]


# -- as Markdown


COLUMNS = ("what", "N", "GenEval", "strict", "GFLOP a prompt", "the paper")


def ladder_markdown(file: Path) -> str:
    """The whole table as a page of Markdown, every number from ``file``. Raises UserError for another file."""
    content = read_ladder(file)
    shipped = [row for row in content["rows"] if row["training_seed"] == SHIPPED]
    measured = [row for row in shipped if not row["missing"]]
    sections = [
        ("Results", [_provenance(content, measured)]),
        ("The ladder", _table(("row", *COLUMNS), map(_cells, shipped))),
        ("By kind of prompt", ["GenEval accuracy.", "", *_by_kind(measured, content["kinds"])]),
        ("Differences", ["Paired by prompt and path seed.", "", *_differences(content["differences"], SHIPPED)]),
        ("What stopping paths does", _stopping(measured)),
        ("What repainting does", _repainting(measured)),
        *_training_seeds(content),
    ]
    parts = [["#" * (1 + (number > 0)) + " " + title, "", *lines, ""] for number, (title, lines) in enumerate(sections)]
    return "\n".join(line for part in parts for line in part).rstrip() + "\n"


def aligned(markdown: str) -> str:
    """A page with the columns of its tables under each other, for a terminal."""

    def table(match: re.Match[str]) -> str:
        head, _, *body = (line.strip("| ").split(" | ") for line in match[0].splitlines())
        widths = [max(map(len, column)) for column in zip(head, *body)]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in (head, *body))
        return "".join(f"{line.rstrip()}\n" for line in lines)

    return re.sub(r"(?:^\|.*\n)+", table, markdown, flags=re.MULTILINE)


def headline_markdown(file: Path) -> str:
    """The few rows of the table that tell the story, for README. Raises UserError for another file."""
    content = read_ladder(file)
    rows = {row["name"]: row for row in content["rows"] if row["training_seed"] == SHIPPED and not row["missing"]}
    chosen = [rows[name] for name in HEADLINE if name in rows]
    note = (
        "*GenEval* goes by GenEval's rules, *strict* asks besides that nothing is there that was not asked for; 95% "
        "intervals by bootstrap over prompts. The paper's figures are of the full-size models, by GenEval's detector: "
        f"for orientation. {_measured(content, chosen)}"
    )
    return "\n".join([*_table(("row of `eval --table`", *COLUMNS), map(_cells, chosen)), "", note])


def _measured(content: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    return f"Measured {content['created'][:10]} on {'; '.join(dict.fromkeys(row['hardware'] for row in rows))}."


def _provenance(content: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """What the numbers rest on."""
    asked, split = content["asked"], content["asked"]["prompts"].partition(" ")[0]
    images = images_of(asked)
    counted = f", {sum(images.values())} prompts" if images else ""
    return (
        f"Written from `assets/ladder.json` by a command: do not edit. The `{split}` split{counted}, one winner a "
        f"prompt (the plain generators: several); {asked['steps']} steps, guidance {asked['guidance']:g}, temperature "
        f"{asked['temperature']:g}, seed {asked['seed']}. 95% intervals by bootstrap over prompts, stratified by kind; "
        "overall is the mean of the kinds. *GenEval* by GenEval's rules, *strict* if nothing is there besides that was "
        "not asked for. The paper's figures are of the full-size models, by GenEval's detector: for orientation, and "
        f"not to be compared with these. {_measured(content, rows)}"
    )


def _cells(row: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"`{row['name']}`", row["label"], f"{row['paths']:g}")
    if row["missing"]:
        yield f"missing: {row['missing']}"
        yield from ("", "")
    else:
        yield from (_interval(row["accuracy"][rule][OVERALL]) for rule in RULES)
        yield f"{sum(row['cost']['operations'].values()) / 1e9:.0f}"
    yield _figure(paper_of(row["paper"]))


def _by_kind(rows: Sequence[Mapping[str, Any]], kinds: Sequence[str]) -> list[str]:
    lines = ([row["label"], *(_figure(row["accuracy"]["geneval"][kind]["value"]) for kind in kinds)] for row in rows)
    return _table(("row", *(kind.replace("_", " ") for kind in kinds)), lines)


def _differences(differences: Sequence[Mapping[str, Any]], seed: str) -> list[str]:
    lines = (
        [one["label"], *(_interval(one[rule][OVERALL], "+") for rule in RULES), _figure(one["paper"], "+")]
        for one in differences
        if one["training_seed"] == seed
    )
    return _table(("difference", "GenEval", "strict", "the paper"), lines)


def _stopping(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    names = "paths stopped", "after step (mean)", "would have come out right (strict)", "no path left", "passes saved"
    lines = (
        [
            row["label"],
            _figure(found["pruned"] / found["paths"]),
            f"{found['mean_step']:.1f}",
            _figure(found["would_have_been_right"]["strict"]),
            *(_figure(found[name]) for name in ("all_pruned", "passes_saved")),
        ]
        for row in rows
        if (found := row.get("pruning"))
    )
    return _table(("row", *names), lines)


def _repainting(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    names = "runs repainted", "wrong to right (strict)", "right to wrong", "critiques true", "right ones criticised"
    lines = (
        [
            row["label"],
            str(found["runs_repainted"]),
            *(str(found["strict"]["whole"][name]) for name in ("wrong_to_right", "right_to_wrong")),
            *(_figure((row["critiques"] or {}).get(name)) for name in ("true", "right_images_criticised")),
        ]
        for row in rows
        if (found := row.get("reflection")) and found["strict"]
    )
    return _table(("row", *names), lines)


def _training_seeds(content: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Rows and differences of each other training seed."""
    for seed in dict.fromkeys(row["training_seed"] for row in content["rows"]):
        if seed != SHIPPED:
            rows = [row for row in content["rows"] if row["training_seed"] == seed and not row["missing"]]
            lines = ([row["label"], *(_interval(row["accuracy"][rule][OVERALL]) for rule in RULES)] for row in rows)
            yield f"Training seed {seed}", [
                *_table(("row", "GenEval", "strict"), lines), "", *_differences(content["differences"], seed),
            ]  # fmt: skip


def _table(names: Sequence[str], rows: Iterable[Iterable[str]]) -> list[str]:
    body = [list(row) for row in rows]
    return [_line(names), "|" + "---|" * len(names), *map(_line, body)] if body else ["Nothing of it is measured."]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _interval(estimate: Mapping[str, float], sign: str = "") -> str:
    value, low, high = (_number(estimate[end], 3, sign) for end in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _figure(value: float | None, sign: str = "") -> str:
    return "–" if value is None else _number(value, 2, sign)


def _number(value: float, digits: int, sign: str) -> str:
    """Without the nought before the point, as in the paper."""
    return f"{value:{sign}.{digits}f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:{sign}.{digits}f}"
