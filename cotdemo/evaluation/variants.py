"""``python -m cotdemo eval --variants``: other rules of stopping paths than PARM's, beyond the paper.

They are tried by replay on a pool, except where paths branch: those are painted. What came of it is told in
docs/measured.md; what helps is a setting of the product, ``stopping="lenient"`` with ``judge_from``.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import Any, Literal

import numpy as np

from ..backends import MiniBackend
from ..search.protocols import Backend, Painting, Step
from ..search.verdicts import NEVER_CLEAR
from ..settings import PATHS, Settings, whole
from .climb import say
from .entries import Entry, select
from .ladder import values
from .metered import Metered
from .pool import FOLDER, Pool
from .pooling import Maker, fill
from .replay import Replay
from .report import RULES
from .rungs import at_compute, replays
from .statistics import OVERALL, means_of_kinds

BRANCH = 9  # the step after which a branch leaves its parent


@dataclass(frozen=True)
class Rule:
    """PARM but for what is named here. Steps count from 1."""

    words: str
    judge_from: int = 1
    again: tuple[int, ...] = ()  # steps at which paths that were promising are asked for their potential again
    least: float | None = None  # P(yes) below which a path stops, instead of at the answer "no"
    behind: float | None = None  # how far its log-odds of "yes" may be behind those of the best path, likewise
    knows: bool = False  # instead of judging, it is told of every path what comes of it: no judge can do better
    unclear: bool = False  # paths that never became clear may win, too
    refill: Literal["", "fresh", "branch"] = ""  # what is painted with the steps that stopped paths have saved

    def bar(self, best: float) -> float | None:
        """The log-odds of "yes" below which a path stops; None where the judge's answer decides."""
        if self.least is not None:
            return _log_odds(self.least)
        return None if self.behind is None else best - self.behind


RULES_TRIED = (
    Rule("PARM"),
    *(Rule(f"judged from step {step} on", judge_from=step) for step in (6, 9, 11)),
    Rule("asked again at step 12", again=(12,)),
    Rule("asked again at 12, 15 and 18", again=(12, 15, 18)),
    *(Rule(f"from 9, stopped below P(yes) = {least:g}", judge_from=9, least=least) for least in (0.02, 0.1)),
    *(Rule(f"from 9, stopped {behind:g} behind the best", judge_from=9, behind=behind) for behind in (1.0, 2.0, 4.0)),
    Rule("from 9, 2 behind, asked again at 12", judge_from=9, behind=2.0, again=(12,)),
    Rule("from 9, unclear ones may win", judge_from=9, unclear=True),
    Rule("from 9, below .1, unclear may win", judge_from=9, least=0.1, unclear=True),
    Rule("from 9, 2 behind, unclear may win", judge_from=9, behind=2.0, unclear=True),
    Rule("from 9, freed places to fresh paths", judge_from=9, refill="fresh"),
    Rule("from 9, freed places to branches", judge_from=9, refill="branch"),
    Rule("from 9, below .1, unclear, fresh paths", judge_from=9, least=0.1, unclear=True, refill="fresh"),
    Rule("from 9, told the truth, fresh paths", judge_from=9, knows=True, refill="fresh"),
)


