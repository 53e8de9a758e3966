"""How well the judge tells right from wrong: areas under ROC curves, against checker B's truth.

*Within prompt* compares pictures of one prompt only, which is what choosing among paths needs. Beside each figure
stands what needs no eyes: the same judge shown a blank picture and, for clarity, a predictor that knows only the step.
A judge is asked what it has learnt: PARM all questions, the others "outcome" alone, which the process reward model is
asked about the guesses on the way too, and answers by what can become of them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..backends import MiniBackend, load_backend
from ..hardware import describe
from ..settings import MODELS, VERIFIERS, whole
from ..training.judge_data import inventory
from ..world import checker_b
from ..world.geneval import judge_reading
from ..world.scenes import GROUND
from .entries import Entry, of_split, select
from .journal import write_json
from .statistics import roc_auc, roc_auc_within

FIXED_STEPS = (0.35, 0.5, 0.65, 0.8)  # where potential is asked, as shares of all steps
_AHEAD = {"parm": "potential", "prm": "outcome"}  # by which question a judge says what can become of a guess


@dataclass
class _Scores:
    """P(yes) and the truth, with the prompt and the step of each answer."""

    p_yes: list[float]
    blank: list[float]
    truth: list[bool]
    prompts: list[int]
    steps: list[int]

    @classmethod
    def empty(cls) -> _Scores:
        return cls([], [], [], [], [])

    def add(self, p_yes: Sequence[float], blank: float, truth: Sequence[bool], prompt: int, step: int) -> None:
        self.p_yes += list(map(float, p_yes))
        self.blank += [float(blank)] * len(truth)
        self.truth += list(map(bool, truth))
        self.prompts += [prompt] * len(truth)
        self.steps += [step] * len(truth)


def judge_figures(
    backend: MiniBackend,
    entries: Sequence[Entry],
    paths: int,
    steps: int,
    seed: int,
    model: str = "base",
    verifier: str = "parm",
    status: Callable[[str], None] = lambda _: None,
) -> dict[str, object]:
    """Paint ``paths`` whole paths for each entry, ask the judge at every step, and compare with checker B.

    Raises UserError where the weights of ``model`` or ``verifier`` are missing.
    """
    outcome, potential, clarity, mean = (_Scores.empty() for _ in range(4))
    ahead, last = _AHEAD.get(verifier), steps - 1
    asked_at = {round(share * steps) - 1 for share in FIXED_STEPS}
    judge = backend.verifier(verifier)
    nothing = judge.look([np.full((*backend.picture_size, 3), GROUND, np.uint8)])
    for number, entry in enumerate(entries):
        status(f"{number} of {len(entries)} prompts")
        painting = backend.painter(model).start(entry.prompt, range(paths), steps, seed=entry.seed(seed))
        trail = []
        while not painting.done:
            trail.append(painting.step().codes)
        final = [checker_b.read(picture) for picture in painting.decode(trail[last])]
        right = [judge_reading(found, entry.metadata).strict for found in final]
        questions = ("clarity", "potential", "outcome") if verifier == "parm" else ("outcome",)
        unseen = {question: nothing.ask(question, entry.prompt).p_yes[0] for question in questions}
        answers = []  # of a process reward model, to each step's guess
        for step in range(steps) if ahead else (last,):
            pictures = list(painting.decode(trail[step]))
            look = judge.look(pictures)
            if verifier == "parm" and step < last:  # the last guess is the final picture, which is clear by definition
                clear = [inventory(checker_b.read(now)) == inventory(end) for now, end in zip(pictures, final)]
                clarity.add(look.ask("clarity", entry.prompt).p_yes, unseen["clarity"], clear, number, step)
            if step in asked_at and ahead:
                p_yes = look.ask(ahead, entry.prompt).p_yes
                potential.add(p_yes, unseen[ahead], right, number * steps + step, step)
            if verifier == "prm":
                answers.append(look.ask("outcome", entry.prompt).p_yes)
            if step == last:
                outcome.add(look.ask("outcome", entry.prompt).p_yes, unseen["outcome"], right, number, step)
        if answers:
            mean.add(np.mean(answers, axis=0), unseen["outcome"], right, number, last)
    figures = {
        "model": model,
        "verifier": verifier,
        "prompts": len(entries),
        "paths": paths,
        "steps": steps,
        "final_right": float(np.mean(outcome.truth)),
        "outcome_within_prompt": _within(outcome),
    }
    if ahead:
        figures["potential_within_prompt_and_step"] = _within(potential)
        figures["potential_by_step"] = {str(step + 1): _within(_at(potential, step)) for step in sorted(asked_at)}
    if mean.truth:
        figures["mean_of_steps_within_prompt"] = _within(mean)  # by which the process reward model picks a path
    if clarity.truth:
        figures["clarity"] = {
            "pictures": len(clarity.truth),
            "clear": float(np.mean(clarity.truth)),
            "judge": roc_auc(clarity.p_yes, clarity.truth),
            "blank": roc_auc(clarity.blank, clarity.truth),
            "step_only": roc_auc(clarity.steps, clarity.truth),
        }
    return figures


def _within(scores: _Scores) -> dict[str, float | int]:
    return {
        "pictures": len(scores.truth),
        "judge": roc_auc_within(scores.p_yes, scores.truth, scores.prompts),
        "blank": roc_auc_within(scores.blank, scores.truth, scores.prompts),
    }


def _at(scores: _Scores, step: int) -> _Scores:
    rows = [row for row, at in enumerate(scores.steps) if at == step]
    columns = (scores.p_yes, scores.blank, scores.truth, scores.prompts, scores.steps)
    return _Scores(*([column[row] for row in rows] for column in columns))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--split", default="test", help="prompts of the embedded world: dev | test (default)")
    parser.add_argument("--limit", type=int, default=20, metavar="K", help="the first K prompts of each kind (20)")
    parser.add_argument("--model", default="base", choices=MODELS, help="what paints (base)")
    parser.add_argument("--verifier", default="parm", choices=VERIFIERS, help="what judges (parm)")
    parser.add_argument("--paths", type=int, default=8, metavar="N")
    parser.add_argument("--steps", type=int, default=18, metavar="T")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, metavar="K", help="processor cores to use")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")


def main(options: argparse.Namespace) -> None:
    """``python -m cotdemo judge``: measure one judge on the paintings of one generator and write the figures."""
    if options.threads is not None:
        torch.set_num_threads(whole("threads", options.threads, 1, 1024))
    backend = load_backend("mini")
    entries = select(of_split(options.split), options.limit)

    def status(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    asked = (options.paths, options.steps, options.seed, options.model, options.verifier)
    figures = judge_figures(backend, entries, *asked, status=status)
    figures |= {"split": options.split, "hardware": describe(), "weights": dict(backend.weights)}
    write_json(options.json, figures)
    print(json.dumps(figures, indent=1))
