"""The figures of an evaluation, from its records: accuracy by kind with intervals, and what search made of the paths.

GenEval accuracy goes by GenEval's rules; strict accuracy asks besides that nothing is there that was not asked for.
Overall is the mean of the kinds, as GenEval has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import UserError
from .entries import SEEN
from .records import PARTS, Path, Record
from .statistics import means_of_kinds, roc_auc_within

RULES: Mapping[str, Callable[[Path], bool | None]] = {
    "geneval": lambda path: path.correct,
    "strict": lambda path: path.strict,
}


def summarise(records: Sequence[Record], embedded: bool = False) -> dict[str, Any]:
    """All figures of an evaluation; what cannot be known is None. ``embedded``: the world's own prompts."""
    summary: dict[str, Any] = {"kinds": _kinds(records, embedded)}
    summary["accuracy"] = {
        rule: accuracy(records, lambda record, of=of: of(record.final)) for rule, of in RULES.items()
    }
    summary["paths"] = {rule: _paths(records, of) for rule, of in RULES.items()}
    summary["pruning"] = _pruning(records)
    summary["judge"] = _judge(records)
    summary["reflection"] = _reflection(records)
    summary["critiques"] = _critiques(records)
    summary["cost"] = _cost(records)
    return summary


def accuracy(records: Sequence[Record], right: Callable[[Record], bool | float | None]) -> dict[str, Any] | None:
    """Estimates by kind and overall of what ``right`` says of each record; None where it does not always know."""
    values = [right(record) for record in records]
    if not values or None in values:
        return None
    estimates = means_of_kinds(values, [r.kind for r in records], [r.prompt for r in records])
    return {kind: estimate.as_dict() for kind, estimate in estimates.items()}


def compare(a: Sequence[Record], b: Sequence[Record]) -> dict[str, Any]:
    """B minus A, paired by prompt and seed, over the entries that both have; each may be of several evaluations.

    Raises UserError where none is shared.
    """
    first = {_picture(record): record for record in a}
    pairs = [(first[_picture(record)], record) for record in b if _picture(record) in first]
    if not pairs:
        raise UserError("These evaluations are not of the same prompts and seeds, so they cannot be paired.")
    result: dict[str, Any] = {"pairs": len(pairs), "only_a": len(a) - len(pairs), "only_b": len(b) - len(pairs)}
    for rule, of in RULES.items():
        known = [(of(x.final), of(y.final)) for x, y in pairs]
        if any(None in pair for pair in known):
            result[rule] = None
            continue
        kinds, prompts = [x.kind for x, _ in pairs], [x.prompt for x, _ in pairs]
        estimates = means_of_kinds([float(y) - float(x) for x, y in known], kinds, prompts)
        result[rule] = {
            "difference": {kind: estimate.as_dict() for kind, estimate in estimates.items()},
            "right_to_wrong": sum(x and not y for x, y in known),
            "wrong_to_right": sum(y and not x for x, y in known),
        }
    return result


def _picture(record: Record) -> tuple[int, int, str, int]:
    """What two evaluations have to share for a fair comparison."""
    return (*record.place, record.prompt, record.seed)


def _kinds(records: Sequence[Record], embedded: bool) -> dict[str, Any]:
    kinds: dict[str, Any] = {}
    for kind in dict.fromkeys(record.kind for record in records):
        prompts = [record.prompt for record in records if record.kind == kind]
        seen = embedded and kind in SEEN
        kinds[kind] = {"prompts": len(set(prompts)), "pictures": len(prompts), "seen_in_training": seen}
    return kinds


def _paths(records: Sequence[Record], of: Callable[[Path], bool | None]) -> dict[str, Any] | None:
    """How often how many of the first round's paths are right.

    None unless the truth about every path is known, and every record has as many.
    """
    truths = [[of(path) for path in record.rounds[0].paths] for record in records]
    if len({len(row) for row in truths}) != 1 or any(None in row for row in truths):
        return None
    counts = [sum(row) for row in truths]
    most = len(truths[0])
    right = dict(zip((record.place for record in records), counts))
    return {
        "mean_path": accuracy(records, lambda record: right[record.place] / most),
        "oracle": accuracy(records, lambda record: right[record.place] > 0),
        "prompts_by_right_paths": [counts.count(number) for number in range(most + 1)],
        "some_but_not_all": _share(sum(0 < count < most for count in counts), len(counts)),
    }


