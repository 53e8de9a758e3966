"""``python -m cotdemo profile``: where a GPU's time and memory go, each part written as soon as it is known.

For the released models, with weights at random where there are none (``--random``): what a step or a look costs does
not depend on what they are. On a processor the same commands run, and memory is not told.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from ..backends import Backend
from ..compute import hardware
from ..compute.hardware import accelerator
from ..errors import UserError
from ..files import headed, write_json, write_text
from ..generator.mask_predict import MASKED, masked_positions
from ..settings import Settings

SHOWN = 25  # rows of a table of kernels


def latency(backend: Backend, settings: Settings, repeats: int = 3) -> dict[str, Any]:
    """Milliseconds of a guided step of one path: as the session runs it, and its logits alone; ``graph`` are the same
    with steps replayed as CUDA graphs, None where there is no CUDA."""
    found = _latency(backend, settings, repeats)
    if hardware.capability(backend.device) is None:
        return found | {"graph": None}
    showo = backend.generator(settings.model).showo
    before, showo.replayed = showo.replayed, True
    try:
        return found | {"graph": _latency(backend, settings, repeats)}
    finally:
        showo.replayed = before


def _latency(backend: Backend, settings: Settings, repeats: int) -> dict[str, float]:
    generator, steps, firsts = backend.generator(settings.model), [], []
    for _ in range(repeats + 1):  # the first run warms up
        session, each = _session(generator, settings, 1), []
        while not session.done:
            each.append(_milliseconds(backend, session.step))
        steps, firsts = steps + each[1:], [*firsts, each[0]]
    logits = _logits(generator, settings)
    return {
        "step": median(steps[settings.steps - 1 :]),
        "slowest": max(steps[settings.steps - 1 :]),
        "first": median(firsts[1:]),
        "logits": median(_milliseconds(backend, logits) for _ in range(20)),
    }


def _session(generator: Any, settings: Settings, paths: int) -> Any:
    s = settings
    return generator.start(settings.prompt, range(paths), s.steps, s.guidance, s.temperature, s.seed)


@torch.no_grad()
def _logits(generator: Any, settings: Settings) -> Callable[[], torch.Tensor]:
    """Computes those of the second step of one path, again and again."""
    step = _session(generator, settings, 1).step()
    canvas = step.codes.masked_fill(step.masked, MASKED).to(generator.device)
    where = None if generator.every_token else masked_positions(canvas)
    prefix = generator.prefill([settings.prompt], settings.guidance, [None])
    return torch.no_grad()(lambda: generator.logits(prefix, canvas, [0], where))


def _milliseconds(backend: Backend, do: Callable[[], Any]) -> float:
    wait = torch.accelerator.synchronize if backend.device != "cpu" else lambda: None
    wait()
    begun = time.perf_counter()
    do()
    wait()
    return 1000 * (time.perf_counter() - begun)


def memory(backend: Backend, settings: Settings) -> dict[str, Any]:
    """Bytes on the accelerator: weights alone, and the most while all paths take two steps and are looked at.

    None where there is no accelerator, or it does not tell.
    """
    of = getattr(torch, accelerator() or "cpu")
    told = backend.device != "cpu" and hasattr(of, "max_memory_allocated")
    weights = of.memory_allocated() if told else None
    if told:
        of.reset_peak_memory_stats()
    _steps_and_questions(backend, settings)
    return {"paths": settings.paths, "weights": weights, "most": of.max_memory_allocated() if told else None}


def _steps_and_questions(backend: Backend, settings: Settings) -> None:
    session = _session(backend.generator(settings.model), settings, settings.paths)
    session.step()
    images = session.decode(session.step().codes)
    judge = backend.verifier("parm").encode(list(images))
    for question in ("clarity", "potential"):
        judge.ask(question, settings.prompt)


def kernels(backend: Backend, settings: Settings) -> dict[str, Any]:
    """What torch's profiler sees of one guided step of one path, and of one look at the images of all paths."""
    session = _session(backend.generator(settings.model), settings, 1)
    session.step()
    images = list(np.repeat(session.decode(session.step().codes), settings.paths, axis=0))
    judge = backend.verifier("parm")
    look = lambda: judge.encode(images).ask("clarity", settings.prompt)  # noqa: E731
    look()
    return {"step": _profiled(session.step), "look": _profiled(look)}


def _profiled(do: Callable[[], Any]) -> dict[str, Any]:
    device = {"cuda": ProfilerActivity.CUDA, "xpu": ProfilerActivity.XPU}.get(accelerator() or "")
    with profile(activities=[ProfilerActivity.CPU, *([device] if device else [])]) as seen:
        do()
        if device:
            torch.accelerator.synchronize()
    averages = seen.key_averages()
    by = "self_device_time_total" if device else "self_cpu_time_total"
    launched = sum(one.count for one in averages if one.key.startswith(("cudaLaunchKernel", "cuLaunchKernel")))
    return {"launches": launched, "table": averages.table(sort_by=by, row_limit=SHOWN, max_name_column_width=60)}


def measure(backend: Backend, settings: Settings, out: Path, tell: Callable[[str], None] = lambda words: None) -> None:
    """Measure part after part, and write each into a file in ``out``. Raises UserError for less than 3 steps."""
    if settings.steps < 3:
        raise UserError("A profile takes 3 steps or more.")
    head = headed("cotdemo-profile", 1) | {
        "hardware": hardware.describe(backend.device),
        "precision": str(backend.dtype).removeprefix("torch."),
        "weights": dict(backend.weights),
    }
    backend.warm_up()
    for name, part in {"latency": latency, "memory": memory, "kernels": kernels}.items():
        found = part(backend, settings)
        for key in [key for key, value in found.items() if isinstance(value, dict)]:
            write_text(out / f"{name}-{key}.txt", found[key].pop("table"))
        write_json(out / f"{name}.json", head | found)
        tell(f"{name}: {found}")
