"""Direct preference optimisation on images (arXiv 2305.18290; for Show-o: arXiv 2501.13926 section 4.2).

The log-likelihood of an image is that of its masked tokens, given the others, for one random mask. Both images of a
pair get the same masks here, several of them: a single mask, another one for each side, as in the released code, makes
the difference between the two mostly a matter of how many tokens happened to be masked.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional as F

from ..generator.showo import Showo


def masked_logits(model: Showo, ids: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
    """Logits over the codes ``(masked tokens, codes)`` where the images at the end of ``ids`` are ``masked``."""
    hidden = model.hidden(ids, model.vocabulary.attention(ids))
    return model.code_logits(hidden[:, -masked.shape[1] - 1 : -1][masked])


def log_likelihood(
    model: Showo, ids: torch.Tensor, codes: torch.Tensor, masked: torch.Tensor, original: bool = False
) -> torch.Tensor:
    """Sum of log-probabilities ``(rows,)`` of ``codes (rows, tokens)`` where ``masked``, in the sequences ``ids``.

    ``ids (rows, length)`` end with the partly masked image. Probabilities are over the codes, as images are drawn.
    ``original`` is the released code's: over the whole vocabulary, with the marks at both ends of the image counted.
    """
    vocabulary, tokens = model.vocabulary, codes.shape[1]
    if not original:
        logits = masked_logits(model, ids, masked).float()
        each = -F.cross_entropy(logits, codes[masked], reduction="none")
        return torch.zeros(len(ids), device=ids.device).index_add(0, masked.nonzero()[:, 0], each)
    counted = F.pad(masked, (1, 1), value=True)
    wanted = F.pad(vocabulary.ids_of(codes), (1, 1))
    wanted[:, 0], wanted[:, -1] = vocabulary.soi, vocabulary.eoi
    hidden = model.hidden(ids, vocabulary.attention(ids))
    logits = model.showo.lm_head(hidden[:, -tokens - 2 :]).float()
    each = -F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none").view(wanted.shape)
    return (each * counted).sum(1)


class Preference(NamedTuple):
    """What a batch of pairs says; tensors ``(pairs,)``."""

    loss: torch.Tensor
    chosen_reward: torch.Tensor  # beta * (log-likelihood - that of the reference)
    rejected_reward: torch.Tensor


def dpo_loss(
    chosen: torch.Tensor,
    rejected: torch.Tensor,
    reference_chosen: torch.Tensor,
    reference_rejected: torch.Tensor,
    beta: float,
    margin: torch.Tensor | float = 0.0,
) -> Preference:
    """``-log sigmoid(rewards' difference - margin)`` of each pair, from log-likelihoods ``(pairs,)``.

    ``margin`` asks for a larger difference where a reward model sees one (arXiv 2402.10571).
    """
    chosen_reward = beta * (chosen - reference_chosen)
    rejected_reward = beta * (rejected - reference_rejected)
    return Preference(-F.logsigmoid(chosen_reward - rejected_reward - margin), chosen_reward, rejected_reward)
