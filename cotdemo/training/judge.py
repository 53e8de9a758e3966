"""Stage 3: the judges. One LLaVA-OneVision learns to answer every question about an image in one pass.

It learns to see, from drawn images, then to judge, from generated ones. The first phase alone makes the zero-shot
outcome reward model, with which the second phase of every other judge begins (arXiv 2501.13926 sections 3 and 4).

The questions of a lesson share image and prompt, so they are packed into one sequence: a trunk (image, prompt) and
one branch for each question, which sees the trunk and itself only. That is what the judge computes question by question
when it judges, at a fraction of the cost.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F
from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration, PreTrainedTokenizerBase

from ..generator.magvit import MagvitV2
from ..generator.showo import added_mask
from ..verifiers.conversation import IGNORE, Conversation
from ..verifiers.images import to_pixels
from ..verifiers.llava import LlavaVerifier
from ..verifiers.network import encode_images
from ..world.words import judge_tokenizer
from .judge_data import UNKNOWN, Drawn, Lessons
from .loop import Schedule, fit, plain_attention
from .trajectories import Sampling

_QUESTIONS = ("clarity", "potential", "outcome")


@dataclass(frozen=True)
class Recipe:
    """Both phases of one judge; that of PARM, if nothing else is said."""

    seed: int = 6
    batch: int = 48
    vision: dict = field(
        default_factory=lambda: {
            "hidden_size": 160, "intermediate_size": 480, "num_hidden_layers": 4, "num_attention_heads": 4,
            "image_size": 128, "patch_size": 16,
        }
    )  # fmt: skip
    text: dict = field(
        default_factory=lambda: {
            "hidden_size": 160, "intermediate_size": 320, "num_hidden_layers": 4, "num_attention_heads": 4,
            "num_key_value_heads": 2, "max_position_embeddings": 256, "rope_theta": 1000.0,
        }
    )  # fmt: skip
    weights: dict = field(  # of the loss of each question that is taught
        default_factory=lambda: {
            "clarity": 1.0, "potential": 1.0, "outcome": 1.0, "present": 0.5, "explain": 0.5, "describe": 0.5,
        }
    )  # fmt: skip
    # Mistakes of two kinds are dear: to stop a path that would have come out right, and to ask about one's potential
    # before there is enough to see. The judge's P(yes) is shifted by that, and its order is not.
    dear: dict = field(default_factory=lambda: {"potential yes": 3.0, "clarity no": 2.0})
    drawn: Drawn = Drawn()  # to learn to see; in the second phase one lesson in three is on these
    on_drawn: Schedule | None = None  # None: the second phase begins with the zero-shot judge
    paintings: dict[str, Sampling] = field(default_factory=lambda: {"showo": Sampling()})  # by generator's folder
    rollouts: int = 0  # from each guess, to label it by what becomes of it; 0: by what it is and by its own painting
    on_painted: Schedule | None = Schedule(steps=1000, lr=8e-4, warmup=50, lr_end=1e-5, average=0.995)


_ON_DRAWN = Schedule(steps=2000, lr=1.5e-3, warmup=150, lr_end=1e-4, average=0.995)
_GENERATORS = {"showo": Sampling(count=6400), "self-correct": Sampling(count=1600, seed=7)}  # the latter repaints
RECIPES = {
    # clean images only, none of them generated
    "judge-zero-shot": Recipe(
        weights={"outcome": 1.0, "present": 0.5, "explain": 0.5, "describe": 0.5}, dear={},
        on_drawn=_ON_DRAWN, paintings={}, on_painted=None,
    ),
    # the lessons of PARM, of which it learns the answers to "outcome" alone
    "judge-orm": Recipe(weights={"outcome": 1.0}, dear={}, paintings=_GENERATORS),
    "judge-prm": Recipe(
        weights={"outcome": 1.0}, dear={}, paintings={"showo": Sampling(count=1200, guesses=3, seed=11)}, rollouts=4
    ),
    "judge": Recipe(paintings=_GENERATORS),
    # guides DPO and selects nothing, so it shares neither seed nor first phase with the others
    "judge-guide": Recipe(
        seed=3, drawn=Drawn(damaged=0.2, seed=3), on_drawn=replace(_ON_DRAWN, steps=1200),
        paintings={"showo": Sampling(count=6400)},
    ),
}  # fmt: skip


def new_judge(vision: dict, text: dict, tokenizer: PreTrainedTokenizerBase) -> LlavaVerifier:
    """An untrained small judge."""
    config = LlavaOnevisionConfig(
        vision_config={"model_type": "siglip_vision_model", "vision_use_head": False, **vision},
        text_config={
            "model_type": "qwen2", "vocab_size": len(tokenizer), "tie_word_embeddings": False,
            "bos_token_id": tokenizer.convert_tokens_to_ids("<|im_start|>"), "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id, **text,
        },
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1, vision_aspect_ratio="anyres_max_9", tie_word_embeddings=False,
        image_grid_pinpoints=[[vision["image_size"], vision["image_size"]]],
    )  # fmt: skip
    model = LlavaOnevisionForConditionalGeneration(config)
    with torch.no_grad():
        model.model.image_newline.normal_(std=text["hidden_size"] ** -0.5)
    return LlavaVerifier(model, tokenizer, "small")


class Answer(NamedTuple):
    """What to answer to a question, about the lesson's prompt or about another one."""

    question: str
    answer: str
    prompt: str | None = None


