"""The fast path against the plain procedure: same weights, same machine, one run, and the same work.

Verdicts are scripted for the comparison, since real ones decide how much there is to do; both sides compute them all
the same. Beside it, PARM with its real verdicts: how long a run takes, and how long the page waits for its first
picture.

Both sides draw with the same random numbers, so their tokens part only where a number falls between their two roundings
of one boundary: between two codes in a cumulative distribution, or between two tokens in the ranking of what is masked.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from statistics import mean, median
from typing import Any

import numpy as np
import torch

from ..backends import Backend
from ..compute import hardware
from ..compute.linear import as_torch_does
from ..generator.chance import PathSampler, draw
from ..generator.mask_predict import gumbel
from ..generator.pipeline import ShowoPipeline
from ..generator.schedule import temperatures
from ..run.events import Event, Question, RunFinished, StepDecoded, Winner
from ..search import perform
from ..search.protocols import Encoded
from ..settings import Settings
from .cost import Clock, Count, Instrumented, Meter, matmul_rate
from .entries import of_split, select
from .plain import Guess, PlainRun, Script
from .records import PARTS

Status = Callable[[str], None]


def bench(
    backend: Backend, base: Settings, script: Script, count: int, status: Status = lambda message: None
) -> dict[str, Any]:
    """Compare on ``count`` prompts; ``base`` has everything but the prompt. Returns what ``bench`` writes, as JSON."""
    runs = runs_of(base, count)
    status("loading the models")
    backend.warm_up()
    small = replace(runs[0], paths=2, steps=min(2, base.steps), judge_from=1)
    _both(backend, small, script, lambda: Clock(backend.device), False)

    load, timed, by_torch = os.getloadavg()[0], [], []
    for number, settings in enumerate(runs):
        status(f"run {number + 1} of {len(runs)}, fast and plain")
        # taking turns, so that neither side always has the warmer machine
        timed.append(_both(backend, settings, script, lambda: Clock(backend.device), plain_first=bool(number % 2)))
        with as_torch_does():
            by_torch.append(fast(backend, settings, script, Clock(backend.device)).seconds)
    status("counting operations")
    counted = _both(backend, runs[0], script, Count, False)
    rate = matmul_rate(backend.device, backend.dtype)

    sides = {side: _side([pair[side] for pair in timed], counted[side], rate) for side in ("plain", "fast")}
    ratios = [pair["plain"].seconds / pair["fast"].seconds for pair in timed]
    return {
        "format": "cotdemo-bench",
        "version": 1,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "asked": {name: value for name, value in base.as_dict().items() if name != "prompt"} | {"prompts": len(runs)},
        "script": asdict(script),
        "weights": dict(backend.weights),
        "hardware": hardware.describe(backend.device),
        "load_average": load,  # work of others at the start: above 0.5 or so, seconds are not to be trusted
        "matmul_operations_per_second": rate,
        "peak_gpu_bytes": torch.cuda.max_memory_allocated() if backend.device.startswith("cuda") else None,
        "ratio": sides["plain"]["seconds"] / sides["fast"]["seconds"],
        "ratio_by_prompt": ratios,
        "ratio_by_torchs_products": sides["plain"]["seconds"] / mean(by_torch),  # what is not owed to oneDNN
        **sides,
        "agreement": _agreement(backend, runs, timed),
        "parm": _parm(backend, runs, status),
    }


def runs_of(base: Settings, count: int) -> list[Settings]:
    """The settings of the runs: prompts of the dev split, the first of each kind, then the second, and so on."""
    entries, seen = select(of_split("dev")), Counter()
    turns = [seen.update([entry.kind]) or seen[entry.kind] for entry in entries]
    first = sorted(range(len(entries)), key=turns.__getitem__)[:count]
    return [replace(base, prompt=entries[i].prompt, seed=entries[i].seed(base.seed)) for i in first]


# -- the two sides


class Scripted(Instrumented):
    """A metered backend whose judge computes its real answers, and says what a script says.

    The judge is shown pictures and is told of no path, so each picture of a run is remembered with its place.
    """

    check = None

    def __init__(self, backend: Backend, meter: Meter, script: Script):
        super().__init__(backend, meter)
        self.script = script
        self.places: dict[int, tuple[int, int]] = {}  # identity of a picture -> path, step
        self._kept: dict[int, np.ndarray] = {}  # the latest picture of each path, so that identities stay unique

    def perform(self, settings: Settings) -> Iterator[Event]:
        """The events of a run that decodes what is judged."""
        for event in perform(settings, self, show="judged"):
            if isinstance(event, StepDecoded) and event.picture is not None:
                self.places[id(event.picture)] = event.path, event.step
                self._kept[event.path] = event.picture
            yield event

    def verifier(self, name: str) -> _ScriptedJudge:
        return _ScriptedJudge(self, super().verifier(name))


@dataclass(frozen=True)
class _ScriptedJudge:
    backend: Scripted
    judge: Any

    def encode(self, pictures: Sequence[np.ndarray]) -> _ScriptedLook:
        places = [self.backend.places[id(picture)] for picture in pictures]
        return _ScriptedLook(self.judge.encode(pictures), places, self.backend.script)


@dataclass(frozen=True)
class _ScriptedLook:
    encoded: Encoded
    places: Sequence[tuple[int, int]]
    script: Script

    def ask(self, question: Question, prompt: str, rows: Sequence[int]) -> Any:
        yes = np.array([self.script.says(question, *self.places[row]) for row in rows])
        return replace(self.encoded.ask(question, prompt, rows), yes=yes, no=~yes)


@dataclass(frozen=True)
class Side:
    """One run: seconds in all, what its parts took (seconds, or operations), every guess, and what was chosen."""

    seconds: float
    parts: Mapping[str, float]
    guesses: Mapping[tuple[int, int], Guess]  # (path, step) -> codes, positions masked again
    winner: int | None
    decodes: int
    questions: int


def plainly(
    backend: Backend, settings: Settings, script: Script, meter: Meter, run_of: type[PlainRun] = PlainRun
) -> Side:
    """A run by the procedure of the released code."""
    begun = time.perf_counter()
    with as_torch_does():
        run = run_of(backend, settings, script, meter)
    return Side(time.perf_counter() - begun, meter.totals, run.guesses, run.winner, run.decodes, run.questions)


def fast(backend: Backend, settings: Settings, script: Script, meter: Meter) -> Side:
    """The same run by the search."""
    guesses: dict[tuple[int, int], Guess] = {}
    begun = time.perf_counter()
    for event in Scripted(backend, meter, script).perform(settings):
        if isinstance(event, StepDecoded):
            guesses[event.path, event.step] = event.codes, event.masked
        elif isinstance(event, Winner):
            winner = None if event.fallback else event.path
        elif isinstance(event, RunFinished):
            end = event
    seconds = time.perf_counter() - begun
    return Side(seconds, meter.totals, guesses, winner, end.pictures_decoded, end.judge_passes)


def _both(
    backend: Backend, settings: Settings, script: Script, meter: Callable[[], Meter], plain_first: bool
) -> dict[str, Side]:
    """One run of each side, measured."""
    sides = {"plain": plainly, "fast": fast}
    order = ("plain", "fast") if plain_first else ("fast", "plain")
    return {side: sides[side](backend, settings, script, meter()) for side in order}


# -- what came of them


def _side(runs: Sequence[Side], counted: Side, rate: float) -> dict[str, Any]:
    """Seconds of a run (mean), by part, and the floor: the operations of the first run at the machine's matrix rate."""
    seconds = sum(run.seconds for run in runs) / len(runs)
    parts = {part: sum(run.parts[part] for run in runs) / len(runs) for part in PARTS}
    return {
        "seconds": seconds,
        "parts": parts | {"rest": seconds - sum(parts.values())},
        "decodes": runs[0].decodes,
        "questions": runs[0].questions,
        "operations": dict(counted.parts),
        "floor_seconds": sum(counted.parts.values()) / rate,
    }


