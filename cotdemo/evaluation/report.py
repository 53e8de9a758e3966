"""The figures of an evaluation, from its records: accuracy by kind with intervals, and what search made of the paths;
as values, and as text for a terminal.

GenEval accuracy goes by GenEval's rules; strict accuracy asks besides that nothing is there that was not asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from ..errors import UserError
from ..search.protocols import PARTS
from ..search.reflection import rank
from .entries import SEEN
from .records import Path, Record
from .statistics import OVERALL, estimates, roc_auc_within

COSTS = ("seconds", "generator_passes", "judge_passes", "pictures_decoded", "passes_saved")

RULES: Mapping[str, Callable[[Path], bool | None]] = {
    "geneval": lambda path: path.correct,
    "strict": lambda path: path.strict,
}


# -- of records


def summarise(records: Sequence[Record], embedded: bool = False) -> dict[str, Any]:
    """All figures of an evaluation; what cannot be known is None. ``embedded``: the world's own prompts."""
    summary: dict[str, Any] = {"kinds": _kinds(records, embedded)}
    summary["accuracy"] = {
        rule: accuracy(records, lambda record, of=of: of(record.final)) for rule, of in RULES.items()
    }
    summary["paths"] = {rule: _paths(records, of) for rule, of in RULES.items()}
    stopped = pruning(records)
    summary["pruning"] = _rounded(stopped) if stopped["pruned"] else None
    summary["judge"] = _judge(records)
    summary["reflection"] = _reflection(records)
    summary["critiques"] = _critiques(records)
    summary["cost"] = cost(records, sum, 3)
    return summary


def accuracy(records: Sequence[Record], right: Callable[[Record], bool | float | None]) -> dict[str, Any] | None:
    """Estimates by kind and overall of what ``right`` says of each record; None where it does not always know."""
    values = [right(record) for record in records]
    if not values or None in values:
        return None
    return estimates(values, records)


def compare(a: Sequence[Record], b: Sequence[Record]) -> dict[str, Any]:
    """B minus A, paired by prompt and seed, over the entries that both have; each may be of several evaluations.

    Raises UserError where none is shared.
    """
    first = {_image(record): record for record in a}
    pairs = [(first[_image(record)], record) for record in b if _image(record) in first]
    if not pairs:
        raise UserError("These evaluations are not of the same prompts and seeds, so they cannot be paired.")
    result: dict[str, Any] = {"pairs": len(pairs), "only_a": len(a) - len(pairs), "only_b": len(b) - len(pairs)}
    for rule, of in RULES.items():
        known = [(of(x.final), of(y.final)) for x, y in pairs]
        if any(None in pair for pair in known):
            result[rule] = None
            continue
        result[rule] = {
            "difference": estimates([float(y) - float(x) for x, y in known], [x for x, _ in pairs]),
            "right_to_wrong": sum(x and not y for x, y in known),
            "wrong_to_right": sum(y and not x for x, y in known),
        }
    return result


def _image(record: Record) -> tuple[int, int, str, int]:
    """What two evaluations have to share for a fair comparison."""
    return (*record.place, record.prompt, record.seed)


def _kinds(records: Sequence[Record], embedded: bool) -> dict[str, Any]:
    kinds: dict[str, Any] = {}
    for kind in dict.fromkeys(record.kind for record in records):
        prompts = [record.prompt for record in records if record.kind == kind]
        seen = embedded and kind in SEEN
        kinds[kind] = {"prompts": len(set(prompts)), "images": len(prompts), "seen_in_training": seen}
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


def begun(records: Sequence[Record]) -> float:
    """How many paths of the first round were begun, a mean: all, unless they begin in waves."""
    return fmean(sum(path.steps > 0 for path in record.rounds[0].paths) for record in records)


