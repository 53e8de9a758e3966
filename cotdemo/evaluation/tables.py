"""An evaluation's figures as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .report import RULES
from .results import SHIPPED, read_ladder
from .rows import paper
from .statistics import OVERALL


def table(summary: Mapping[str, Any]) -> str:
    """The figures for a terminal."""
    accuracies = summary["accuracy"]
    lines = [f"{'kind':<24}{'prompts':>8}{'pictures':>10}   {'GenEval':<23}  {'strict':<23}"]
    for kind, counts in summary["kinds"].items():
        row = f"{kind:<24}{counts['prompts']:>8}{counts['pictures']:>10}   {_both(accuracies, kind)}"
        lines.append(row + ("  seen in training" if counts["seen_in_training"] else ""))
    total = [sum(counts[name] for counts in summary["kinds"].values()) for name in ("prompts", "pictures")]
    lines.append(f"{'overall (mean of kinds)':<24}{total[0]:>8}{total[1]:>10}   {_both(accuracies, OVERALL)}")
    lines = [line.rstrip() for line in lines]
    if accuracies["strict"] is None:
        lines.append("Nothing here can check these pictures: score them with GenEval's evaluator.")
    return "\n".join([*lines, *_sentences(summary)])


def comparison_table(result: Mapping[str, Any]) -> str:
    """B minus A for a terminal."""
    known = {rule: result[rule] and result[rule]["difference"] for rule in RULES}
    kinds = next((list(of) for of in known.values() if of), [])
    lines = [f"{'B - A':<24}   {'GenEval':<25}  {'strict':<25}"]
    lines += [f"{kind:<24}   {_both(known, kind, '+')}" for kind in kinds]
    for rule in RULES:
        if result[rule]:
            lines.append(f"{rule}: {_changed(result[rule])}")
    left_out = result["only_a"] + result["only_b"]
    alone = f"; {left_out} pictures have no partner and are left out" if left_out else ""
    lines.append(f"{result['pairs']} pairs{alone}")
    return "\n".join(line.rstrip() for line in lines)


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
            f"{name}{_both(row['accuracy'], OVERALL)}  {operations:>7}  {row['cost']['seconds']:>6.2f}  "
            f"{'' if figure is None else f'{figure:.2f}':<5}  {_seed(row)}"
        )
    lines += ["", f"{'difference, paired':<{widths}}        {'GenEval':<25}{'strict':<23}  paper"]
    for one in content["differences"]:
        figure = "" if one["paper"] is None else f"{one['paper']:+.2f}"
        lines.append(f"{one['label']:<{widths}}        {_both(one, OVERALL, '+')}  {figure:<5}  {_seed(one)}")
    lines.append("paper: GenEval with the full-size models; another world, so not to be compared with these figures.")
    return "\n".join(line.rstrip() for line in lines)


def _seed(of: Mapping[str, Any]) -> str:
    return "" if of["training_seed"] == SHIPPED else f"training seed {of['training_seed']}"


def _both(estimates: Mapping[str, Any], kind: str, sign: str = "") -> str:
    return "  ".join(f"{_interval(estimates[rule] and estimates[rule][kind], sign):<23}" for rule in RULES)


def _interval(estimate: Mapping[str, float] | None, sign: str = "") -> str:
    if estimate is None:
        return "not checked"
    return f"{estimate['value']:{sign}.3f} [{estimate['low']:{sign}.3f}, {estimate['high']:{sign}.3f}]"


def _sentences(summary: Mapping[str, Any]) -> list[str]:
    lines = []
    paths = summary["paths"]["strict"]
    if paths and len(paths["prompts_by_right_paths"]) > 2:
        most = len(paths["prompts_by_right_paths"]) - 1
        mean, oracle = (_interval(paths[name][OVERALL]) for name in ("mean_path", "oracle"))
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
        pruning = summary["pruning"]
        wrongly = pruning["would_have_been_right"]["strict"]
        truth = "" if wrongly is None else f"; {wrongly:.3f} of them would have come out right (strict)"
        lines.append(
            f"pruned: {pruning['pruned']} of {pruning['paths']} paths, at step {pruning['mean_step']:.1f} on average"
            f"{truth}; none left in {pruning['all_pruned']:.3f} of runs; {pruning['passes_saved']:.3f} of passes saved"
        )
    if summary["reflection"]:
        strict = summary["reflection"]["strict"]
        changed = f"; strict: {_changed(strict['whole'])}" if strict else ""
        lines.append(f"repainted: {summary['reflection']['runs_repainted']} runs{changed}")
    if summary["critiques"]:
        said = summary["critiques"]
        lines.append(
            f"critiques: {_number(said['true'])} true of {said['wrong_pictures_criticised']} on wrong pictures "
            f"(always the commonest fault: {_number(said['commonest_fault_would_be_true'])}); "
            f"{_number(said['right_pictures_criticised'])} of {said['right_pictures']} right pictures criticised"
        )
    cost = summary["cost"]
    lines.append(
        f"cost: {cost['seconds']:.1f} s, {cost['generator_passes']} generator passes, "
        f"{cost['judge_passes']} questions, {cost['pictures_decoded']} pictures decoded, "
        f"{sum(cost['operations'].values()) / 1e9:.0f} GFLOP"
    )
    return lines


def _number(share: float | None) -> str:
    return "-" if share is None else f"{share:.3f}"


def _changed(counts: Mapping[str, int]) -> str:
    return f"{counts['wrong_to_right']} wrong -> right, {counts['right_to_wrong']} right -> wrong"
