"""Precisions that large models are loaded in, and which of them a card is to be used with.

What is computed is float32, bfloat16 or float16 throughout; "int8" and "nf4" keep the weights of the judge's language
layers in eight and in four bits, by bitsandbytes, and compute in the card's half precision. Nothing heavy is imported
here, bitsandbytes only where it is asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..errors import UserError

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import BitsAndBytesConfig

AUTO = "auto"
LIBRARY = "bitsandbytes"
INSTALL = "pip install -r requirements-gpu.txt"
PACKED = 32, 64  # rows and columns of a layer's block where bitsandbytes packs four bits for a processor
BFLOAT16_SINCE = (8, 0)  # NVIDIA's compute capability; cards before it, such as the T4, emulate it


@dataclass(frozen=True)
class Precision:
    """``layers`` and ``rest`` are bytes a weight, of the judge's language layers and of all others; ``since`` is the
    compute capability that NVIDIA's card must have. ``dtype`` is torch's name of what is computed, "" the card's own.
    """

    name: str
    about: str
    layers: float
    rest: float
    dtype: str = ""
    since: tuple[int, int] = (0, 0)

    @property
    def quantised(self) -> bool:
        return not self.dtype


# nf4: four bits, and 0.127 of constants that are quantised themselves (arXiv 2305.14314)
PRECISIONS = {
    row.name: row
    for row in (
        Precision("fp32", "float32: exact, for processors", 4, 4, "float32"),
        Precision("bf16", "bfloat16: for cards since 2020", 2, 2, "bfloat16"),
        Precision("fp16", "float16: for older cards", 2, 2, "float16"),
        Precision("int8", "the judge's language layers in 8 bits, the rest in half precision", 1, 2, since=(7, 5)),
        Precision(
            "nf4", "the judge's language layers in 4 bits, the rest in half precision", 4.127 / 8, 2, since=(6, 0)
        ),
    )
}
CHOICES = (AUTO, *PRECISIONS)


@dataclass(frozen=True)
class Card:
    """What a choice depends on: torch's name of the device, its free bytes, and NVIDIA's compute capability.

    ``free`` is None where it is not known, ``capability`` for cards of others; ``can_quantise`` is whether
    bitsandbytes is there to do it with.
    """

    device: str
    free: float | None = None
    capability: tuple[int, int] | None = None
    can_quantise: bool = field(default_factory=lambda: installed())

    @property
    def half(self) -> Precision:
        old = self.capability is not None and self.capability < BFLOAT16_SINCE
        return PRECISIONS["fp16" if old else "bf16"]

    def refusal(self, precision: Precision) -> str:
        """Why it cannot be used here, in words; "" where it can."""
        if self.capability is not None and self.capability < precision.since:
            need, have = (".".join(map(str, number)) for number in (precision.since, self.capability))
            return f"{precision.name} wants a card of compute capability {need}, and this one has {have}"
        if precision.quantised and not self.can_quantise:
            return f"{precision.name} wants {LIBRARY}, which is not installed: {INSTALL}"
        return ""


@dataclass(frozen=True)
class Plan:
    """How models are loaded on a card: in which precision, torch's name of what is computed, whether weights are kept
    in the processor's memory and brought group by group, how many bytes that takes, and why it was picked."""

    precision: Precision
    dtype: str
    offload: bool
    needed: float
    why: str

    @property
    def words(self) -> str:
        more = ", weights brought to it group by group" if self.offload else ""
        kind = f"{self.precision.name}, {self.dtype}" if self.precision.quantised else self.dtype
        return f"{kind}{more}"


Need = Callable[[Precision, bool], float]  # bytes of memory, for a precision and whether groups are offloaded


def plan(asked: str, card: Card, need: Need) -> Plan:
    """The first way to load what fits the card: the most exact one, unless another was ``asked`` for.

    Where none fits, the smallest that can be had: whoever loads it refuses it in words. Raises UserError where what was
    asked for is unknown or cannot be used here.
    """
    if asked not in CHOICES:
        raise UserError(f"There is no precision {ascii(asked)[:40]}; there are {', '.join(CHOICES)}.")
    if card.device == "cpu" and asked == AUTO:
        return _planned(card, PRECISIONS["fp32"], False, need, "a processor computes it fastest")
    if asked != AUTO and (refused := card.refusal(PRECISIONS[asked])):
        raise UserError(f"{refused}. Or --precision {AUTO}.")
    ways, left_out = _ways(asked, card)
    for precision, offload in ways:
        if card.free is None or need(precision, offload) <= card.free:
            return _planned(card, precision, offload, need, _why(asked, card, precision, offload, ways, need))
    least = _planned(card, *ways[-1], need, "nothing smaller can be had")
    return Plan(**{**vars(least), "why": "; ".join([least.why, *left_out])})


def _ways(asked: str, card: Card) -> tuple[Sequence[tuple[Precision, bool]], Sequence[str]]:
    """What may be picked, the most exact first, and why others may not."""
    if asked != AUTO:
        one = PRECISIONS[asked]
        return [(one, False)] + [(one, True)] * one.quantised, []
    some = [(card.half, False), (PRECISIONS["int8"], False), (PRECISIONS["nf4"], False), (PRECISIONS["nf4"], True)]
    refused = dict.fromkeys(words for one, _ in some if (words := card.refusal(one)))
    return [way for way in some if not card.refusal(way[0])], list(refused)


def _planned(card: Card, precision: Precision, offload: bool, need: Need, why: str) -> Plan:
    return Plan(precision, precision.dtype or card.half.dtype, offload, need(precision, offload), why)


def _why(asked: str, card: Card, precision: Precision, offload: bool, ways: Sequence, need: Need) -> str:
    if card.free is None:
        return "asked for" if asked != AUTO else "how much memory is free is not known"
    before = ways[: ways.index((precision, offload))]
    if before:
        name = f"{before[-1][0].name} would take {need(*before[-1]) / 1e9:.1f} GB"
        return f"{name}, and {card.free / 1e9:.1f} GB are free"
    if asked != AUTO:
        return "asked for"
    old = precision.name == "fp16"
    return "it fits" + (", and this card does not compute bfloat16" if old else "")


def installed() -> bool:
    """Whether weights can be quantised here."""
    return find_spec(LIBRARY) is not None


def quantisation(name: str, dtype: str, skipped: Sequence[str]) -> BitsAndBytesConfig:
    """What transformers quantises by as it loads; the modules ``skipped`` stay as they are.

    Raises UserError where the library is missing.
    """
    if not installed():
        raise UserError(f"{Card('').refusal(PRECISIONS[name])}. Or --precision {AUTO}.")
    from transformers import BitsAndBytesConfig

    if name == "int8":  # it says for every layer that its input is cast to float16, which is how it is
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=list(skipped))
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=list(skipped),
    )  # fmt: skip


def packable(model: Module) -> None:
    """Keep bitsandbytes from packing four-bit layers that do not fill its blocks, on processors with AVX-512 for
    bfloat16: it packs any, and ends there. They are computed as on any other processor.
    """
    for layer in model.modules():
        if getattr(layer, "support_avx512bf16_for_cpu", False):
            fills = all(size % block == 0 for size, block in zip((layer.out_features, layer.in_features), PACKED))
            layer.support_avx512bf16_for_cpu = fills
