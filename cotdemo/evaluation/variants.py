"""``python -m cotdemo eval --variants``: PARM by other stopping rules than the paper's, and how sure is enough.

Rules are tried by replay on a pool, except where paths branch: those are painted. With ``--method adaptive`` the
thresholds of adaptive best of N are tried: the lowest one that reaches an accuracy that is wanted is the one to take,
on dev, as test is for measuring it. Both stand beside the ORM that is given the same compute. What came of it is told
in docs/notebook.md; what helps is a setting of the product (``stopping``, ``judge_from``, ``enough``).
"""

from __future__ import annotations

import argparse
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import Any, Literal

import numpy as np
import torch

from ..backends import MiniBackend
from ..backends.metered import Instrumented, Prices
from ..generator.session import Step
from ..geneval.folder import Entry
from ..run.events import Event, Judged, PathPruned, StepDecoded
from ..run.narration import say
from ..search.parm import parm
from ..search.protocols import Backend
from ..search.rounds import Beginning, Chosen, Run
from ..search.stopping import LENIENT, PAPER, StoppingRule
from ..settings import METHODS, PATHS, Settings, whole
from .ladder import Measured, at_compute, means, replays
from .pool import Maker, Pool, fill, pool_of
from .report import RULES, begun, interval
from .results import values
from .runner import replay, replaying
from .statistics import OVERALL, estimates

Right = Mapping[str, Sequence[float]]  # rule -> how right on each prompt, 0 to 1


# -- PARM by other rules

BRANCH = 9  # the step after which a branch leaves its parent


@dataclass(frozen=True)
class Variant:
    """PARM by a rule, judged from a step on; ``knows``: the judge of potential is told of every path what comes of it,
    which no judge can better; ``refill``: what is painted with the steps that stopped paths have saved."""

    words: str
    rule: StoppingRule = PAPER
    judge_from: int = 1
    knows: bool = False
    refill: Literal["", "fresh", "branch"] = ""


VARIANTS = (
    Variant("PARM"),
    *(Variant(f"judged from step {step} on", judge_from=step) for step in (6, 9, 11)),
    Variant("asked again at step 12", StoppingRule(again=(12,))),
    Variant("asked again at 12, 15 and 18", StoppingRule(again=(12, 15, 18))),
    *(Variant(f"from 9, stopped below P(yes) = {least:g}", StoppingRule(least=least), 9) for least in (0.02, 0.1)),
    *(
        Variant(f"from 9, stopped {behind:g} behind the best", StoppingRule(behind=behind), 9)
        for behind in (1.0, 2.0, 4.0)
    ),
    Variant("from 9, 2 behind, asked again at 12", StoppingRule(behind=2.0, again=(12,)), 9),
    Variant("from 9, unclear ones may win", StoppingRule(unclear_wins=True), 9),
    Variant("from 9, below .1, unclear may win", LENIENT, 9),
    Variant("from 9, 2 behind, unclear may win", StoppingRule(behind=2.0, unclear_wins=True), 9),
    Variant("from 9, freed places to fresh paths", judge_from=9, refill="fresh"),
    Variant("from 9, freed places to branches", judge_from=9, refill="branch"),
    Variant("from 9, below .1, unclear, fresh paths", LENIENT, 9, refill="fresh"),
    Variant("from 9, told the truth, fresh paths", StoppingRule(all_clear=True), 9, knows=True, refill="fresh"),
)


@dataclass(frozen=True)
class Choice:
    """The image that a variant has chosen, its path, and how many paths it has painted and stopped."""

    picture: Any
    path: int
    painted: int
    stopped: int


def choose(variant: Variant, backend: Backend, settings: Settings) -> Choice:
    """The best of the survivors, after all that the variant paints."""
    settings = replace(settings, judge_from=variant.judge_from)
    first, events = _drained(parm(Run(settings, backend, "none", check=False, rule=variant.rule)))
    best, painted, stops = first, settings.paths, [event for event in events if isinstance(event, PathPruned)]
    beginning, count = _refill(variant, settings, first, events)
    if count:
        more = Run(replace(settings, paths=count), backend, "none", check=False, rule=variant.rule)
        second, events = _drained(parm(more, beginning))
        best = max(first, second, key=lambda one: (not one.winner.fallback, one.outcome.p_yes))
        painted, stops = painted + count, stops + [event for event in events if isinstance(event, PathPruned)]
    return Choice(best.winner.picture, best.winner.path, painted, len(stops))


def _refill(variant: Variant, settings: Settings, first: Chosen, events: Sequence[Event]) -> tuple[Beginning, int]:
    """How one more round of PARM begins, and with how many paths: those that the steps saved are enough for."""
    steps = settings.steps
    saved = sum(steps - 1 - event.step for event in events if isinstance(event, PathPruned))
    if variant.refill == "fresh":
        return Beginning(first=settings.paths), saved // steps
    count = saved // (steps - BRANCH) if variant.refill else 0
    if not count or not first.winner.survivors:
        return Beginning(), 0
    odds = {e.path: e.p_yes for e in events if isinstance(e, Judged) and e.question == "potential"}
    parents = sorted(first.winner.survivors, key=lambda path: -odds[path])
    left = {event.path: event for event in events if isinstance(event, StepDecoded) and event.step == BRANCH - 1}
    rows = [left[parents[number % len(parents)]] for number in range(count)]
    codes, confidence = torch.tensor([row.codes for row in rows]), torch.tensor([row.confidence for row in rows])
    masked = torch.stack([torch.isin(torch.arange(codes.shape[1]), torch.tensor(row.masked)) for row in rows])
    paths = tuple(range(settings.paths, settings.paths + count))
    return Beginning(after=Step(BRANCH - 1, paths, codes, masked, confidence), first=settings.paths), count


