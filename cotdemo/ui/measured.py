"""What the Results tab shows: the files of ``eval --table`` and ``eval --curves``, checked and made small.

The page gets numbers within their limits and plain texts, whatever is in the files (docs/results.md), and of each row
its figures alone: not what came of every prompt. A file that is not there or cannot be used is a word and a command.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..evaluation.results import OVERALL, ROWS, RULES, SHIPPED, Row, images_of, paper, read_curves, read_ladder
from ..settings import number, plain_text

log = logging.getLogger(__name__)

TABLE, CURVES = "python -m cotdemo eval --table", "python -m cotdemo eval --curves"
MOST = 1e30  # of a count or a cost: whatever is finite
LONGEST = 400  # characters of a text in a file

# Of the paper's rows those that stand at the top: the generator, each verifier, training, both of them, and reflection.
STORY = ("show-o", "orm-zero-shot", "orm", "prm", "parm", "dpo-iter", "dpo-iter-parm+parm", "parm++")
KNOWN = {row.name: row for row in ROWS}


def measured(assets: Path) -> dict[str, Any]:
    """``ladder`` and ``curves``, each as the page draws it, or ``{"missing": words, "command": what makes it}``."""
    return {
        "ladder": _file(assets / "ladder.json", TABLE, read_ladder, _ladder),
        "curves": _file(assets / "curves.json", CURVES, read_curves, _curves),
    }


def _file(file: Path, command: str, read: Callable[[Path], Any], small: Callable[[Any], Any]) -> dict[str, Any]:
    if not file.exists():
        return {"missing": "Nothing is measured here yet.", "command": command}
    try:
        return small(read(file))
    except (UserError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s is not shown: %s", file, error)
        words = f"{file.name} is damaged, or another version has written it. Remove it and measure again."
        return {"missing": words, "command": command}


def _ladder(content: Mapping[str, Any]) -> dict[str, Any]:
    kinds = [_text(kind) for kind in content["kinds"]]
    papers = {row["name"]: paper().get(row["paper"] or "", {}) for row in content["rows"]}
    labels = dict.fromkeys(_text(row["training_seed"]) for row in content["rows"])
    others = "".join(f" --training-seed {label}=FOLDER" for label in labels if label != SHIPPED)
    hardware = dict.fromkeys(_text(row["hardware"]) for row in content["rows"] if not row["missing"])
    return {
        "kinds": kinds,
        "images": images_of(content["asked"]),
        "rows": [_row(row, kinds, papers) for row in content["rows"]],
        "differences": [_difference(one, kinds, papers) for one in content["differences"]],
        "facts": _facts(content["asked"], content["created"], hardware),
        "command": _command(TABLE, content["asked"]) + others,
    }


def _row(row: Mapping[str, Any], kinds: Sequence[str], papers: Mapping[str, Any]) -> dict[str, Any]:
    known = KNOWN.get(row["name"])
    shown = {
        **{name: _text(row[name]) for name in ("name", "label", "method", "model", "missing")},
        "seed": _text(row["training_seed"]),
        "paths": number("paths", row["paths"], 0, MOST),
        "paper": papers[row["name"]],
        "story": row["paper"] in STORY,
        "as_costly_as": (known and known.as_costly_as) or "",  # what it is a yardstick for, by equal compute
        "yardstick": known is not None and _is_yardstick(known),
    }
    if row["missing"]:
        return shown
    shares = {one["share"] for one in row["outcomes"]}
    return shown | {
        "accuracy": {rule: _estimates(row["accuracy"][rule], kinds) for rule in RULES},
        # of each prompt; None where two numbers of paths are mixed, so that no whole number of images is right
        "images": len(row["outcomes"]) if len(shares) == 1 else None,
        "operations": _parts(row["cost"]["operations"]),
        "seconds": number("seconds", row["cost"]["seconds"], 0, MOST),
        # over the plain generator; tables did not always tell it
        "gain": {rule: _estimates(row["gain"][rule], kinds) for rule in RULES} if "gain" in row else None,
    }


def _is_yardstick(row: Row) -> bool:
    """It is there for what others are held against; nobody would choose it for itself."""
    return bool(row.as_costly_as or row.beside) or row.critique != "real"


def _difference(one: Mapping[str, Any], kinds: Sequence[str], papers: Mapping[str, Any]) -> dict[str, Any]:
    of, minus = papers[one["of"]], papers[one["minus"]]
    both = [kind for kind in of if None not in (of[kind], minus.get(kind))]
    return {
        **{name: _text(one[name]) for name in ("label", "of", "minus")},
        "seed": _text(one["training_seed"]),
        "accuracy": {rule: _estimates(one[rule], kinds) for rule in RULES},
        "paper": {kind: round(of[kind] - minus[kind], 2) for kind in both},
    }


def _curves(content: Mapping[str, Any]) -> dict[str, Any]:
    images = images_of(content["asked"])
    even = images is not None and len(set(images.values())) == 1  # then the mean of the kinds is that of images
    return {
        "images": sum(images.values()) if even else None,
        "generators": [_generator(one, content["asked"]) for one in content["generators"]],
        "facts": _facts(content["asked"], content["created"], [_text(content["hardware"])]),
    }


def _generator(one: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    model = _text(one["model"])
    methods = [_text(curve["method"]) for curve in one["methods"]]
    of_paper = {method: method if model == "base" else f"{model}+{method}" for method in methods}
    command = _command(CURVES, asked)
    return {
        "model": model,
        "methods": [
            {"method": method, "points": [_point(point) for point in curve["points"]]}
            for method, curve in zip(methods, one["methods"])
        ],
        "oracle": [_reached(point) for point in one["oracle"]],
        "pruning": [
            {
                "paths": number("paths", row["paths"], 1, MOST),
                **{name: _share(row[name]) for name in ("stopped", "none_left", "passes_saved")},
                **{name: _by_rule(row[name]) for name in ("wrongly", "lost")},
            }
            for row in one["pruning"]
        ],
        "outcome": {_text(method): _by_rule(areas) for method, areas in one["outcome"].items()},
        "by_step": [
            {
                "step": number("step", row["step"], 1, MOST),
                "clarity": _share(row.get("clarity")),
                "potential": _by_rule(row.get("potential", {})),
                "prm": _by_rule(row.get("prm", {})),
            }
            for row in one["by_step"]
        ],
        "calibration": _calibration(one.get("calibration", {})),
        "paper": {method: paper().get(name, {}).get(OVERALL) for method, name in of_paper.items()},
        "command": command if model == "base" else f"{command} --model {model}",
    }


def _calibration(bins: Mapping[str, Any]) -> dict[str, Any]:
    """Bins by question; {} for curves that were measured before they were kept."""
    return {
        _text(question): [
            {
                **{name: _share(one[name]) for name in ("from", "stated")},
                "count": number("answers", one["count"], 0, MOST),
                "right": _by_rule(one["right"]),
            }
            for one in of
        ]
        for question, of in bins.items()
    }


def _point(point: Mapping[str, Any]) -> dict[str, Any]:
    seconds = number("seconds", point["seconds"], 0, MOST)
    return {**_reached(point), "operations": _parts(point["operations"]), "seconds": seconds}


def _reached(point: Mapping[str, Any]) -> dict[str, Any]:
    """Overall accuracy with so many paths."""
    return {
        "paths": number("paths", point["paths"], 1, MOST),
        "accuracy": {rule: _estimate(point["accuracy"][rule]) for rule in RULES},
    }


# -- parts of both files


def _estimates(estimates: Mapping[str, Any], kinds: Sequence[str]) -> dict[str, list[float]]:
    return {kind: _estimate(estimates[kind]) for kind in (OVERALL, *kinds)}


def _estimate(estimate: Mapping[str, Any]) -> list[float]:
    """Value, and the ends of its interval; also of a difference."""
    return [number("an accuracy", estimate[name], -1, 1) for name in ("value", "low", "high")]


def _by_rule(shares: Mapping[str, Any]) -> dict[str, float | None]:
    return {rule: _share(shares.get(rule)) for rule in RULES}


def _share(share: object) -> float | None:
    return None if share is None else number("a share", share, 0, 1)


def _parts(operations: Mapping[str, Any]) -> dict[str, float]:
    return {_text(part): number("operations", count, 0, MOST) for part, count in operations.items()}


def _text(value: object) -> str:
    return plain_text("a text", value, LONGEST, least=0)


# -- where the figures come from


def _facts(asked: Mapping[str, Any], created: object, hardware: Sequence[str]) -> list[tuple[str, str]]:
    """What the figures rest on, as (what, words)."""
    split, _, prints = _text(asked["prompts"]).partition(" ")
    images = images_of(asked)
    each = sorted(set(images.values())) if images else []
    counted = f"{sum(images.values())}, {' to '.join(map(str, each))} of each kind, " if images else ""
    settings = {name: number(name, asked[name], 0, MOST) for name in ("steps", "guidance", "temperature", "seed")}
    words = ", ".join(f"{settings[name]:g} {name}" if name == "steps" else f"{name} {settings[name]:g}"
                      for name in ("steps", "guidance", "temperature"))  # fmt: skip
    return [
        ("prompts", f"{counted}{split} split {prints}"),
        ("seed", f"{settings['seed']:.0f}"),
        ("settings", words),
        ("hardware", "; ".join(hardware)),
        ("measured", _text(created)[:10]),
    ]


def _command(command: str, asked: Mapping[str, Any]) -> str:
    """With what was not left to its default."""
    split = _text(asked["prompts"]).partition(" ")[0]
    options = {"split": split if split != "test" else None, "limit": asked["limit"], "seed": asked["seed"] or None}
    return command + "".join(f" --{name} {value}" for name, value in options.items() if value is not None)