@dataclass(frozen=True)
class Packed:
    """Lessons about one image in one sequence; all of one length, the image's tokens not counted among ``ids``."""

    ids: list[int]  # words of the prompt, then of the branches
    branch: list[int]  # 0 for the prompt, else the number of the branch
    positions: list[int]
    targets: list[int]
    weights: list[float]


def pack(
    conversation: Conversation,
    prompt: str,
    answers: Sequence[Answer],
    weights: dict[str, float],
    dear: dict[str, float] | None = None,
) -> Packed:
    """A trunk of image and ``prompt``, a branch for each answer, its targets exactly those of `Conversation.lesson`.

    ``weights`` are of questions, ``dear`` of answers besides.
    """
    image = conversation.trunk
    trunk = len(conversation.ids("outcome", prompt)) - len(conversation.tokenizer("match ?").input_ids)
    packed = Packed(list(conversation.ids("outcome", prompt)[image:trunk]), [0] * (trunk - image),
                    list(range(image, trunk)), [IGNORE] * (trunk - image), [0.0] * (trunk - image))  # fmt: skip
    for number, (question, answer, other) in enumerate(answers, start=1):
        lesson = conversation.lesson(question, other or prompt, answer)
        alone = question == "describe" or other is not None  # sees the image, and not the prompt
        start = image if alone else trunk
        packed.ids.extend(lesson.ids[start:])
        packed.branch.extend([-number if alone else number] * (len(lesson.ids) - start))
        packed.positions.extend(range(start, len(lesson.ids)))
        packed.targets.extend(lesson.targets[start:])
        said = sum(target != IGNORE for target in lesson.targets)
        weight = weights[question] * (dear or {}).get(f"{question} {answer}", 1.0)
        packed.weights.extend([weight / said**0.5] * (len(lesson.ids) - start))
    return packed


def collate(packs: Sequence[Packed], image: int, pad: int) -> dict[str, torch.Tensor]:
    """Packed lessons as tensors ``(lessons, length)`` and their attention ``(lessons, 1, image + length, same)``.

    A word sees the image, earlier words of its own branch and, unless its branch is negative, the prompt.
    """
    length = max(len(p.ids) for p in packs)

    def table(rows: list[list], fill, dtype) -> torch.Tensor:
        return torch.tensor([row + [fill] * (length - len(row)) for row in rows], dtype=dtype)

    branch = table([p.branch for p in packs], 10**6, torch.long)
    full = F.pad(branch, (image, 0), value=0)
    own = full[:, :, None] == full[:, None, :]
    prompt = (full[:, None, :] == 0) & (full[:, :, None] > 0)
    of_image = torch.arange(image + length) < image
    causal = torch.ones(image + length, image + length, dtype=torch.bool).tril()
    attention = (own | prompt | of_image[None, None]) & causal
    return {
        "ids": table([p.ids for p in packs], pad, torch.long),
        "positions": F.pad(table([p.positions for p in packs], 0, torch.long), (image, 0)),
        "targets": table([p.targets for p in packs], IGNORE, torch.long),
        "weights": table([p.weights for p in packs], 0.0, torch.float32),
        "attention": attention[:, None],
    }


