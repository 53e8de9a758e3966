"""One training loop for all stages: Muon and AdamW, warm-up and cosine decay, moving average, checkpoints, progress.

Matrices of hidden layers are trained by Muon (``muon``), everything else by AdamW. Muon steps
equally far in all directions of a matrix, however weak and noisy the gradient, which suits learning from nothing better
than small corrections: alignment is by AdamW alone.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from ..compute import parallel
from ..compute.hardware import half_pays
from ..errors import UserError
from ..files import whole_file
from .muon import Muon

Losses = Callable[[nn.Module, int], dict[str, torch.Tensor]]  # of a step's batch: named scalars, "loss" among them


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: ``steps`` batches, ``lr`` reached after ``warmup`` steps, then cosine to ``lr_end``.

    With ``cycles`` the steps are divided into that many equal parts, each starting anew at half the rate of the last.
    """

    steps: int
    lr: float
    warmup: int = 100
    lr_end: float = 0.0
    weight_decay: float = 0.01
    clip: float = 1.0
    betas: tuple[float, float] = (0.9, 0.98)
    cycles: int = 1
    average: float = 0.0  # decay of the weights' moving average, which is what is kept; 0 keeps the last weights
    half: bool = True  # compute in bfloat16 where that pays (autocast); weights and their averages stay float32
    muon: bool = True  # for the matrices of hidden layers; False: AdamW for all

    def rate(self, step: int) -> float:
        length = self.steps // self.cycles
        cycle, step = divmod(step, length)
        peak = self.lr / 2**cycle
        if step < self.warmup:
            return peak * (step + 1) / self.warmup
        progress = (step - self.warmup) / max(1, length - self.warmup)
        return self.lr_end + (peak - self.lr_end) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def plain_attention(model: PreTrainedModel) -> None:
    """On a CPU, train with attention as plain matrix products: the fused one's backward pass is slower."""
    if model.device.type == "cpu":
        model.set_attn_implementation("eager")


class MovingAverage:
    """Exponential moving average of a module's floating-point state, warmed up so that early steps count less."""

    def __init__(self, module: nn.Module, decay: float):
        self.decay = decay
        self.state = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1 - decay)
            else:
                self.state[name].copy_(value)


