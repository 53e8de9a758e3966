"""The fast path against the plain procedure: same weights, same machine, one run, and the same work.

Verdicts are scripted for the comparison, since real ones decide how much there is to do; both sides compute them all
the same. Beside it, PARM with its real verdicts: how long a run takes, and how long the page waits for its first
image. The plain procedure is that of the paper's released code (``released``).

Both sides draw with the same random numbers, so their tokens part only where a number falls between their two roundings
of one boundary: between two codes in a cumulative distribution, or between two tokens in the ranking of what is masked.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from statistics import mean, median
from typing import Any

import torch

from ..backends import Backend
from ..backends.metered import Clock, Count, Meter
from ..backends.weightless import RANDOM, Shapes
from ..compute import hardware
from ..compute.counting import launches, matmul_rate
from ..compute.linear import as_torch_does
from ..evaluation.entries import of_split, select
from ..files import headed
from ..generator.chance import PathSampler, draw
from ..generator.mask_predict import gumbel
from ..generator.pipeline import ShowoPipeline
from ..generator.schedule import temperatures
from ..run.events import RunFinished, StepDecoded
from ..search import perform
from ..search.protocols import PARTS
from ..settings import Settings
from .released import Guess, PlainShapes, Script, Side, fast, plainly

Status = Callable[[str], None]


def bench(
    backend: Backend,
    base: Settings,
    script: Script,
    count: int,
    status: Status = lambda message: None,
    keep: Callable[[dict[str, Any]], None] = lambda result: None,
    as_released: Backend | None = None,
) -> dict[str, Any]:
    """Compare on ``count`` prompts; ``base`` has everything but the prompt. Returns what ``bench`` writes, as JSON.

    ``as_released`` is the backend in the released code's precision, where that is another: the plain procedure runs the
    first prompt in it too. ``keep`` is given the result after every prompt, of those so far: whoever is cut off has
    what was measured.
    """
    runs = runs_of(base, count)
    status("loading the models")
    backend.warm_up()
    _warm(backend, runs[0], script)
    status("counting operations")
    counted = _both(backend, runs[0], script, Count, False)
    rate, load = matmul_rate(backend.device, backend.dtype), os.getloadavg()[0]
    head = headed("cotdemo-bench", 1) | {
        "script": asdict(script),
        "weights": dict(backend.weights),
        "hardware": hardware.describe(backend.device),
        "load_average": load,  # work of others at the start: above 0.5 or so, seconds are not to be trusted
        "matmul_operations_per_second": rate,
    }
    asked = {name: value for name, value in base.as_dict().items() if name != "prompt"}
    timed, by_torch, result = [], [], {}
    for number, settings in enumerate(runs):
        status(f"run {number + 1} of {len(runs)}, fast and plain")
        # taking turns, so that neither side always has the warmer machine
        timed.append(_both(backend, settings, script, lambda: Clock(backend.device), plain_first=bool(number % 2)))
        with as_torch_does():
            by_torch.append(fast(backend, settings, script, Clock(backend.device)).seconds)
        status(", ".join(f"{side} {pair.seconds:.2f} s" for side, pair in timed[-1].items()))
        sides = {side: _side([pair[side] for pair in timed], counted[side], rate) for side in ("plain", "fast")}
        result = head | {
            "asked": asked | {"prompts": len(timed)},
            "peak_gpu_bytes": torch.cuda.max_memory_allocated() if backend.device.startswith("cuda") else None,
            "ratio": sides["plain"]["seconds"] / sides["fast"]["seconds"],
            "ratio_by_prompt": [pair["plain"].seconds / pair["fast"].seconds for pair in timed],
            "ratio_by_torchs_products": sides["plain"]["seconds"] / mean(by_torch),  # what is not owed to oneDNN
            **sides,
        }
        keep(result)
    if as_released is not None:
        status("the first run plainly, in the released code's precision")
        whole = plainly(as_released, runs[0], script, Clock(backend.device)).seconds
        result["as_released"] = {"seconds": whole, "ratio": whole / timed[0]["fast"].seconds}
        keep(result)
    result["agreement"] = _agreement(backend, runs, timed)
    if set(backend.weights.values()) != {RANDOM}:  # whose verdicts would tell the worst case for a usual one
        result["parm"] = _parm(backend, runs, status)
    keep(result)
    return result


def _warm(backend: Backend, settings: Settings, script: Script) -> None:
    """Run two steps at the shapes that are measured: what is chosen or compiled for a shape is done then."""
    short = replace(settings, steps=min(2, settings.steps), judge_from=1)
    fast(backend, short, script, Clock(backend.device))
    plainly(backend, replace(short, paths=1), script, Clock(backend.device))


def runs_of(base: Settings, count: int) -> list[Settings]:
    """The settings of the runs: prompts of the dev split, the first of each kind, then the second, and so on."""
    turns: Counter[str] = Counter()
    order = []
    for entry in select(of_split("dev")):
        order.append((turns[entry.kind], entry))
        turns[entry.kind] += 1
    chosen = [entry for _, entry in sorted(order, key=lambda one: one[0])[:count]]
    return [replace(base, prompt=entry.prompt, seed=entry.seed(base.seed)) for entry in chosen]


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
    for name, show in (("judged_images", "judged"), ("all_images", "all")):
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
            "first_image": median(first),
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
    if released := result.get("as_released"):
        lines.append(f"{released['ratio']:.2f} times as fast as it is in the released code's precision, on one prompt")
    largest = agreement["largest_margin"]
    differing = "" if largest is None else f"; draws that differ were within {largest:.1e} of falling the other way"
    lines.append(f"identical tokens on {agreement['identical']} of {agreement['paths']} paths{differing}")
    lines.append(f"the same winner in {agreement['same_winner']} of {asked['prompts']} runs")
    if parm := result.get("parm"):
        judged, all_images = parm["judged_images"], parm["all_images"]
        lines.append(
            f"PARM with real verdicts: {judged['seconds']:.2f} s a run; with every guess decoded, as the page shows "
            f"it, {all_images['seconds']:.2f} s, the first image after {all_images['first_image']:.2f} s"
        )
    rate = result["matmul_operations_per_second"] / 1e9
    lines.append(f"on {hardware.in_words(result['hardware'])}, {rate:.0f} GFLOP/s in matrix products")
    if result["peak_gpu_bytes"]:
        lines.append(f"at most {result['peak_gpu_bytes'] / 1e9:.1f} GB of GPU memory")
    return "\n".join(lines)


# -- at full size, by count: without a GPU and without weights


def of_a_step(backend: Any, guidance: float = 1.75) -> Counter[str]:
    """The kernels of a step of one path in the midst of a run, by name; ``backend`` is one of ``Shapes``."""
    session = backend.generator("base").start("a photo of a dog left of a bench", range(1), 18, guidance, 1.0, 0)
    session.step()
    return launches(session.step)


def count(settings: Settings, script: Script) -> dict[str, Any]:
    """Operations of one PARM run at full size, by part: ``fast`` and ``plain``, with the same scripted verdicts."""
    backend = Shapes(settings.backend)
    sides = {
        "fast": fast(backend, settings, script, Count()),
        "plain": plainly(backend, settings, script, Count(), PlainShapes),
    }
    return {
        "format": "cotdemo-operations",
        "asked": {name: value for name, value in settings.as_dict().items() if name != "prompt"},
        "script": asdict(script),
        "launches": sum(of_a_step(backend).values()),
        **{
            name: {"operations": dict(side.parts), "decodes": side.decodes, "questions": side.questions}
            for name, side in sides.items()
        },
    }


def count_in_words(result: Mapping[str, Any]) -> str:
    """The counts for a terminal."""
    asked = result["asked"]
    lines = [
        f"PARM on {asked['backend']}, {asked['paths']} paths, {asked['steps']} steps, judged from step "
        f"{asked['judge_from']}, scripted verdicts; TFLOP a run:",
        f"{'':<8}{'all':>9}" + "".join(f"{part:>11}" for part in PARTS) + f"{'images':>10}{'questions':>11}",
    ]
    totals = {}
    for side in ("plain", "fast"):
        operations = result[side]["operations"]
        totals[side] = sum(operations.values())
        parts = "".join(f"{operations.get(part, 0) / 1e12:>11.1f}" for part in PARTS)
        counts = f"{result[side]['decodes']:>10}{result[side]['questions']:>11}"
        lines.append(f"{side:<8}{totals[side] / 1e12:>9.1f}{parts}{counts}")
    lines.append(f"{totals['plain'] / totals['fast']:.2f} times fewer by count")
    lines.append(f"{result['launches']} kernels are launched by a guided step of one path")
    return "\n".join(lines)
