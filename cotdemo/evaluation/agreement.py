"""``python -m cotdemo agree``: what a precision costs in answers, by the embedded judge on the test split's prompts.

One path is painted for each prompt. The judge in float32 and the same judge in every other precision are asked about
its guess half way whether it is clear and can come out right, and about the final image whether it has: how often they
say the same, and how well each tells right from wrong by checker B (area under the ROC curve).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..backends import MINI, load_backend
from ..compute.hardware import describe
from ..compute.precision import PRECISIONS
from ..registry import EMBEDDED, VERIFIERS
from ..settings import BACKENDS, whole
from ..verifiers.llava import LlavaVerifier
from .entries import Entry, judge_reading, of_split, read, select
from .records import say, write_json
from .statistics import roc_auc

EXACT, QUESTIONS = "fp32", ("clarity", "potential", "outcome")
AT_ONCE = 50  # prompts


@dataclass(frozen=True)
class Painted:
    """Images ``(prompts, height, width, 3)`` half way and at the end, and which of the latter are right."""

    guesses: np.ndarray
    finals: np.ndarray
    right: np.ndarray


def paint(entries: Sequence[Entry], backend: Any) -> Painted:
    """One path for each prompt, by the base model; path i has the same chance whatever else is painted."""
    defaults = BACKENDS[EMBEDDED].defaults
    steps, guesses, finals = defaults["steps"], [], []
    generator = backend.generator("base")
    for first in range(0, len(entries), AT_ONCE):
        some = entries[first : first + AT_ONCE]
        session = generator.start(
            [entry.prompt for entry in some], range(first, first + len(some)),
            steps, defaults["guidance"], defaults["temperature"],
        )  # fmt: skip
        taken = [step.codes for step in session]
        guesses.append(session.decode(taken[steps // 2 - 1]))
        finals.append(session.decode(taken[-1]))
        say(f"painted {first + len(some)} of {len(entries)}")
    final = np.concatenate(finals)
    right = [judge_reading(read(image), entry.metadata).strict for image, entry in zip(final, entries)]
    return Painted(np.concatenate(guesses), final, np.array(right))


def judge_in(precision: str, folder: Path, device: str) -> LlavaVerifier:
    """The judge of a folder in that precision; quantised, it computes in bfloat16. Raises UserError."""
    row = PRECISIONS[precision]
    dtype = getattr(torch, row.dtype or PRECISIONS["bf16"].dtype)
    quantised = precision if row.quantised else ""
    return LlavaVerifier.from_pretrained(folder, device=device, dtype=dtype, quantised=quantised)


def answers(judge: LlavaVerifier, entries: Sequence[Entry], painted: Painted) -> dict[str, tuple[np.ndarray, ...]]:
    """P(yes) and what was said, by question, each ``(prompts,)``."""
    said: dict[str, list] = {question: [] for question in QUESTIONS}
    for first in range(0, len(entries), AT_ONCE):
        rows = slice(first, first + AT_ONCE)
        prompts = [entry.prompt for entry in entries[rows]]
        guess, final = judge.encode(painted.guesses[rows]), judge.encode(painted.finals[rows])
        for question in QUESTIONS:
            told = (final if question == "outcome" else guess).ask(question, prompts)
            said[question].append((told.p_yes, told.yes.astype(int) - told.no))
    return {question: tuple(map(np.concatenate, zip(*parts))) for question, parts in said.items()}


def figures(exact: Mapping[str, tuple], other: Mapping[str, tuple], right: np.ndarray) -> dict[str, Any]:
    """How often both say the same, by question and of all, and the area under the ROC curve of the outcome."""
    same = {question: exact[question][1] == other[question][1] for question in QUESTIONS}
    return {
        "agreement": {question: float(one.mean()) for question, one in same.items()},
        "all": float(np.mean(list(same.values()))),
        "area": roc_auc(other["outcome"][0], right),
        "moved": float(np.mean([np.abs(exact[q][0] - other[q][0]).mean() for q in QUESTIONS])),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    others = [name for name in PRECISIONS if name != EXACT]
    parser.add_argument("--precision", nargs="+", choices=others, default=others, help="beside float32 (all)")
    parser.add_argument("--verifier", default="parm", choices=VERIFIERS, help="what judges (parm)")
    parser.add_argument("--limit", type=int, metavar="K", help="the first K prompts of each kind")
    parser.add_argument(
        "--assets", type=Path, default=MINI, metavar="DIR", help="other weights: a folder as assets/mini"
    )
    parser.add_argument("--device", default="cpu", help="where the judge computes (cpu)")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")


def main(options: argparse.Namespace) -> None:
    """Measure all precisions that are asked for and write the figures."""
    limit = None if options.limit is None else whole("limit", options.limit, 1, 100)
    entries = select(of_split("test"), limit)
    folder = options.assets / VERIFIERS[options.verifier].part
    painted = paint(entries, load_backend(EMBEDDED, root=options.assets))
    exact = answers(judge_in(EXACT, folder, options.device), entries, painted)
    found = {EXACT: figures(exact, exact, painted.right)}
    for name in options.precision:
        say(f"the judge in {name}")
        found[name] = figures(exact, answers(judge_in(name, folder, options.device), entries, painted), painted.right)
    result = {
        "verifier": options.verifier, "prompts": len(entries), "right": float(painted.right.mean()),
        "precisions": found, "hardware": describe(options.device),
    }  # fmt: skip
    write_json(options.json, result)
    print(json.dumps(result, indent=1))