def _drained(strategy: Generator[Event, None, Chosen]) -> tuple[Chosen, list[Event]]:
    events = []
    while True:
        try:
            events.append(next(strategy))
        except StopIteration as end:
            return end.value, events


def rules(options: argparse.Namespace, backend: MiniBackend) -> None:
    """Every variant on ``--paths`` paths (20), beside PARM and beside the ORM at the same compute."""
    paths = whole("paths", options.paths or 20, *PATHS)
    most = min(PATHS[1], paths + paths // 2)  # for fresh paths, and for an ORM that is given PARM's compute
    pool, entries = pool_of(options, backend)
    fill(Maker(pool, most, ["parm", "orm"]), entries, say)
    print(f"{'overall, GenEval and strict':<38}  right  {'less PARM':<23}  less ORM at its compute", end="")
    print("  GFLOP  painted  stopped")
    orms, parm = replays(pool, entries, "orm"), None
    for variant in VARIANTS:
        say(variant.words)
        right, operations, choices = _tried(variant, pool, entries, paths)
        parm = parm or right
        orm = _right(at_compute(orms, operations, most))
        painted, stopped = (mean(getattr(one, count) for one in choices) for count in ("painted", "stopped"))
        ends = [f"{operations / 1e9:5.0f}  {painted:7.1f}  {stopped:7.1f}", ""]
        _print_lines(variant.words, right, [parm, orm], entries, ends)


def _tried(
    variant: Variant, pool: Pool, entries: Sequence[Entry], paths: int
) -> tuple[dict[str, list[float]], float, list[Choice]]:
    """Whether a variant's choices are right, its mean operations, and the choices."""
    live = Instrumented(pool.backend, Prices())
    right: dict[str, list[float]] = {name: [] for name in RULES}
    operations, choices = 0, []
    for entry in entries:
        run = live if variant.refill == "branch" else replaying(pool, entry, variant.knows)
        before = dict(run.meter.totals)
        choices.append(choose(variant, run, pool.settings_of(entry, method="parm", paths=paths)))
        operations += sum(run.meter.since(before).values())
        verdict = run.check(entry.prompt, choices[-1].picture)
        right["geneval"].append(float(verdict.correct))
        right["strict"].append(float(verdict.strict))
    return right, operations / len(entries), choices


# -- methods in waves by how sure of an image is enough

THRESHOLDS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
SPARE = 2  # paths: waves cost a little more than all paths at once, which the ORM at their compute is given too
TURNS = 11  # orders in which the same paths are taken, as waves depend on who comes first


def thresholds(options: argparse.Namespace, backend: MiniBackend) -> None:
    """Every threshold of a method in waves, of at most ``--paths`` paths (20), beside the ORM that paints all and the
    ORM at its compute: means over ``TURNS`` orders of each prompt's paths.

    The last two columns tell how P(yes) is calibrated there: how often the judge was that sure, and how often it was
    right then.
    """
    paths = whole("paths", options.paths or 20, PATHS[0], PATHS[1] - SPARE)
    method, most = options.method, paths + SPARE
    pool, entries = pool_of(options, backend)
    fill(Maker(pool, most, sorted({"orm", *METHODS[method].verifiers})), entries, say)
    turns = sorted({turn * most // TURNS for turn in range(TURNS)})
    orders = [[*range(turn, most), *range(turn)] for turn in turns]
    orms = [replays(pool, entries, "orm", order) for order in orders]
    whole_orm = _mean([_right(Measured.of(one(paths))) for one in orms])
    heading = f"of {paths} paths, GenEval and strict"
    print(f"{heading:<38}  right  {'less ORM':<23}  less ORM at its compute  GFLOP  painted  sure   right then")
    for enough in THRESHOLDS:
        say(f"P(yes) {enough:g}")
        runs = [[replay(pool, entry, method, paths, order, enough=enough) for entry in entries] for order in orders]
        spent = [sum(means(records)["operations"].values()) for records in runs]
        equal = _mean([_right(at_compute(one, operations, most)) for one, operations in zip(orms, spent)])
        right = _mean([_right(Measured.of(records)) for records in runs])
        sure = [one.final for records in runs for one in records if one.final.outcome().p_yes >= enough]
        then = [f"{mean(map(is_right, sure)):.3f}" if sure else "-" for is_right in RULES.values()]
        told = f"{mean(spent) / 1e9:5.0f}  {mean(map(begun, runs)):7.1f}  {len(sure) / len(entries) / len(turns):.3f}"
        ends = [f"{told}  {then[0]}", f"{'':{len(told)}}  {then[1]}"]
        _print_lines(f"P(yes) {enough:g} is enough", right, [whole_orm, equal], entries, ends)


def _mean(of: Sequence[Right]) -> Right:
    return {rule: np.mean([one[rule] for one in of], 0).tolist() for rule in RULES}


def _right(measured: Measured) -> Right:
    return {rule: values(measured.as_dict(), rule) for rule in RULES}


def _print_lines(
    words: str, right: Right, others: Sequence[Right], entries: Sequence[Entry], ends: Sequence[str]
) -> None:
    """A line for each rule: how often it is right, how much more often than each of the others, and what ends it."""
    for rule, name, end in zip(RULES, (words, ""), ends):
        value = estimates(right[rule], entries)[OVERALL]
        less = (estimates(np.subtract(right[rule], other[rule]), entries)[OVERALL] for other in others)
        cells = [f"{name:<38}", f"{value['value']:.3f}", *(interval(one, "+") for one in less), end]
        print("  ".join(cells).rstrip(), flush=True)
