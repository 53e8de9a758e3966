"""Stage 2: the generator. Learns to fill in masked tokens of ``pretrain`` images, as Show-o does.

The masking ratio is cos(pi t / 2) with t uniform, and the loss is on masked tokens only. Some sequences have no text,
which trains the unconditional branch of guidance; their images show every thing in every colour, also what no prompt of
``pretrain`` names together. Most of these have a prompt that hides the kind or the colour of what that prompt may not
name: so the generator learns what each word looks like, and has to put together what it never saw named together.
Some captions err, as those of the web do (``Task.caption``), which makes relations and numbers as hard for it as they
are for Show-o. And in some sequences no word sees another: what a word means must not depend on its neighbours, where
they were never neighbours before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from ..compute import parallel
from ..files import whole_file
from ..generator.magvit import MagvitV2
from ..generator.pipeline import ShowoPipeline
from ..generator.sequence import MARKS, Vocabulary
from ..generator.showo import Showo
from .images import to_pixels
from .loop import Schedule, fit, plain_attention
from .task import Task

_TOGETHER = 250  # images tokenized in one batch


@dataclass(frozen=True)
class Part:
    """A part of the training: its schedule, and what captions get wrong in it (``Task.caption``)."""

    schedule: Schedule
    wrong: Mapping[str, float]


def _falling(steps: int, lr: float, warmup: int) -> Schedule:
    return Schedule(steps=steps, lr=lr, warmup=warmup, lr_end=2e-5, average=0.997)


# As many captions err as leaves relations and numbers about as hard as they are for Show-o. With half of the relations
# wrong from the first step on none is learnt in it.
PARTS = (
    Part(_falling(3600, 2e-3, 150), {"relation": 0.5, "number": 0.2}),
    Part(_falling(1600, 1.2e-3, 100), {"relation": 0.25, "number": 0.1}),
)


@dataclass(frozen=True)
class Recipe:
    seed: int = 2
    pool: int = 80_000  # images tokenized once; every step draws from them
    hinted: int = 40_000  # images of anything beside these
    batch: int = 64
    phi: dict = field(
        default_factory=lambda: {
            "hidden_size": 256, "intermediate_size": 352, "num_hidden_layers": 6, "num_attention_heads": 4,
            "max_position_embeddings": 512, "rope_theta": 100.0, "partial_rotary_factor": 1.0,
            "attention_dropout": 0.0, "resid_pdrop": 0.0, "embd_pdrop": 0.0,
        }
    )  # fmt: skip
    # Without hints colours that were never named with a kind come out right and the kind does not.
    hints: float = 0.50  # share of a batch, of images of anything, with prompts that have words hidden
    without_text: float = 0.05  # share of a batch, of these images too
    words_apart: float = 0.35  # share of sequences in which no word sees another
    parts: tuple[Part, ...] = PARTS


def new_generator(phi: dict, tokenizer: PreTrainedTokenizerBase, codebook: int, tokens: int) -> Showo:
    """An untrained Show-o around a text tokenizer and a codebook."""
    words = len(tokenizer)
    return Showo(
        vocab_size=words + len(MARKS) + codebook + 1, llm_vocab_size=words, llm_model_path="", codebook_size=codebook,
        num_vq_tokens=tokens, mask_token_id=words + len(MARKS) + codebook, phi=phi,
        eos_token_id=tokenizer.eos_token_id, max_text_length=32,
    )  # fmt: skip


@torch.no_grad()
def token_pool(
    task: Task, magvit: MagvitV2, split: str, count: int, seed: int, file: Path, hinted: int = 0
) -> tuple[list[str], torch.Tensor]:
    """``count`` random images of a split and then ``hinted`` of anything: their prompts, and their codes
    ``(count + hinted, tokens)``; made once and kept in ``file``."""
    if not file.exists() and parallel.first():
        prompts, codes = [], []
        device = next(magvit.parameters()).device

        def add(images: np.ndarray) -> None:
            codes.append(magvit.encode(to_pixels(images, device)).cpu().numpy().astype(np.uint16))

        for chunk in range(math.ceil(count / _TOGETHER)):
            size = min(_TOGETHER, count - chunk * _TOGETHER)
            entries, images = task.examples(split, size, np.random.default_rng([seed, chunk]))
            prompts += [entry["prompt"] for entry in entries]
            add(images)
        for chunk in range(math.ceil(hinted / _TOGETHER)):
            size = min(_TOGETHER, hinted - chunk * _TOGETHER)
            hints, images = task.hinted(size, np.random.default_rng([seed, 1, chunk]))
            prompts += hints
            add(images)
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file) as stream:
            np.savez(stream, prompts=np.asarray(prompts), codes=np.concatenate(codes))
    parallel.meet()
    with np.load(file) as saved:
        return saved["prompts"].tolist(), torch.from_numpy(saved["codes"].astype(np.int64))


def mask_codes(codes: torch.Tensor, rng: torch.Generator, among: torch.Tensor | None = None) -> torch.Tensor:
    """Where to mask, bool ``(B, tokens)``: a random share cos(pi t / 2) of each image, at least one token.

    Of the tokens ``among``, bool ``(B, tokens)``, some of each image, if not of all.
    """
    among = torch.ones(codes.shape, dtype=torch.bool) if among is None else among
    share = torch.cos(math.pi / 2 * torch.rand(len(codes), 1, generator=rng))
    masked = (share * among.sum(1, keepdim=True)).round().clamp(min=1)
    order = torch.rand(codes.shape, generator=rng).masked_fill(~among, 2.0)
    return order.argsort(1).argsort(1) < masked


def words_apart(ids: torch.Tensor, vocabulary: Vocabulary, rows: torch.Tensor) -> torch.Tensor:
    """Omni-attention of ``ids (B, length)``, save that in some ``rows``, bool ``(B,)``, no word sees another."""
    words = ids < vocabulary.text
    between = words[:, :, None] & (words & (ids != vocabulary.eos))[:, None, :]
    between &= ~torch.eye(ids.shape[1], dtype=torch.bool, device=ids.device)
    return vocabulary.attention(ids) & ~(between & rows[:, None, None])


def masked_loss(
    model: Showo,
    prefixes: list[list[int]],
    codes: torch.Tensor,
    masked: torch.Tensor,
    apart: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """Cross-entropy over the codes at masked positions: its mean, and beside it the mean of rows mostly visible.

    ``apart``, bool ``(B,)``, are rows in which no word sees another.
    """
    vocabulary = model.vocabulary
    device = next(model.parameters()).device
    codes, masked = codes.to(device), masked.to(device)
    ids = vocabulary.sequences(prefixes, codes.masked_fill(masked, -1))
    allowed = vocabulary.attention(ids) if apart is None else words_apart(ids, vocabulary, apart.to(device))
    hidden = model.hidden(ids, allowed)[:, -codes.shape[1] - 1 : -1]
    each = F.cross_entropy(model.code_logits(hidden[masked]).float(), codes[masked], reduction="none")
    visible = (masked.float().mean(1) < 0.4)[:, None].expand_as(masked)[masked]
    return {"loss": each.mean(), "visible": each.detach()[visible].mean() if visible.any() else each.detach().mean()}


@torch.no_grad()
def evaluate(
    model: Showo, task: Task, magvit: MagvitV2, each: int = 10, seed: int = 5, **rules: Any
) -> dict[str, float]:
    """How often an image of the first ``each`` dev prompts of a kind is right: the mean over kinds by GenEval's rules
    and strictly, then every kind by GenEval's rules. ``rules`` are the pipeline's."""
    rules = {"steps": 18, "guidance": 1.0, "temperature": 4.0, "annealing": "linear"} | rules
    pipeline = ShowoPipeline(task.tokenizer(), model, magvit, **rules)
    right: dict[str, list[tuple[bool, bool]]] = {}
    for number, entry in enumerate(task.prompts("dev")):
        rows = right.setdefault(entry["tag"], [])
        if len(rows) < each:
            session = pipeline.start(entry["prompt"], [0], seed=seed + number)
            while not session.done:
                step = session.step()
            verdict = task.check(entry["prompt"], session.decode(step.codes)[0])
            rows.append((verdict.correct, verdict.strict))
    shares = {kind: np.mean(rows, axis=0).tolist() for kind, rows in right.items()}
    geneval, strict = np.mean(list(shares.values()), axis=0).tolist()
    return {"geneval": geneval, "strict": strict} | {kind: share for kind, (share, _) in shares.items()}


def train(recipe: Recipe, task: Task, magvit: MagvitV2, work: Path, device: str = "cpu", **options) -> Showo:
    """Train from nothing, or go on from the checkpoint in ``work``; each of several processes draws its share."""
    torch.manual_seed(recipe.seed)
    tokenizer = task.tokenizer()
    prompts, codes = token_pool(task, magvit, "pretrain", recipe.pool, recipe.seed, work / "pool.npz", recipe.hinted)
    model = new_generator(recipe.phi, tokenizer, magvit.codebook_size, codes.shape[1]).to(device)
    plain_attention(model.showo)
    own, process = parallel.share(recipe.batch), parallel.team().process_index
    batch = own.stop - own.start

    silent = max(1, round(batch * recipe.without_text))
    anything = silent + round(batch * recipe.hints)

    def learn(texts: list[list[int]], begun: int, model: Showo, index: int) -> dict[str, torch.Tensor]:
        rng = torch.Generator().manual_seed(recipe.seed * 1_000_003 + (begun + index) * recipe.batch + process)
        of_split = torch.randint(recipe.pool, (batch - anything,), generator=rng)
        rows = torch.cat([of_split, torch.randint(recipe.pool, len(codes), (anything,), generator=rng)])
        said = [texts[row] for row in rows[: batch - silent]] + [()] * silent
        prefixes = [model.vocabulary.prefix(text) for text in said]
        masked = mask_codes(codes[rows], rng)
        apart = torch.rand(batch, generator=rng) < recipe.words_apart if recipe.words_apart else None
        return masked_loss(model, prefixes, codes[rows], masked, apart)

    options |= {"probe": lambda model, _: evaluate(model, task, magvit) if parallel.first() else {}, "probe_every": 600}
    begun = 0
    for number, part in enumerate(recipe.parts, start=1):
        erring = np.random.default_rng([recipe.seed, number])
        texts = tokenizer([task.caption(prompt, part.wrong, erring) for prompt in prompts]).input_ids
        model = fit(model, partial(learn, texts, begun), part.schedule, work / f"part-{number}", **options)
        begun += part.schedule.steps
    return model
