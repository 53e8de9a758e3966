"""How the released code draws and reads answers: what ``verdicts="sampled"`` does, to compare both ways.

The original lets the judge write freely, at temperature 1 and with the checkpoint's top-k and top-p, so a verdict is
a random draw; it lower-cases the first token to decide, but takes the probability of the lower-case token, after
top-k and top-p have removed its rivals; and anything but "no" to clarity counts as clear.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from transformers import GenerationConfig, TopKLogitsWarper, TopPLogitsWarper

Answer = Literal["yes", "no", "neither"]

NEITHER = 50.0  # counted as P(no) where the answer to potential is neither yes nor no
UNCLEAR = 1.0  # counted as P(no) where the image is not clear


def probabilities(logits: torch.Tensor, config: GenerationConfig) -> torch.Tensor:
    """Logits ``(rows, vocabulary)`` -> what the original draws the next token from and reads probabilities in.

    ``config.top_k`` and ``top_p`` are the checkpoint's; where it sets none, transformers 4 kept 50 and 1.0.
    """
    top_k = 50 if config.top_k is None else config.top_k
    top_p = 1.0 if config.top_p is None else config.top_p
    if top_k > 0:
        logits = TopKLogitsWarper(top_k)(None, logits)
    if top_p < 1:
        logits = TopPLogitsWarper(top_p)(None, logits)
    return logits.softmax(dim=-1)


def draw(probabilities: torch.Tensor, generators: Sequence[torch.Generator]) -> torch.Tensor:
    """One token id for each row ``(rows, vocabulary)``, drawn with the row's own generator; ``(rows,)`` int64."""
    drawn = [
        torch.multinomial(row.to(generator.device), 1, generator=generator)
        for row, generator in zip(probabilities, generators)
    ]
    return torch.cat([token.to(probabilities.device) for token in drawn])


def is_clear(clarity: Answer) -> bool:
    """Whether the original goes on to ask for the potential."""
    return clarity != "no"


def parm(clarity: Answer | None, potential: Answer, p_no: float) -> tuple[bool, float, bool]:
    """(potential, counted P(no), clear) as the original returns them; ``clarity`` is None where it is not asked."""
    if clarity is not None and not is_clear(clarity):
        return False, UNCLEAR, False
    return potential == "yes", NEITHER if potential == "neither" else p_no, True


def orm(outcome: Answer, p_yes: float) -> tuple[bool, float]:
    """(right, counted P(yes)) as the original returns them."""
    return outcome == "yes", 0.0 if outcome == "neither" else p_yes