def _agreement(backend: Backend, runs: Sequence[Settings], timed: Sequence[Mapping[str, Side]]) -> dict[str, Any]:
    """Whether both sides painted the same tokens, path by path, over the steps that both painted."""
    differences = []
    for number, (settings, pair) in enumerate(zip(runs, timed)):
        ours, plain = pair["fast"].guesses, pair["plain"].guesses
        for path in range(settings.paths):
            step = first_difference(ours, plain, path)
            if step is not None:
                pipeline = backend.generator(settings.model)
                how_close = margin(pipeline, settings, path, step, ours[path, step], plain[path, step])
                differences.append({"prompt": number, "path": path, "first_step": step, "margin": how_close})
    paths = sum(settings.paths for settings in runs)
    margins = [difference["margin"] for difference in differences]
    return {
        "paths": paths,
        "identical": paths - len(differences),
        "largest_margin": max(margins, default=None),
        "differences": differences,
        "same_winner": sum(pair["fast"].winner == pair["plain"].winner for pair in timed),
    }


class _Witness:
    """Draws as ``PathSampler`` does, and remembers the last draw."""

    def __init__(self, sampler: PathSampler):
        self._sampler = sampler

    def codes(self, probs: torch.Tensor, paths: Sequence[int], step: int) -> torch.Tensor:
        # the sampler's next numbers, whatever they are for: ``noise`` hands them out as they are
        self.probs, self.uniform = probs, self._sampler.noise(probs, paths, step)
        return draw(probs, self.uniform)

    def noise(self, probs: torch.Tensor, paths: Sequence[int], step: int) -> torch.Tensor:
        self.noise_drawn = self._sampler.noise(probs, paths, step)
        return self.noise_drawn


