"""The files of ``eval --table`` and ``eval --curves``, read by whatever shows them; the table as text and as Markdown.

This is what the page reads results by; no torch here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .entries import SPLITS, fingerprint, of_split, select
from .records import read_json
from .report import RULES, both
from .rows import paper
from .statistics import OVERALL

__all__ = [
    "OVERALL",
    "RULES",
    "HEADLINE",
    "SHIPPED",
    "headline_markdown",
    "ladder_markdown",
    "ladder_table",
    "paper",
    "pictures_of",
    "read_curves",
    "read_ladder",
]

LADDER, CURVES = "cotdemo-ladder", "cotdemo-curves"
VERSION = 1
HEADLINE = ("plain", "orm", "prm", "parm", "parm-lenient", "dpo-iter", "dpo-iter-parm+parm", "parm++")
SHIPPED = "shipped"  # the training seed whose weights are in assets


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


def pictures_of(asked: Mapping[str, Any]) -> dict[str, int] | None:
    """How many pictures of each kind were asked for; None where the prompts are no longer the ones of then."""
    split, _, prints = asked["prompts"].partition(" ")
    if split not in SPLITS or prints != fingerprint(of_split(split)):
        return None
    return dict(Counter(entry.kind for entry in select(of_split(split), asked["limit"])))


# -- as text for a terminal


def ladder_table(file: Path) -> str:
    """The table of ``eval --table`` for a terminal: rows, then differences; the paper's figures in a column apart."""
    content = read_ladder(file)
    widths = max([len(row["label"]) for row in content["rows"]] + [len(one["label"]) for one in content["differences"]])
    lines = [
        f"{'overall (mean of kinds)':<{widths}}     N  {'GenEval':<23}  {'strict':<23}  {'GFLOP':>7}  {'s':>6}  paper"
    ]
    for row in content["rows"]:
        name = f"{row['label']:<{widths}} {row['paths']:>5g}  "
        if row["missing"]:
            lines.append(f"{name}missing: {row['missing']}")
            continue
        operations = f"{sum(row['cost']['operations'].values()) / 1e9:.0f}"
        figure = paper().get(row["paper"] or "", {}).get(OVERALL)
        lines.append(
            f"{name}{both(row['accuracy'], OVERALL)}  {operations:>7}  {row['cost']['seconds']:>6.2f}  "
            f"{'' if figure is None else f'{figure:.2f}':<5}  {_seed(row)}"
        )
    lines += ["", f"{'difference, paired':<{widths}}        {'GenEval':<25}{'strict':<23}  paper"]
    for one in content["differences"]:
        figure = "" if one["paper"] is None else f"{one['paper']:+.2f}"
        lines.append(f"{one['label']:<{widths}}        {both(one, OVERALL, '+')}  {figure:<5}  {_seed(one)}")
    lines.append("paper: GenEval with the full-size models; another world, so not to be compared with these figures.")
    return "\n".join(line.rstrip() for line in lines)


def _seed(of: Mapping[str, Any]) -> str:
    return "" if of["training_seed"] == SHIPPED else f"training seed {of['training_seed']}"


# -- as Markdown


def ladder_markdown(file: Path) -> str:
    """The whole table as a page of Markdown, every number from ``file``. Raises UserError for another file."""
    content = read_ladder(file)
    shipped = [row for row in content["rows"] if row["training_seed"] == SHIPPED]
    measured = [row for row in shipped if not row["missing"]]
    sections = [
        ("Results", [_told(content, measured)]),
        (
            "The ladder",
            _table(("row", "what", "N", "GenEval", "strict", "GFLOP a prompt", "the paper"), map(_rung, shipped)),
        ),
        ("By kind of prompt", ["GenEval accuracy.", "", *_by_kind(measured, content["kinds"])]),
        ("Differences", ["Paired by prompt and path seed.", "", *_differences(content["differences"], SHIPPED)]),
        ("What stopping paths does", _stopping(measured)),
        ("What repainting does", _repainting(measured)),
        *_training_seeds(content),
    ]
    parts = [["#" * (1 + (number > 0)) + " " + title, "", *lines, ""] for number, (title, lines) in enumerate(sections)]
    return "\n".join(line for part in parts for line in part).rstrip() + "\n"


def headline_markdown(file: Path) -> str:
    """The few rows of the table that tell the story, for README. Raises UserError for another file."""
    content = read_ladder(file)
    rows = {row["name"]: row for row in content["rows"] if row["training_seed"] == SHIPPED and not row["missing"]}
    chosen = [rows[name] for name in HEADLINE if name in rows]
    names = ("row of `eval --table`", "what", "N", "GenEval", "strict", "GFLOP a prompt", "the paper")
    return "\n".join([*_table(names, map(_rung, chosen)), "", _told(content, chosen)])


def _told(content: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """What the numbers rest on."""
    asked, split = content["asked"], content["asked"]["prompts"].partition(" ")[0]
    pictures = pictures_of(asked)
    counted = f", {sum(pictures.values())} prompts" if pictures else ""
    hardware = "; ".join(dict.fromkeys(row["hardware"] for row in rows))
    return (
        f"Written from `assets/ladder.json` by a command: do not edit. The `{split}` split{counted}, one winner a "
        f"prompt (the plain generators: several); {asked['steps']} steps, guidance {asked['guidance']:g}, temperature "
        f"{asked['temperature']:g}, seed {asked['seed']}. 95% intervals by bootstrap over prompts, stratified by kind; "
        "overall is the mean of the kinds. *GenEval* by GenEval's rules, *strict* if nothing is there besides that was "
        "not asked for. The paper's figures are GenEval's with the full-size models: another world, for orientation, "
        f"and not to be compared with these. Measured {content['created'][:10]} on {hardware}."
    )


def _rung(row: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"`{row['name']}`", row["label"], f"{row['paths']:g}")
    if row["missing"]:
        yield f"missing: {row['missing']}"
        yield from ("", "")
    else:
        yield from (_interval(row["accuracy"][rule][OVERALL]) for rule in RULES)
        yield f"{sum(row['cost']['operations'].values()) / 1e9:.0f}"
    yield _figure(paper().get(row["paper"] or "", {}).get(OVERALL))


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
    names = (
        "row",
        "paths stopped",
        "after step (mean)",
        "would have come out right (strict)",
        "no path left",
        "passes saved",
    )
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
    return _table(names, lines)


def _repainting(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    names = (
        "row",
        "runs repainted",
        "wrong to right (strict)",
        "right to wrong",
        "critiques true",
        "right ones criticised",
    )
    lines = (
        [
            row["label"],
            str(found["runs_repainted"]),
            *(str(found["strict"]["whole"][name]) for name in ("wrong_to_right", "right_to_wrong")),
            *(_figure((row["critiques"] or {}).get(name)) for name in ("true", "right_pictures_criticised")),
        ]
        for row in rows
        if (found := row.get("reflection")) and found["strict"]
    )
    return _table(names, lines)


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
