"""``python -m cotdemo judge``: how well a judge tells right from wrong, as areas under ROC curves against checker B.

*Within prompt* compares pictures of one prompt only, which is what choosing among paths needs. Beside each figure
stands what needs no eyes: the same judge shown a blank picture and, for clarity, a predictor that knows only the step.
A judge is asked what it has learnt: PARM all questions, the others "outcome" alone, which the process reward model is
asked about the guesses on the way too, and answers by what can become of them. All of it is read off a pool.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..compute.hardware import describe
from ..settings import VERIFIERS
from .entries import GROUND, Entry
from .pool import QUESTIONS, UNKNOWN, Maker, Pool, fill, opened, pool_options, say
from .records import write_json
from .statistics import roc_auc, roc_auc_within

FIXED_STEPS = (0.35, 0.5, 0.65, 0.8)  # where potential is asked, as shares of all steps
_AHEAD = {"parm": "potential", "prm": "outcome"}  # by which question a judge says what can become of a guess


def within(scores: np.ndarray, truth: np.ndarray) -> float:
    """Area within prompt and step of ``scores (prompts, paths, steps)``; ``truth`` is as large, or one for all steps.

    NaN where there is nothing to tell apart.
    """
    prompts, paths, steps = scores.shape
    groups = np.broadcast_to(np.arange(prompts * steps).reshape(prompts, 1, steps), scores.shape)
    return roc_auc_within(scores.ravel(), np.broadcast_to(truth, scores.shape).ravel(), groups.ravel().tolist())


def judge_figures(pool: Pool, entries: Sequence[Entry], paths: int, verifier: str = "parm") -> dict[str, Any]:
    """The figures of one judge about ``paths`` paths a prompt of a pool, which must hold them.

    Clarity is known of the first paths of each prompt that the pool has checked (``pool.CHECKED``).
    """
    steps = pool.settings.steps
    said = {question: pool.told(entries, verifier, question, paths) for question in QUESTIONS[verifier]}
    right = np.stack([truth[:paths] for truth in pool.truths(entries)["strict"]])  # (prompts, paths)
    blank = _of_nothing(pool, verifier, entries)
    figures: dict[str, Any] = {
        "model": pool.settings.model,
        "verifier": verifier,
        "prompts": len(entries),
        "paths": paths,
        "steps": steps,
        "final_right": float(right.mean()),
        "outcome_within_prompt": _within(said["outcome"][..., -1:], blank["outcome"], right),
    }
    if verifier in _AHEAD:
        ahead, asked_at = _AHEAD[verifier], sorted({round(share * steps) - 1 for share in FIXED_STEPS})
        figures["potential_within_prompt_and_step"] = _within(said[ahead][..., asked_at], blank[ahead], right)
        figures["potential_by_step"] = {
            str(step + 1): _within(said[ahead][..., [step]], blank[ahead], right) for step in asked_at
        }
    if verifier == "prm":  # by the mean it picks a path
        means = said["outcome"].mean(-1, keepdims=True)
        figures["mean_of_steps_within_prompt"] = _within(means, blank["outcome"], right)
    if verifier == "parm":
        figures["clarity"] = _clarity(said["clarity"], blank["clarity"], pool.clear(entries, paths))
    return figures


def _of_nothing(pool: Pool, verifier: str, entries: Sequence[Entry]) -> dict[str, np.ndarray]:
    """P(yes) of the judge to each question about a blank picture ``(prompts,)``."""
    ground = np.full((*pool.backend.picture_size, 3), GROUND, np.uint8)
    encoded = pool.backend.verifier(verifier).encode([ground])
    said = [[encoded.ask(question, entry.prompt).p_yes[0] for question in QUESTIONS[verifier]] for entry in entries]
    return dict(zip(QUESTIONS[verifier], np.array(said).T))


def _within(said: np.ndarray, blank: np.ndarray, right: np.ndarray) -> dict[str, float | int]:
    nothing, truth = np.broadcast_to(blank[:, None, None], said.shape), right[..., None]
    return {"pictures": said.size, "judge": within(said, truth), "blank": within(nothing, truth)}


def _clarity(said: np.ndarray, blank: np.ndarray, shown: np.ndarray) -> dict[str, float | int]:
    """The last guess is the final picture, which is clear by definition, and counts not."""
    known = shown[..., :-1] != UNKNOWN
    truth = shown[..., :-1][known] == 1
    steps = np.broadcast_to(np.arange(known.shape[2]), known.shape)
    nothing = np.broadcast_to(blank[:, None, None], known.shape)
    return {
        "pictures": truth.size,
        "clear": float(truth.mean()),
        "judge": roc_auc(said[..., :-1][known], truth),
        "blank": roc_auc(nothing[known], truth),
        "step_only": roc_auc(steps[known], truth),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(limit=20, paths=8)
    pool_options(parser)
    parser.add_argument("--verifier", default="parm", choices=VERIFIERS, help="what judges (parm)")
    parser.add_argument("--steps", type=int, default=18, metavar="T")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")


def main(options: argparse.Namespace) -> None:
    """Measure one judge on the paintings of one generator and write the figures."""
    pool, entries = opened(options, options.steps)
    fill(Maker(pool, options.paths, [options.verifier]), entries, say)
    figures = judge_figures(pool, entries, options.paths, options.verifier)
    figures |= {"split": options.split, "hardware": describe(), "weights": dict(pool.backend.weights)}
    write_json(options.json, figures)
    print(json.dumps(figures, indent=1))
