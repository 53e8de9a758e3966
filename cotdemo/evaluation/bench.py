"""The fast path against the plain procedure: same weights, same machine, one run, and the same work.

Verdicts are scripted for the comparison (``instruments.Script``), since real ones decide how much there is to do; both
sides compute them all the same. Beside it, PARM with its real verdicts: how long a run takes, and how long the page
waits for its first picture.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timezone
from statistics import mean, median
from typing import Any

import torch

from .. import hardware
from ..backends import Backend
from ..events import RunFinished, StepDecoded, Winner
from ..products import as_torch_does
from ..search import perform
from ..settings import Settings
from ..world.splits import PER_KIND
from .entries import of_split, select
from .flops import Count, matmul_rate
from .instruments import Clock, Measured, Script, Watch
from .margins import first_difference, margin
from .plain import Guess, PlainRun
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
            by_torch.append(_fast(backend, settings, script, Clock(backend.device))["seconds"])
    status("counting operations")
    counted = _both(backend, runs[0], script, Count, False)
    rate = matmul_rate(backend.device, backend.dtype)

    sides = {side: _side([pair[side] for pair in timed], counted[side], rate) for side in ("plain", "fast")}
    ratios = [pair["plain"]["seconds"] / pair["fast"]["seconds"] for pair in timed]
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
    # the split lists PER_KIND prompts of each kind, one kind after another
    entries = sorted(select(of_split("dev")), key=lambda entry: entry.index % PER_KIND)[:count]
    return [replace(base, prompt=entry.prompt, seed=entry.seed(base.seed)) for entry in entries]


def _both(
    backend: Backend, settings: Settings, script: Script, watch: Callable[[], Any], plain_first: bool
) -> dict[str, dict[str, Any]]:
    """One run of each side, measured."""
    sides = {"plain": _plain, "fast": _fast}
    order = ("plain", "fast") if plain_first else ("fast", "plain")
    return {side: sides[side](backend, settings, script, watch()) for side in order}


def _plain(backend: Backend, settings: Settings, script: Script, watch: Watch) -> dict[str, Any]:
    begun = time.perf_counter()
    with as_torch_does():
        run = PlainRun(backend.painter(settings.model), backend.verifier("parm"), settings, script, watch)
    return {
        "seconds": time.perf_counter() - begun,
        "parts": watch.totals,
        "guesses": run.guesses,
        "winner": run.winner,
        "decodes": run.decodes,
        "questions": run.questions,
    }


def _fast(backend: Backend, settings: Settings, script: Script, watch: Watch) -> dict[str, Any]:
    measured = Measured(backend, watch, script)
    guesses: dict[tuple[int, int], Guess] = {}
    result: dict[str, Any] = {}
    begun = time.perf_counter()
    for event in perform(settings, measured, show="judged"):
        measured.note(event)
        if isinstance(event, StepDecoded):
            guesses[event.path, event.step] = event.codes, event.masked
        elif isinstance(event, Winner):
            result["winner"] = None if event.fallback else event.path
        elif isinstance(event, RunFinished):
            result |= {"decodes": event.pictures_decoded, "questions": event.judge_passes}
    return result | {"seconds": time.perf_counter() - begun, "parts": watch.totals, "guesses": guesses}


def _side(runs: list[dict[str, Any]], counted: dict[str, Any], rate: float) -> dict[str, Any]:
    """Seconds of a run (mean), by part, and the floor: the operations of the first run at the machine's matrix rate."""
    operations = {part: counted["parts"].get(part, 0) for part in PARTS}
    seconds = sum(run["seconds"] for run in runs) / len(runs)
    parts = {part: sum(run["parts"].get(part, 0.0) for run in runs) / len(runs) for part in PARTS}
    return {
        "seconds": seconds,
        "parts": parts | {"rest": seconds - sum(parts.values())},
        "decodes": runs[0]["decodes"],
        "questions": runs[0]["questions"],
        "operations": operations,
        "floor_seconds": sum(operations.values()) / rate,
    }


def _agreement(backend: Backend, runs: list[Settings], timed: list[dict[str, Any]]) -> dict[str, Any]:
    """Whether both sides painted the same tokens, path by path, over the steps that both painted."""
    differences = []
    for number, (settings, pair) in enumerate(zip(runs, timed)):
        fast, plain = pair["fast"]["guesses"], pair["plain"]["guesses"]
        for path in range(settings.paths):
            step = first_difference(fast, plain, path)
            if step is not None:
                pipeline = backend.painter(settings.model)
                how_close = margin(pipeline, settings, path, step, fast[path, step], plain[path, step])
                differences.append({"prompt": number, "path": path, "first_step": step, "margin": how_close})
    paths = sum(settings.paths for settings in runs)
    margins = [difference["margin"] for difference in differences]
    return {
        "paths": paths,
        "identical": paths - len(differences),
        "largest_margin": max(margins, default=None),
        "differences": differences,
        "same_winner": sum(pair["fast"]["winner"] == pair["plain"]["winner"] for pair in timed),
    }


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
