"""How far those who say what is right can be trusted: judges, checker B by a person, and a judge in less precision.

``python -m cotdemo judge``: how well a judge tells right from wrong, as areas under ROC curves against checker B.

*Within prompt* compares images of one prompt only, which is what choosing among paths needs. Beside each figure
stands what needs no eyes: the same judge shown a blank image and, for clarity, a predictor that knows only the step.
A judge is asked what it has learnt: PARM all questions, the others "outcome" alone, which the process reward model is
asked about the guesses on the way too, and answers by what can become of them. All of it is read off a pool.

``python -m cotdemo look``: a person's blind look at images, from folders that ``eval --out`` wrote. A fixed draw of
them, from all folders alike and in random order, is laid out on contact sheets with a number and the prompt, and
nothing else. Whoever looks writes ``labels.json``: a list with 1 for each image that is exactly what was asked for, 0
for any other. Then the same command compares.

``python -m cotdemo agree``: what a precision costs in answers, by the embedded judge on the test split's prompts. One
path is painted for each prompt. The judge in float32 and the same judge in every other precision are asked about its
guess half way whether it is clear and can come out right, and about the final image whether it has: how often they say
the same, and how well each tells right from wrong by checker B.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ..backends import MINI, load_backend
from ..compute.hardware import describe
from ..compute.precision import PRECISIONS
from ..errors import UserError
from ..files import whole_file, write_json
from ..geneval.folder import Entry, Sample, read_image, samples
from ..registry import EMBEDDED
from ..run.narration import say
from ..settings import BACKENDS, VERIFIERS, whole
from ..verifiers.llava import LlavaVerifier
from .entries import CHECKERS, GROUND, judge_reading, of_split, read, select
from .pool import QUESTIONS, UNKNOWN, Maker, Pool, fill, opened, pool_options
from .statistics import roc_auc, roc_auc_within

FIXED_STEPS = (0.35, 0.5, 0.65, 0.8)  # where potential is asked, as shares of all steps
_AHEAD = {"parm": "potential", "prm": "outcome"}  # by which question a judge says what can become of a guess
COLUMNS, ROWS = 5, 4
SIDE, GAP, LINES = 192, 12, 54  # pixels: an image, between images, the words under it


# -- judges


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
    said = {question: pool.p_yes(entries, verifier, question, paths) for question in QUESTIONS[verifier]}
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
    """P(yes) of the judge to each question about a blank image ``(prompts,)``."""
    ground = np.full((*pool.backend.picture_size, 3), GROUND, np.uint8)
    encoded = pool.backend.verifier(verifier).encode([ground])
    said = [[encoded.ask(question, entry.prompt).p_yes[0] for question in QUESTIONS[verifier]] for entry in entries]
    return dict(zip(QUESTIONS[verifier], np.array(said).T))


def _within(said: np.ndarray, blank: np.ndarray, right: np.ndarray) -> dict[str, float | int]:
    nothing, truth = np.broadcast_to(blank[:, None, None], said.shape), right[..., None]
    return {"images": said.size, "judge": within(said, truth), "blank": within(nothing, truth)}


def _clarity(said: np.ndarray, blank: np.ndarray, shown: np.ndarray) -> dict[str, float | int]:
    """The last guess is the final image, which is clear by definition, and counts not."""
    known = shown[..., :-1] != UNKNOWN
    truth = shown[..., :-1][known] == 1
    steps = np.broadcast_to(np.arange(known.shape[2]), known.shape)
    nothing = np.broadcast_to(blank[:, None, None], known.shape)
    return {
        "images": truth.size,
        "clear": float(truth.mean()),
        "judge": roc_auc(said[..., :-1][known], truth),
        "blank": roc_auc(nothing[known], truth),
        "step_only": roc_auc(steps[known], truth),
    }


def judge_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(limit=20, paths=8)
    pool_options(parser)
    parser.add_argument("--verifier", default="parm", choices=VERIFIERS, help="what judges (parm)")
    parser.add_argument("--steps", type=int, default=18, metavar="T")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")


def judge(options: argparse.Namespace) -> None:
    """Measure one judge on the paintings of one generator and write the figures."""
    pool, entries = opened(options, options.steps)
    fill(Maker(pool, options.paths, [options.verifier]), entries, say)
    figures = judge_figures(pool, entries, options.paths, options.verifier)
    figures |= {"split": options.split, "hardware": describe(), "weights": dict(pool.backend.weights)}
    write_json(options.json, figures)
    print(json.dumps(figures, indent=1))


# -- a person


def draw(folders: Sequence[Path], count: int, seed: int = 0) -> list[Sample]:
    """``count`` images, as many from each folder, in random order. Raises UserError where there are too few."""
    rng = np.random.default_rng(seed)
    chosen: list[Sample] = []
    wanted = count // len(folders)
    for folder in folders:
        images = samples(folder)
        if len(images) < wanted:
            raise UserError(f"{folder} holds {len(images)} images; {wanted} are wanted.")
        chosen += [images[index] for index in rng.choice(len(images), wanted, replace=False)]
    return [chosen[index] for index in rng.permutation(len(chosen))]


def sheets(seen: Sequence[Sample]) -> list[Image.Image]:
    """Contact sheets of ``COLUMNS`` x ``ROWS`` images, numbered from 1."""
    font = ImageFont.load_default(15)
    pages = []
    for first in range(0, len(seen), COLUMNS * ROWS):
        page = Image.new("RGB", (COLUMNS * (SIDE + GAP) + GAP, ROWS * (SIDE + LINES) + GAP), "white")
        pen = ImageDraw.Draw(page)
        for place, one in enumerate(seen[first : first + COLUMNS * ROWS]):
            left, top = GAP + place % COLUMNS * (SIDE + GAP), GAP + place // COLUMNS * (SIDE + LINES)
            page.paste(read_image(one.file).resize((SIDE, SIDE), Image.Resampling.BICUBIC), (left, top))
            words = f"{first + place + 1}. {one.metadata['prompt'].removeprefix('a photo of ')}"
            pen.text((left, top + SIDE + 2), "\n".join(textwrap.wrap(words, 26)), "black", font)
        pages.append(page)
    return pages


def agreement(seen: Sequence[Sample], labels: Sequence[int]) -> dict[str, Any]:
    """How often checkers B and A say what the person said. Raises UserError for another number of labels."""
    if len(labels) != len(seen) or not set(labels) <= {0, 1}:
        raise UserError(f"There must be {len(seen)} labels, each 0 or 1; there are {len(labels)}.")
    person = [bool(label) for label in labels]
    images = [np.asarray(read_image(one.file)) for one in seen]
    said = {
        name: [judge_reading(read(image), one.metadata).strict for image, one in zip(images, seen)]
        for name, read in CHECKERS.items()
    }

    def share(name: str, of: Sequence[int]) -> float:
        return float(np.mean([said[name][row] == person[row] for row in of]))

    folders: dict[str, list[int]] = {}
    for row, one in enumerate(seen):
        folders.setdefault(one.file.parents[2].name, []).append(row)
    return {
        "images": len(seen),
        "right_to_the_person": float(np.mean(person)),
        "agreement": {name: share(name, range(len(seen))) for name in said},
        "by_folder": {name: {checker: share(checker, rows) for checker in said} for name, rows in folders.items()},
        "a_and_b_agree": float(np.mean(np.equal(said["A"], said["B"]))),
        "b_differs_on": [row + 1 for row in range(len(seen)) if said["B"][row] != person[row]],
    }


def look_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", type=Path, nargs="+", help="folders that eval --out wrote")
    parser.add_argument("--count", type=int, default=200, metavar="K")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheets", type=Path, metavar="DIR", help="write contact sheets there")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="a JSON list of 0 and 1, in the sheets' order")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go")


def look(options: argparse.Namespace) -> None:
    """Write contact sheets, or compare labels with the checkers. Raises UserError where there is nothing to do."""
    whole("count", options.count, len(options.folders), 10_000)
    seen = draw(options.folders, options.count, options.seed)
    if options.sheets:
        options.sheets.mkdir(parents=True, exist_ok=True)
        for number, page in enumerate(sheets(seen), 1):
            with whole_file(options.sheets / f"{number:02d}.png") as file:
                page.save(file, "PNG")
        print(f"{len(seen)} images on {number} sheets in {options.sheets}")
    elif options.labels:
        try:
            labels = json.loads(options.labels.read_text(encoding="ascii"))
        except (OSError, ValueError) as error:
            raise UserError(f"{options.labels} is no list of labels: {error}") from None
        figures = agreement(seen, labels)
        if options.json:
            write_json(options.json, figures)
        print(json.dumps(figures, indent=1))
    else:
        raise UserError("Say what to do: --sheets DIR to look, then --labels FILE to compare.")


# -- a precision

EXACT, ALL = "fp32", QUESTIONS["parm"]
AT_ONCE = 50  # prompts


@dataclass(frozen=True)
class Images:
    """Images ``(prompts, height, width, 3)`` half way and at the end, and which of the latter are right."""

    guesses: np.ndarray
    finals: np.ndarray
    right: np.ndarray


def sampled(entries: Sequence[Entry], backend: Any) -> Images:
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
    return Images(np.concatenate(guesses), final, np.array(right))


def judge_in(precision: str, folder: Path, device: str) -> LlavaVerifier:
    """The judge of a folder in that precision; quantised, it computes in bfloat16. Raises UserError."""
    row = PRECISIONS[precision]
    dtype = getattr(torch, row.dtype or PRECISIONS["bf16"].dtype)
    quantised = precision if row.quantised else ""
    return LlavaVerifier.from_pretrained(folder, device=device, dtype=dtype, quantised=quantised)


def answers(judge: LlavaVerifier, entries: Sequence[Entry], painted: Images) -> dict[str, tuple[np.ndarray, ...]]:
    """P(yes) and what was said, by question, each ``(prompts,)``."""
    said: dict[str, list] = {question: [] for question in ALL}
    for first in range(0, len(entries), AT_ONCE):
        rows = slice(first, first + AT_ONCE)
        prompts = [entry.prompt for entry in entries[rows]]
        guess, final = judge.encode(painted.guesses[rows]), judge.encode(painted.finals[rows])
        for question in ALL:
            answer = (final if question == "outcome" else guess).ask(question, prompts)
            said[question].append((answer.p_yes, answer.yes.astype(int) - answer.no))
    return {question: tuple(map(np.concatenate, zip(*parts))) for question, parts in said.items()}


def figures(exact: Mapping[str, tuple], other: Mapping[str, tuple], right: np.ndarray) -> dict[str, Any]:
    """How often both say the same, by question and of all, and the area under the ROC curve of the outcome."""
    same = {question: exact[question][1] == other[question][1] for question in ALL}
    return {
        "agreement": {question: float(one.mean()) for question, one in same.items()},
        "all": float(np.mean(list(same.values()))),
        "area": roc_auc(other["outcome"][0], right),
        "moved": float(np.mean([np.abs(exact[q][0] - other[q][0]).mean() for q in ALL])),
    }


def agree_arguments(parser: argparse.ArgumentParser) -> None:
    others = [name for name in PRECISIONS if name != EXACT]
    parser.add_argument("--precision", nargs="+", choices=others, default=others, help="beside float32 (all)")
    parser.add_argument("--verifier", default="parm", choices=VERIFIERS, help="what judges (parm)")
    parser.add_argument("--limit", type=int, metavar="K", help="the first K prompts of each kind")
    parser.add_argument(
        "--assets", type=Path, default=MINI, metavar="DIR", help="other weights: a folder as assets/mini"
    )
    parser.add_argument("--device", default="cpu", help="where the judge computes (cpu)")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")


def agree(options: argparse.Namespace) -> None:
    """Measure all precisions that are asked for and write the figures."""
    limit = None if options.limit is None else whole("limit", options.limit, 1, 100)
    entries = select(of_split("test"), limit)
    folder = options.assets / VERIFIERS[options.verifier].part
    painted = sampled(entries, load_backend(EMBEDDED, root=options.assets))
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