@dataclass
class Wave:
    """Paths painted in one batch under a rule, and what the judge said of them. Its end is in ``codes``."""

    rule: Rule
    backend: Backend
    settings: Settings
    painting: Painting
    codes: dict[int, Any] = field(default_factory=dict)  # path -> the latest guess
    odds: dict[int, float] = field(default_factory=dict)  # path -> log-odds of "yes" to potential, the latest
    doubts: dict[int, float] = field(default_factory=dict)  # path -> P(no) to potential, the latest
    settled: set[int] = field(default_factory=set)  # promising by the latest answer
    stopped: dict[int, int] = field(default_factory=dict)  # path -> the step after which it was stopped
    branching: Step | None = None

    def paint(self) -> None:
        clear: set[int] = set()
        while not self.painting.done:
            step = self._step()
            asked = [path for path in step.paths if path not in self.settled or step.index + 1 in self.rule.again]
            if step.index + 1 < self.rule.judge_from or not asked:
                continue
            prompt, pictures = self.settings.prompt, list(self.painting.decode(self._rows(step, asked)))
            seen = self.backend.verifier("parm").look(pictures)
            if self.rule.knows:
                clear.update(asked)
            unclear = [row for row, path in enumerate(asked) if path not in clear]
            if unclear:
                said = seen.ask("clarity", prompt, unclear)
                clear.update(asked[row] for row, yes in zip(unclear, said.yes.tolist()) if yes)
            rows = [row for row, path in enumerate(asked) if path in clear]
            if rows:
                said = seen.ask("potential", prompt, rows)
                right = [self.backend.check(prompt, pictures[row]).strict for row in rows] if self.rule.knows else None
                self._judge(step, [asked[row] for row in rows], said, right)

    @property
    def survivors(self) -> list[int]:
        return sorted(self.painting.live if self.rule.unclear else self.settled)

    def finish(self, path: int) -> None:
        """Paint a stopped path to its end."""
        if path in self.stopped and self.stopped[path] < self.settings.steps:
            self.painting.drop(self.painting.live)
            self.painting.restore(path)
            while not self.painting.done:
                self._step()

    def _step(self) -> Step:
        step = self.painting.step()
        self.codes.update(zip(step.paths, step.codes))
        if step.index + 1 == BRANCH:
            self.branching = step
        return step

    def _rows(self, step: Step, paths: Sequence[int]) -> Any:
        return step.codes[[step.paths.index(path) for path in paths]]

    def _judge(self, step: Step, paths: Sequence[int], said: Any, right: Sequence[bool] | None) -> None:
        for path, yes, no in zip(paths, said.p_yes.tolist(), said.p_no.tolist()):
            self.odds[path], self.doubts[path] = _log_odds(yes), no
        bar = self.rule.bar(max(self.odds[path] for path in step.paths if path in self.odds))
        if bar is not None:
            right = [self.odds[path] >= bar for path in paths]
        answers = zip(said.yes.tolist(), said.no.tolist()) if right is None else ((one, not one) for one in right)
        hopeless = []
        for path, (yes, no) in zip(paths, answers):
            if yes:
                self.settled.add(path)
            elif no:
                self.settled.discard(path)
                hopeless.append(path)
        if hopeless:
            self.painting.drop(hopeless)
            self.stopped.update(dict.fromkeys(hopeless, step.index + 1))


def _log_odds(probability: float) -> float:
    probability = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(probability / (1 - probability))


@dataclass(frozen=True)
class Choice:
    """The picture that a rule has chosen, and how many paths it has painted and stopped."""

    picture: Any
    painted: int
    stopped: int


def choose(rule: Rule, backend: Backend, settings: Settings) -> Choice:
    """The best of the survivors by the judge's outcome question, after all that the rule paints."""
    waves = [_wave(rule, backend, settings, range(settings.paths))]
    if rule.refill:
        waves += _refilled(rule, backend, settings, waves[0])
    finals = [wave.codes[path] for wave in waves for path in wave.survivors]
    if not finals:  # as PARM, the least hopeless of them
        first = waves[0]
        path = min(range(settings.paths), key=lambda path: first.doubts.get(path, NEVER_CLEAR))
        first.finish(path)
        finals = [first.codes[path]]
    pictures = list(waves[0].painting.decode(np.stack([np.asarray(codes) for codes in finals])))
    p_yes = backend.verifier("parm").look(pictures).ask("outcome", settings.prompt).p_yes.tolist()
    painted = sum(len(wave.codes) for wave in waves)
    return Choice(pictures[int(np.argmax(p_yes))], painted, sum(len(wave.stopped) for wave in waves))


