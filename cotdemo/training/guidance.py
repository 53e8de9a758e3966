"""Guidance by a reward model, with a gradient: how right a judge would call what the generator makes of a picture.

The paper adds a reward model's -log P(yes) about a rollout to the preference loss (arXiv 2501.13926 section 4.2). In
the released code the rollout is sampled without gradients, so the term changes nothing. Here a picture's masked tokens
are drawn in one step, as at each step of a painting, and the gradient goes straight through the draw (arXiv 1308.3432):
as if the drawn code's latents were the mean of all codes' latents under the generator's probabilities. Decoder and
judge pass it on as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from ..generator.magvit import MagvitV2
from ..judge.judge import Judge
from ..judge.network import embed, see


def completed(
    magvit: MagvitV2, codes: torch.Tensor, masked: torch.Tensor, logits: torch.Tensor, rng: torch.Generator
) -> torch.Tensor:
    """Pixels ``(rows, 3, H, W)`` of ``codes (rows, tokens)`` with those that are ``masked`` drawn from ``logits``.

    ``logits (masked tokens, codes)`` get a gradient. The grid is square.
    """
    corners = magvit.quantize.embedding  # (codes, bits)
    probabilities = logits.float().softmax(-1)
    drawn = torch.multinomial(probabilities.detach().cpu(), 1, generator=rng)[:, 0].to(codes.device)
    mean = probabilities @ corners
    latents = corners[codes].masked_scatter(masked[..., None], corners[drawn] + mean - mean.detach())
    side = int(codes.shape[1] ** 0.5)
    return magvit.decoder(latents.transpose(1, 2).unflatten(2, (side, side)))


def log_p_yes(judge: Judge, pixels: torch.Tensor, prompts: Sequence[str]) -> torch.Tensor:
    """The judge's log P(yes) ``(rows,)`` to "outcome" about square pictures ``(rows, 3, H, W)`` in [-1, 1].

    With a gradient for the pictures, which a ``Look`` does not give.
    """
    conversation, model = judge.conversation, judge.model
    if pixels.shape[-1] != judge.picture_size:
        pixels = F.interpolate(pixels, (judge.picture_size, judge.picture_size), mode="bicubic", antialias=True)
    ids = [conversation.ids("outcome", prompt) for prompt in prompts]
    longest = max(map(len, ids))
    # what comes after the question is not seen from it, so anything may fill the rows up
    filled = torch.tensor([[*one, *[conversation.end] * (longest - len(one))] for one in ids], device=pixels.device)
    embeddings = embed(model, filled, see(model, pixels.to(model.model.image_newline)), conversation.head)
    hidden = model.model.language_model(inputs_embeds=embeddings, use_cache=False).last_hidden_state
    asked = hidden[torch.arange(len(ids)), [len(one) - 1 for one in ids]]
    return model.lm_head(asked).float().log_softmax(-1)[:, conversation.yes]