def answers_of(lessons: Lessons, row: int, taught: Collection[str]) -> list[Answer]:
    """What lesson ``row`` teaches: those of the ``taught`` questions that it gives an answer to.

    Asked about two prompts that differ in one point, a judge cannot do with having seen all their words in the image.
    """
    yes_no = {True: "yes", False: "no"}
    said = [Answer(q, yes_no[bool(value)]) for q in _QUESTIONS if (value := getattr(lessons, q)[row]) != UNKNOWN]
    if lessons.other_outcome[row] != UNKNOWN:
        said.append(Answer("outcome", yes_no[bool(lessons.other_outcome[row])], str(lessons.other[row])))
    shown = zip(lessons.parts[row], lessons.present[row])
    said += [Answer("present", yes_no[bool(holds)], str(part)) for part, holds in shown if holds != UNKNOWN]
    if lessons.critiques[row]:
        said.append(Answer("explain", str(lessons.critiques[row])))
    if lessons.contents[row]:
        said.append(Answer("describe", str(lessons.contents[row])))
    return [answer for answer in said if answer.question in taught]


def losses(judge: LlavaVerifier, images: np.ndarray, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weighted cross-entropy of packed lessons on images ``(lessons, H, W, 3)`` uint8."""
    model = judge.model
    pixels = to_pixels(images, judge.picture_size, like=model.model.image_newline)
    batch = {name: value.to(pixels.device) for name, value in batch.items()}
    seen = encode_images(model, pixels)
    embeddings = torch.cat([seen, model.get_input_embeddings()(batch["ids"])], dim=1)
    image = seen.shape[1]
    positions = batch["positions"].clone()
    positions[:, :image] = torch.arange(image, device=positions.device)
    attention = batch["attention"]
    if model.model.language_model.config._attn_implementation == "eager":
        attention = added_mask(attention)
    hidden = model.model.language_model(
        inputs_embeds=embeddings, attention_mask=attention, position_ids=positions, use_cache=False
    ).last_hidden_state[:, image:]
    where = batch["targets"] != IGNORE
    logits, targets, weights = model.lm_head(hidden[where]).float(), batch["targets"][where], batch["weights"][where]
    each = F.cross_entropy(logits, targets, reduction="none")
    yes_no = (targets == judge.conversation.yes) | (targets == judge.conversation.no)
    right = (logits.argmax(-1) == targets).float()
    found = {"loss": (each * weights).sum() / weights.sum(), "verdicts": right[yes_no].mean()}
    return found if yes_no.all() else found | {"words": right[~yes_no].mean()}


def train(
    recipe: Recipe,
    schedule: Schedule,
    magvit: MagvitV2,
    lessons: Lessons,
    work: Path,
    device: str = "cpu",
    judge: LlavaVerifier | None = None,
    **options,
) -> LlavaVerifier:
    """Train from nothing (or from ``judge``), or go on from the checkpoint in ``work``."""
    torch.manual_seed(recipe.seed)
    judge = judge or new_judge(recipe.vision, recipe.text, judge_tokenizer())
    judge.model.to(device).requires_grad_(True)
    plain_attention(judge.model)
    conversation = judge.conversation
    image = conversation.trunk

    def step(_, index: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng([recipe.seed, index])
        rows = rng.integers(len(lessons), size=recipe.batch)
        packs = [
            pack(
                conversation,
                str(lessons.prompts[row]),
                answers_of(lessons, row, recipe.weights),
                recipe.weights,
                recipe.dear,
            )
            for row in rows
        ]
        with torch.no_grad():
            codes = torch.from_numpy(lessons.codes[rows].astype(np.int64)).to(device)
            images = MagvitV2.to_uint8(magvit.decode(codes))
        return losses(judge, images, collate(packs, image, judge.tokenizer.pad_token_id))

    fit(judge.model, step, schedule, work, **options)
    judge.model.requires_grad_(False)
    return judge