def _wave(rule: Rule, backend: Backend, settings: Settings, paths: range, **after: Step) -> Wave:
    s = settings
    start = backend.painter(s.model).start
    wave = Wave(rule, backend, s, start(s.prompt, paths, s.steps, s.guidance, s.temperature, s.seed, **after))
    wave.paint()
    return wave


def _refilled(rule: Rule, backend: Backend, settings: Settings, first: Wave) -> list[Wave]:
    """One more wave, of as many paths as the steps that were saved are enough for."""
    steps = settings.steps
    saved = sum(steps - step for step in first.stopped.values())
    count = saved // (steps if rule.refill == "fresh" else steps - BRANCH)
    parents = sorted(first.settled, key=lambda path: -first.odds[path])
    if not count or (rule.refill == "branch" and not parents):
        return []
    paths = range(settings.paths, settings.paths + count)
    if rule.refill == "fresh":
        return [_wave(rule, backend, settings, paths)]
    before = first.branching
    rows = [before.paths.index(parents[number % len(parents)]) for number in range(count)]
    after = before._replace(
        paths=tuple(paths), codes=before.codes[rows], masked=before.masked[rows], confidence=before.confidence[rows]
    )
    return [_wave(rule, backend, settings, paths, after=after)]


# -- the command


def main(options: argparse.Namespace, backend: MiniBackend) -> None:
    """Every rule on ``--paths`` paths (20), beside PARM and beside the ORM at the same compute."""
    paths = whole("paths", options.paths or 20, *PATHS)
    pool = Pool(backend, options.model, options.split, options.seed, folder=FOLDER)
    entries = select([entry.metadata for entry in pool.entries], options.limit)
    most = min(PATHS[1], paths + paths // 2)  # for fresh paths, and for an ORM that is given PARM's compute
    fill(Maker(pool, most, ["parm", "orm"]), entries, say)
    print(f"{'overall, GenEval and strict':<38}  right  {'less PARM':<23}  less ORM at its compute", end="")
    print("  GFLOP  painted  stopped")
    kinds, prompts = [entry.kind for entry in entries], [entry.prompt for entry in entries]
    before: Mapping[str, Sequence[float]] = {}
    orms = replays(pool, entries, "orm")
    for rule in RULES_TRIED:
        say(rule.words)
        right, operations, choices = _tried(rule, pool, entries, paths)
        before = before or right
        orm = at_compute(orms, operations, most).as_dict()
        painted, stopped = (mean(getattr(one, count) for one in choices) for count in ("painted", "stopped"))
        ends = [f"{operations / 1e9:5.0f}  {painted:7.1f}  {stopped:7.1f}", ""]
        for name, words, end in zip(RULES, (rule.words, ""), ends):
            value, parm, other = (
                means_of_kinds(one, kinds, prompts)[OVERALL]
                for one in (right[name], _less(right[name], before[name]), _less(right[name], values(orm, name)))
            )
            differences = (f"{one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]" for one in (parm, other))
            print("  ".join([f"{words:<38}", f"{value.value:.3f}", *differences, end]).rstrip(), flush=True)


def _less(a: Sequence[float], b: Sequence[float]) -> list[float]:
    return [x - y for x, y in zip(a, b)]


def _tried(
    rule: Rule, pool: Pool, entries: Sequence[Entry], paths: int
) -> tuple[dict[str, list[float]], float, list[Choice]]:
    """Whether a rule's choices are right, its mean operations, and the choices."""
    metered = Metered(pool.backend)
    right: dict[str, list[float]] = {name: [] for name in RULES}
    operations, choices = 0, []
    for entry in entries:
        run = metered if rule.refill == "branch" else Replay(pool)
        before = metered.operations
        choices.append(choose(rule, run, pool.settings_of(entry, method="parm", paths=paths)))
        spent = metered.since(before) if run is metered else run.spent.operations
        operations += sum(spent.values())
        verdict = run.check(entry.prompt, choices[-1].picture)
        right["geneval"].append(float(verdict.correct))
        right["strict"].append(float(verdict.strict))
    return right, operations / len(entries), choices
