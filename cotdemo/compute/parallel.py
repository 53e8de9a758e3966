"""Several processes at once, under ``accelerate launch``; without it there is one, and nothing to do.

In training every process draws the same batch, computes the losses of its own share, and averages its gradients with
the others': the same step as one process would make. In an evaluation each paints its own share of the prompts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, reduce

Value = TypeVar("Value")

PATIENCE = timedelta(days=7)  # for who has more to do, or whose machine is slower


def team() -> PartialState:
    """Which of how many processes this is.

    Who asks first must ask for the processor where there is no GPU, or each process takes itself to be alone: so this
    comes before any of accelerate's own functions.
    """
    return PartialState(cpu=not torch.accelerator.is_available(), timeout=PATIENCE)


def share(count: int) -> slice:
    """Which of ``count`` rows are this process's own. Raises ValueError where they cannot be shared out equally."""
    processes = team().num_processes
    if count % processes:
        raise ValueError(f"a batch of {count} cannot be shared out equally to {processes} processes")
    each = count // processes
    return slice(team().process_index * each, (team().process_index + 1) * each)


def own(items: Sequence[Value]) -> list[Value]:
    """Every n-th of all items, beginning with another one in each of n processes: no two have the same."""
    return list(items[team().process_index :: team().num_processes])


def first() -> bool:
    """Whether this is the process that writes logs and checkpoints."""
    return team().is_main_process


def device() -> str:
    """This process's accelerator where there is one, else the CPU."""
    return str(team().device) if torch.accelerator.is_available() else "cpu"


def meet() -> None:
    """Wait until all processes have come here."""
    team().wait_for_everyone()


def leave() -> None:
    """Part from the others, all at once: a process that goes first may take those still connected to it down."""
    if team().num_processes > 1:
        meet()
        team().destroy_process_group()


def agreed(value: Value) -> Value:
    """What the first process says, in all of them."""
    team()
    return broadcast_object_list([value])[0]


def average_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Make every gradient the mean over all processes, in place."""
    if team().num_processes > 1:
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = reduce(torch.cat([gradient.flatten() for gradient in gradients]), "mean")
        for gradient, mean in zip(gradients, flat.split([gradient.numel() for gradient in gradients])):
            gradient.copy_(mean.view_as(gradient))


def averaged(values: Mapping[str, torch.Tensor]) -> dict[str, float]:
    """Named scalars as means over all processes."""
    team()
    stacked = torch.stack([value.detach().float() for value in values.values()])
    return dict(zip(values, reduce(stacked, "mean").tolist()))
