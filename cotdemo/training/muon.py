"""Muon (Jordan et al. 2024), orthogonalising in bfloat16 where that is computed and in float32 elsewhere. torch's own
always works in bfloat16, which processors without it can only emulate: there, one step for five million parameters
takes ten seconds instead of a third of one."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from ..compute.hardware import half_pays

_QUINTIC = (3.4445, -4.7750, 2.0315)  # coefficients of the published iteration
_ITERATIONS = 5


def orthogonalised(matrices: torch.Tensor) -> torch.Tensor:
    """Matrices ``(n, rows, columns)`` with all singular values drawn near one, by Newton-Schulz iterations."""
    a, b, c = _QUINTIC
    wide = matrices.size(1) <= matrices.size(2)
    x = matrices if wide else matrices.mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.mT


class Muon(torch.optim.Optimizer):
    """Momentum whose every step is orthogonalised; as far a step as AdamW's of the same rate, as torch's
    ``adjust_lr_fn="match_rms_adamw"``. For matrices only."""

    def __init__(
        self, parameters: Iterable[torch.nn.Parameter], lr: float, weight_decay: float = 0.0, momentum: float = 0.95
    ):
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            alike: dict[torch.Size, list[torch.nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike.setdefault(parameter.shape, []).append(parameter)
            for shape, parameters in alike.items():
                momenta = torch.stack([self._momentum(p, group["momentum"]) for p in parameters])
                steps = orthogonalised(momenta.to(torch.bfloat16 if half_pays(momenta.device) else torch.float32))
                far = group["lr"] * 0.2 * max(shape) ** 0.5
                for parameter, step in zip(parameters, steps):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(step.to(parameter.dtype), alpha=-far)

    def _momentum(self, parameter: torch.nn.Parameter, decay: float) -> torch.Tensor:
        """Nesterov's."""
        state = self.state[parameter]
        average = state.setdefault("momentum", torch.zeros_like(parameter))
        average.lerp_(parameter.grad, 1 - decay)
        return parameter.grad.lerp(average, decay)