def pruning(records: Sequence[Record]) -> dict[str, Any]:
    """What stopping paths saved and cost, first round; None for what is not known, or where none was stopped."""
    pruned = [path for record in records for path in record.rounds[0].paths if path.pruned is not None]
    known = {rule: [of(path) for path in pruned] for rule, of in RULES.items()}
    painted = sum(record.generator_passes for record in records)
    saved = sum(record.passes_saved for record in records)
    return {
        "paths": sum(len(record.rounds[0].paths) for record in records),
        "pruned": len(pruned),
        "mean_step": _ratio(sum(path.pruned + 1 for path in pruned), len(pruned)),  # counted from 1
        "would_have_been_right": {
            rule: None if None in truths else _ratio(sum(truths), len(truths)) for rule, truths in known.items()
        },
        "all_pruned": _ratio(sum(record.rounds[0].fallback for record in records), len(records)),
        "passes_saved": _ratio(saved, painted + saved),
    }


def _rounded(stopped: Mapping[str, Any]) -> dict[str, Any]:
    """``pruning`` as it stands in a summary."""
    rounded = {name: _short(value) for name, value in stopped.items() if name != "would_have_been_right"}
    right = {rule: _short(share) for rule, share in stopped["would_have_been_right"].items()}
    return {**rounded, "mean_step": round(stopped["mean_step"], 3), "would_have_been_right": right}


def _judge(records: Sequence[Record]) -> dict[str, Any] | None:
    """Whether P(yes) to outcome tells right images from wrong ones of the same prompt and seed, first round."""
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
        "images": len(rows),
        "outcome_auc_within": {rule: None if np.isnan(area) else round(area, 6) for rule, area in areas.items()},
    }


def _reflection(records: Sequence[Record]) -> dict[str, Any] | None:
    """What repainting did; None where nothing was repainted. Round r compares its image with the best before it."""
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
    """(what the best image before round ``number`` was, what the image of that round is)."""
    pairs = []
    for record in records:
        if number < len(record.rounds):
            before = max(record.rounds[:number], key=lambda one: rank(one.chosen.outcome()))  # of equals the earlier
            pairs.append((of(before.chosen), of(record.rounds[number].chosen)))
    return pairs


def _changes(pairs: Sequence[tuple[bool, bool]]) -> dict[str, int]:
    return {
        "images": len(pairs),
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
        "wrong_images": len(wrong),
        "wrong_images_criticised": len(said),
        "true": _share(sum(words in faults for words, faults in said), len(said)),
        "commonest_fault_would_be_true": _share(common[0][1] if common else 0, len(said)),
        "right_images": len(right),
        "right_images_criticised": _share(sum(one.critique is not None for one in right), len(right)),
    }


def cost(records: Sequence[Record], of: Callable[[Iterable[float]], float], digits: int) -> dict[str, Any]:
    """What the records cost, together or as means (``of``); ``operations`` by part."""
    parts = {part: of(record.operations[part] for record in records) for part in PARTS}
    return {
        **{name: round(of(getattr(record, name) for record in records), digits) for name in COSTS},
        "operations": parts,
    }


def _ratio(part: float, whole: int) -> float | None:
    return part / whole if whole else None


def _short(share: float | None) -> float | None:
    return None if share is None else round(share, 6)


def _share(part: float, whole: int) -> float | None:
    return _short(_ratio(part, whole))


# -- as text


def table(summary: Mapping[str, Any]) -> str:
    """The figures for a terminal."""
    accuracies = summary["accuracy"]
    lines = [f"{'kind':<24}{'prompts':>8}{'images':>10}   {'GenEval':<23}  {'strict':<23}"]
    for kind, counts in summary["kinds"].items():
        row = f"{kind:<24}{counts['prompts']:>8}{counts['images']:>10}   {both(accuracies, kind)}"
        lines.append(row + ("  seen in training" if counts["seen_in_training"] else ""))
    total = [sum(counts[name] for counts in summary["kinds"].values()) for name in ("prompts", "images")]
    lines.append(f"{'overall (mean of kinds)':<24}{total[0]:>8}{total[1]:>10}   {both(accuracies, OVERALL)}")
    lines = [line.rstrip() for line in lines]
    if accuracies["strict"] is None:
        lines.append("Nothing here can check these images but GenEval's evaluator: geneval score FOLDER.")
    return "\n".join([*lines, *_sentences(summary)])