def first_difference(
    ours: Mapping[tuple[int, int], Guess], other: Mapping[tuple[int, int], Guess], path: int
) -> int | None:
    """The first step that both painted of ``path`` and at which they differ; None where there is none."""
    steps = sorted(step for number, step in ours if number == path and (number, step) in other)
    return next((step for step in steps if ours[path, step] != other[path, step]), None)


def margin(pipeline: ShowoPipeline, settings: Settings, path: int, step: int, ours: Guess, other: Guess) -> float:
    """The margin of the draw by which two guesses of one step part; the largest, where several tokens do.

    For codes: the distance of the random number from the boundary between the two, as probability. For masks alone:
    the distance of the two tokens in the ranking, in log-probability.
    """
    s = settings
    witness = _Witness(PathSampler.from_seed(s.seed, [path]))
    session = pipeline.start(s.prompt, [path], s.steps, s.guidance, s.temperature, s.seed, sampler=witness)
    while session.taken(path) <= step:
        painted = session.step()
    parted = [token for token, (a, b) in enumerate(zip(ours[0], other[0])) if a != b]
    if parted:
        cumulative = witness.probs[0].cumsum(-1)
        drawn = witness.uniform[0] * cumulative[:, -1]
        edges = [cumulative[token, min(ours[0][token], other[0][token])] for token in parted]
        return max(abs(float(drawn[token] - edge)) for token, edge in zip(parted, edges))
    annealing = pipeline.settings().annealing
    temperature = temperatures(annealing, s.temperature, s.steps, path)[step]
    rank = painted.confidence[0].log() + temperature * gumbel(witness.noise_drawn[0]).cpu()
    one, two = (sorted(set(a) - set(b)) for a, b in ((ours[1], other[1]), (other[1], ours[1])))
    return float((rank[one][:, None] - rank[two]).abs().max())


# -- PARM by itself


def _parm(backend: Backend, runs: list[Settings], status: Status) -> dict[str, Any]:
    """PARM with real verdicts: runs that decode what is judged, and runs that decode every guess, as the page does."""
    result: dict[str, Any] = {}
    for name, show in (("judged_pictures", "judged"), ("all_pictures", "all")):
        seconds, first, passes = [], [], []
        for settings in runs:
            status(f"PARM with real verdicts, {name.replace('_', ' ')}")
            begun, seen = time.perf_counter(), None
            for event in perform(settings, backend, show=show, check=False):
                if seen is None and isinstance(event, StepDecoded) and event.picture is not None:
                    seen = time.perf_counter() - begun
                if isinstance(event, RunFinished):
                    passes.append(event.generator_passes)
            seconds.append(time.perf_counter() - begun)
            first.append(seen)
        result[name] = {
            "seconds": median(seconds),
            "slowest": max(seconds),
            "first_picture": median(first),
            "generator_passes": median(passes),
        }
    return result


def in_words(result: Mapping[str, Any]) -> str:
    """The figures for a terminal."""
    asked, agreement = result["asked"], result["agreement"]
    lines = [
        f"PARM, {asked['paths']} paths, {asked['steps']} steps, scripted verdicts, {asked['prompts']} prompts; "
        "seconds a run:",
        f"{'':<8}{'all':>9}" + "".join(f"{part:>11}" for part in (*PARTS, "rest")) + f"{'GFLOP':>9}{'floor':>9}",
    ]
    for side in ("plain", "fast"):
        one = result[side]
        numbers = [f"{one['seconds']:>9.3f}"] + [f"{one['parts'][part]:>11.3f}" for part in (*PARTS, "rest")]
        operations = sum(one["operations"].values())
        lines.append(f"{side:<8}{''.join(numbers)}{operations / 1e9:>9.2f}{one['floor_seconds']:>9.3f}")
    lines.append("{:.2f} times as fast ({:.2f} to {:.2f}); {:.2f} times with torch's own matrix products".format(
        result["ratio"], *(pick(result["ratio_by_prompt"]) for pick in (min, max)), result["ratio_by_torchs_products"]
    ))  # fmt: skip
    largest = agreement["largest_margin"]
    differing = "" if largest is None else f"; draws that differ were within {largest:.1e} of falling the other way"
    lines.append(f"identical tokens on {agreement['identical']} of {agreement['paths']} paths{differing}")
    lines.append(f"the same winner in {agreement['same_winner']} of {asked['prompts']} runs")
    judged, all_pictures = result["parm"]["judged_pictures"], result["parm"]["all_pictures"]
    lines.append(
        f"PARM with real verdicts: {judged['seconds']:.2f} s a run; with every guess decoded, as the page shows it, "
        f"{all_pictures['seconds']:.2f} s, the first picture after {all_pictures['first_picture']:.2f} s"
    )
    rate = result["matmul_operations_per_second"] / 1e9
    lines.append(f"on {hardware.in_words(result['hardware'])}, {rate:.0f} GFLOP/s in matrix products")
    if result["peak_gpu_bytes"]:
        lines.append(f"at most {result['peak_gpu_bytes'] / 1e9:.1f} GB of GPU memory")
    return "\n".join(lines)