def _pruning(records: Sequence[Record]) -> dict[str, Any] | None:
    """What stopping paths saved and cost, first round; None where no path was ever stopped."""
    pruned = [path for record in records for path in record.rounds[0].paths if path.pruned is not None]
    if not pruned:
        return None
    known = {rule: [of(path) for path in pruned] for rule, of in RULES.items()}
    painted = sum(record.generator_passes for record in records)
    saved = sum(record.passes_saved for record in records)
    return {
        "paths": sum(len(record.rounds[0].paths) for record in records),
        "pruned": len(pruned),
        "mean_step": round(float(np.mean([path.pruned + 1 for path in pruned])), 3),  # counted from 1
        "would_have_been_right": {
            rule: None if None in truths else _share(sum(truths), len(truths)) for rule, truths in known.items()
        },
        "all_pruned": _share(sum(record.rounds[0].fallback for record in records), len(records)),
        "passes_saved": _share(saved, painted + saved),
    }


def _judge(records: Sequence[Record]) -> dict[str, Any] | None:
    """Whether P(yes) to outcome tells right pictures from wrong ones of the same prompt and seed, first round."""
    rows = [
        (path.outcome()[0], path.strict, path.correct, record.place)
        for record in records
        for path in record.rounds[0].paths
        if path.outcome() is not None and path.strict is not None
    ]
    if not rows:
        return None
    scores, strict, correct, places = zip(*rows)
    areas = {"geneval": roc_auc_within(scores, correct, places), "strict": roc_auc_within(scores, strict, places)}
    return {
        "pictures": len(rows),
        "outcome_auc_within": {rule: None if np.isnan(area) else round(area, 6) for rule, area in areas.items()},
    }


def _reflection(records: Sequence[Record]) -> dict[str, Any] | None:
    """What repainting did; None where nothing was repainted. Round r compares its picture with the best before it."""
    if all(len(record.rounds) == 1 for record in records):
        return None
    result: dict[str, Any] = {"runs_repainted": sum(len(record.rounds) > 1 for record in records)}
    for rule, of in RULES.items():
        if any(of(one.chosen) is None for record in records for one in record.rounds):
            result[rule] = None
            continue
        ends = [(of(record.rounds[0].chosen), of(record.final)) for record in records]
        result[rule] = {
            "before": accuracy(records, lambda record, of=of: of(record.rounds[0].chosen)),
            "after": accuracy(records, lambda record, of=of: of(record.final)),
            "whole": _changes(ends),
            "rounds": [_changes(_repaintings(records, number, of)) for number in range(1, _most_rounds(records))],
        }
    return result


def _repaintings(records: Sequence[Record], number: int, of: Callable[[Path], bool | None]) -> list[tuple[Any, Any]]:
    """(what the best picture before round ``number`` was, what the picture of that round is)."""
    pairs = []
    for record in records:
        if number < len(record.rounds):
            # the judge prefers "yes", then the higher P(yes); of equals the earlier
            before = max(record.rounds[:number], key=lambda one: _rank(one.chosen))
            pairs.append((of(before.chosen), of(record.rounds[number].chosen)))
    return pairs


def _rank(path: Path) -> tuple[bool, float]:
    p_yes, said = path.outcome() or (-1.0, "")
    return said == "yes", p_yes


def _changes(pairs: Sequence[tuple[bool, bool]]) -> dict[str, int]:
    return {
        "pictures": len(pairs),
        "right_to_wrong": sum(bool(x and not y) for x, y in pairs),
        "wrong_to_right": sum(bool(y and not x) for x, y in pairs),
    }


def _most_rounds(records: Sequence[Record]) -> int:
    return max(len(record.rounds) for record in records)


def _critiques(records: Sequence[Record]) -> dict[str, Any] | None:
    """Whether what the judge said about the first round's winners is among what the checker found.

    A critique is true when fault, object, expected and found all are: its sentence is one of the checker's own. None
    where nothing was criticised, or the truth is not known.
    """
    chosen = [record.rounds[0] for record in records]
    if all(one.critique is None for one in chosen) or any(one.chosen.strict is None for one in chosen):
        return None
    right = [one for one in chosen if one.chosen.strict]
    wrong = [one for one in chosen if not one.chosen.strict]
    said = [(one.critique, one.chosen.reason.split("; ")) for one in wrong if one.critique is not None]
    common = Counter(fault for _, faults in said for fault in faults).most_common(1)
    return {
        "wrong_pictures": len(wrong),
        "wrong_pictures_criticised": len(said),
        "true": _share(sum(words in faults for words, faults in said), len(said)),
        "commonest_fault_would_be_true": _share(common[0][1] if common else 0, len(said)),
        "right_pictures": len(right),
        "right_pictures_criticised": _share(sum(one.critique is not None for one in right), len(right)),
    }


def _cost(records: Sequence[Record]) -> dict[str, Any]:
    names = ("seconds", "generator_passes", "judge_passes", "pictures_decoded", "passes_saved")
    total = {name: sum(getattr(record, name) for record in records) for name in names}
    operations = {part: sum(record.operations[part] for record in records) for part in PARTS}
    return total | {"seconds": round(total["seconds"], 3), "operations": operations}


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