def comparison_table(result: Mapping[str, Any]) -> str:
    """B minus A for a terminal."""
    known = {rule: result[rule] and result[rule]["difference"] for rule in RULES}
    kinds = next((list(of) for of in known.values() if of), [])
    lines = [f"{'B - A':<24}   {'GenEval':<25}  {'strict':<25}"]
    lines += [f"{kind:<24}   {both(known, kind, '+')}" for kind in kinds]
    for rule in RULES:
        if result[rule]:
            lines.append(f"{rule}: {_changed(result[rule])}")
    left_out = result["only_a"] + result["only_b"]
    alone = f"; {left_out} images have no partner and are left out" if left_out else ""
    lines.append(f"{result['pairs']} pairs{alone}")
    return "\n".join(line.rstrip() for line in lines)


def both(of: Mapping[str, Any], kind: str, sign: str = "") -> str:
    """The intervals by both rules, in columns."""
    return "  ".join(f"{interval(of[rule] and of[rule][kind], sign):<23}" for rule in RULES)


def interval(estimate: Mapping[str, float] | None, sign: str = "") -> str:
    if estimate is None:
        return "not checked"
    return f"{estimate['value']:{sign}.3f} [{estimate['low']:{sign}.3f}, {estimate['high']:{sign}.3f}]"


def _sentences(summary: Mapping[str, Any]) -> list[str]:
    lines = []
    paths = summary["paths"]["strict"]
    if paths and len(paths["prompts_by_right_paths"]) > 2:
        most = len(paths["prompts_by_right_paths"]) - 1
        mean, oracle = (interval(paths[name][OVERALL]) for name in ("mean_path", "oracle"))
        lines.append(
            f"paths, strict: mean {mean}; oracle best of {most} {oracle}; "
            f"right on 1 to {most - 1} of {most}: {paths['some_but_not_all']:.3f} of prompts"
        )
    if summary["judge"]:
        areas = {rule: _number(area) for rule, area in summary["judge"]["outcome_auc_within"].items()}
        lines.append(
            f"judge: outcome's area under ROC within prompt: strict {areas['strict']}, GenEval {areas['geneval']}"
        )
    if summary["pruning"]:
        stopped = summary["pruning"]
        wrongly = stopped["would_have_been_right"]["strict"]
        truth = "" if wrongly is None else f"; {wrongly:.3f} of them would have come out right (strict)"
        lines.append(
            f"pruned: {stopped['pruned']} of {stopped['paths']} paths, at step {stopped['mean_step']:.1f} on average"
            f"{truth}; none left in {stopped['all_pruned']:.3f} of runs; {stopped['passes_saved']:.3f} of passes saved"
        )
    if summary["reflection"]:
        strict = summary["reflection"]["strict"]
        changed = f"; strict: {_changed(strict['whole'])}" if strict else ""
        lines.append(f"repainted: {summary['reflection']['runs_repainted']} runs{changed}")
    if summary["critiques"]:
        said = summary["critiques"]
        lines.append(
            f"critiques: {_number(said['true'])} true of {said['wrong_images_criticised']} on wrong images "
            f"(always the commonest fault: {_number(said['commonest_fault_would_be_true'])}); "
            f"{_number(said['right_images_criticised'])} of {said['right_images']} right images criticised"
        )
    spent = summary["cost"]
    lines.append(
        f"cost: {spent['seconds']:.1f} s, {spent['generator_passes']} generator passes, "
        f"{spent['judge_passes']} questions, {spent['pictures_decoded']} images decoded, "
        f"{sum(spent['operations'].values()) / 1e9:.0f} GFLOP"
    )
    return lines


def _number(share: float | None) -> str:
    return "-" if share is None else f"{share:.3f}"


def _changed(counts: Mapping[str, int]) -> str:
    return f"{counts['wrong_to_right']} wrong -> right, {counts['right_to_wrong']} right -> wrong"