def optimizers(model: nn.Module, schedule: Schedule) -> list[torch.optim.Optimizer]:
    """Muon over the matrices of transformer layers, AdamW over everything else, without decay on vectors."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    by_muon = {name for name, p in named if schedule.muon and p.ndim == 2 and "layers." in name}
    hidden = [p for name, p in named if name in by_muon]
    others = [p for name, p in named if name not in by_muon]
    groups = [
        {"params": [p for p in others if p.ndim >= 2], "weight_decay": schedule.weight_decay},
        {"params": [p for p in others if p.ndim < 2], "weight_decay": 0.0},
    ]
    found: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, lr=schedule.lr, betas=schedule.betas)]
    if hidden:
        found.append(Muon(hidden, lr=schedule.lr, weight_decay=schedule.weight_decay))
    return found


class _Training:
    """A model being trained: its optimizers and average, its checkpoint and its log in ``work``."""

    def __init__(self, model: nn.Module, schedule: Schedule, work: Path, made_from: Mapping[str, str] | None):
        self.model, self.schedule, self.work = model, schedule, work
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self.steppers = optimizers(model, schedule)
        self.average = MovingAverage(model, schedule.average) if schedule.average else None
        self.step, self.spent, self.begun = 0, 0.0, time.monotonic()
        self._of = json.dumps([asdict(schedule), dict(made_from or {})])
        self._file = work / "checkpoint.pt"

    @property
    def seconds(self) -> float:
        """Spent on it in all, those before it was resumed too."""
        return self.spent + time.monotonic() - self.begun

    def resume(self) -> None:
        """Go on from the checkpoint, where there is one. Raises RuntimeError for another recipe's, UserError for a
        damaged one."""
        if not self._file.exists():
            return
        try:
            saved = torch.load(self._file, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, OSError, UnpicklingError) as error:
            raise UserError(f"{self._file} is damaged: delete it to start this training over.") from error
        if saved["of"] != self._of:
            raise RuntimeError(
                f"{self._file} belongs to another recipe or other weights; delete {self.work} to start over"
            )
        self.model.load_state_dict(saved["model"])
        for stepper, state in zip(self.steppers, saved["optimizers"]):
            stepper.load_state_dict(state)
        if self.average:
            kept = self.average.state
            self.average.state = {name: value.to(kept[name].device) for name, value in saved["average"].items()}
        self.step, self.spent = saved["step"], saved["seconds"]
        print(
            f"resuming at step {self.step} of {self.schedule.steps} ({self.spent / 60:.1f} minutes spent)", flush=True
        )

    def save(self) -> None:
        if not parallel.first():
            return
        state = {
            "model": self.model.state_dict(), "optimizers": [stepper.state_dict() for stepper in self.steppers],
            "step": self.step, "average": self.average.state if self.average else {}, "of": self._of,
            "seconds": self.seconds,
        }  # fmt: skip
        with whole_file(self._file) as file:
            torch.save(state, file)

    def log(self, entry: dict[str, Any]) -> None:
        if not parallel.first():
            return
        with (self.work / "log.jsonl").open("a") as out:
            out.write(json.dumps(entry) + "\n")
        print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in entry.items()), flush=True)

    def advance(self, losses: Losses) -> dict[str, float]:
        """One step; its named scalars as means over all processes."""
        for group in (group for stepper in self.steppers for group in stepper.param_groups):
            group["lr"] = self.schedule.rate(self.step)
        device = self.trained[0].device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.schedule.half and half_pays(device)):
            values = losses(self.model, self.step)
        if not torch.isfinite(values["loss"]):
            raise RuntimeError(f"the loss is {values['loss'].item()} at step {self.step}; lower the learning rate")
        self.model.zero_grad(set_to_none=True)
        values["loss"].backward()
        parallel.average_gradients(self.trained)
        nn.utils.clip_grad_norm_(self.trained, self.schedule.clip)
        for stepper in self.steppers:
            stepper.step()
        if self.average:
            self.average.update(self.model, self.step)
        self.step += 1
        return parallel.averaged(values)


def fit(
    model: nn.Module,
    losses: Losses,
    schedule: Schedule,
    work: Path,
    checkpoint_minutes: float = 3.0,
    every: int = 50,
    probe: Callable[[nn.Module, int], dict[str, Any]] | None = None,
    probe_every: int = 0,
    stop_after_minutes: float | None = None,
    made_from: Mapping[str, str] | None = None,
) -> nn.Module:
    """Train ``model`` in place; resume from ``work/checkpoint.pt`` if it is there; return it with its kept weights.

    ``losses(model, step)`` makes the step's batch and returns named scalars; ``loss`` is minimised, all are logged to
    ``work/log.jsonl``. ``probe(model, step)`` is called on the averaged weights every ``probe_every`` steps.
    ``made_from`` has the hashes of the weights that the batches come from. Raises RuntimeError for a checkpoint of
    another schedule or made from other weights, and where the loss is no longer finite, before that can be saved.
    Under ``accelerate launch`` each process makes its share of a batch (``parallel.share``).
    """
    work.mkdir(parents=True, exist_ok=True)
    training = _Training(model, schedule, work, made_from)
    training.resume()
    begun = saved_at = training.begun = time.monotonic()
    sums: dict[str, float] = {}
    model.train()
    while training.step < schedule.steps:
        rate = schedule.rate(training.step)
        for name, value in training.advance(losses).items():
            sums[name] = sums.get(name, 0.0) + value / every
        done = training.step
        if done % every == 0:
            training.log({"step": done, **sums, "lr": rate, "minutes": round(training.seconds / 60, 2)})
            sums = {}
        if probe and probe_every and done % probe_every == 0:
            with _kept(model, training.average):
                model.eval()
                training.log({"step": done, **probe(model, done)})
                model.train()
        now = time.monotonic()
        if now - saved_at > checkpoint_minutes * 60 or done == schedule.steps:
            training.save()
            saved_at = now
        if stop_after_minutes and now - begun > stop_after_minutes * 60 and done < schedule.steps:
            training.save()
            raise SystemExit(f"stopped at step {done} of {schedule.steps}; run the same command again to go on")
    if training.average:
        model.load_state_dict(training.average.state)
    return model.eval()


class _kept:
    """The averaged weights in place of the current ones, for the length of a block."""

    def __init__(self, model: nn.Module, average: MovingAverage | None):
        self.model, self.average = model, average

    def __enter__(self) -> None:
        if self.average:
            self.current = {name: value.clone() for name, value in self.model.state_dict().items()}
            self.model.load_state_dict(self.average.state)

    def __exit__(self, *_) -> None:
        if self.average:
            self.model.load_state_dict(self.current)
