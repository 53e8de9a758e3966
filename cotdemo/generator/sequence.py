"""How words and image tokens are laid out in one sequence, and what each position may attend to.

Vocabulary (one id space)::

    0 .. text-1 | pad soi eoi sov eov t2i mmu t2v v2v lvg | codes | mask
    words         ten marks                                 image   a masked token

Text to image (Show-o, arXiv 2408.12528)::

    t2i bos prompt eos | soi image eoi

Correction after a critique (PARM++ of arXiv 2501.13926, which does not give a layout; this one is ours)::

    t2i bos prompt eos | soi previous-image eoi | bos critique eos | soi image eoi

The unconditional branch of guidance has ``t2i bos eos`` before the image, whatever the conditional one has. With
``keep_image`` it keeps the previous image and drops the words only: ``t2i bos eos | soi previous eoi | bos eos``.

Attention ("omni-attention"): text is causal; an image with its soi and eoi attends to itself in both directions and
to everything before it; nothing attends to padding, save padding itself. Sequences of a batch are padded on the left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from ..errors import UserError

MARKS = ("pad", "soi", "eoi", "sov", "eov", "t2i", "mmu", "t2v", "v2v", "lvg")


@dataclass(frozen=True)
class Vocabulary:
    """The id space of one Show-o. ``eos`` is a word of the text tokenizer and serves as ``bos`` too."""

    text: int
    codebook: int
    eos: int
    max_text: int  # positions of bos, words and eos together

    @classmethod
    def from_config(cls, config) -> Vocabulary:
        """Read from the config of a ``Showo``; ``ValueError`` where its numbers contradict one another."""
        vocabulary = cls(
            text=config.llm_vocab_size,
            codebook=config.codebook_size,
            eos=config.eos_token_id,
            max_text=config.max_text_length,
        )
        if config.vocab_size != vocabulary.size or config.mask_token_id != vocabulary.mask:
            raise ValueError(
                f"vocab_size {config.vocab_size} and mask_token_id {config.mask_token_id} do not fit "
                f"{vocabulary.text} words + {len(MARKS)} marks + {vocabulary.codebook} codes + 1 mask"
            )
        if not 0 <= vocabulary.eos < vocabulary.text:
            raise ValueError(f"eos_token_id {vocabulary.eos} is not one of the {vocabulary.text} words")
        return vocabulary

    def mark(self, name: str) -> int:
        return self.text + MARKS.index(name)

    @property
    def pad(self) -> int:
        return self.mark("pad")

    @property
    def soi(self) -> int:
        return self.mark("soi")

    @property
    def eoi(self) -> int:
        return self.mark("eoi")

    @property
    def t2i(self) -> int:
        return self.mark("t2i")

    @property
    def first_code(self) -> int:
        return self.text + len(MARKS)

    @property
    def mask(self) -> int:
        return self.first_code + self.codebook

    @property
    def size(self) -> int:
        return self.mask + 1

    def prefix(
        self,
        prompt: Sequence[int] = (),
        previous: Iterable[int] | None = None,
        critique: Sequence[int] = (),
    ) -> list[int]:
        """What stands before the image: ids of the prompt, and for a correction the previous image's codes and the
        ids of the critique. Without arguments this is the unconditional prefix; with ``previous`` alone, the
        unconditional prefix that keeps the image. Texts too long lose their end, never their eos.
        """
        ids = [self.t2i, *self._text(prompt)]
        if previous is not None:
            ids += [self.soi, *(self._code(code) for code in previous), self.eoi, *self._text(critique)]
        return ids

    def ids_of(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes of a canvas to ids, any shape; a negative code is a masked token."""
        return torch.where(codes < 0, self.mask, codes + self.first_code)

    def sequences(self, prefixes: Sequence[Sequence[int]], codes: torch.Tensor, padded_to: int = 0) -> torch.Tensor:
        """Whole sequences ``(rows, length)`` for a canvas of codes ``(rows, tokens)``, negative where masked.

        Prefixes are padded on the left to the longest, and to ``padded_to`` positions at least. The original pads
        them to ``max_text + 1``.
        """
        images = self.ids_of(codes)
        edge = images.new_ones(len(images), 1)
        before = self.padded(prefixes, padded_to).to(images.device)
        return torch.cat([before, self.soi * edge, images, self.eoi * edge], dim=1)

    def padded(self, prefixes: Sequence[Sequence[int]], length: int = 0) -> torch.Tensor:
        """Left-padded ids ``(rows, length of the longest)``."""
        length = max(length, *(len(ids) for ids in prefixes))
        return torch.tensor([[self.pad] * (length - len(ids)) + list(ids) for ids in prefixes])

    def attention(self, ids: torch.Tensor) -> torch.Tensor:
        """Omni-attention of ``ids (rows, length)``: bool ``(rows, length, length)``, True where query may see key."""
        opened = (ids == self.soi).cumsum(1)
        closed = (ids == self.eoi).cumsum(1) - (ids == self.eoi).long()  # an eoi still belongs to its image
        image = torch.where(opened > closed, opened, 0)
        same_image = (image[:, :, None] == image[:, None, :]) & (image[:, :, None] > 0)
        causal = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool, device=ids.device).tril()
        padding = ids == self.pad
        return (causal | same_image) & (padding[:, :, None] | ~padding[:, None, :])

    def _text(self, ids: Sequence[int]) -> list[int]:
        if any(not 0 <= word < self.text for word in ids):
            raise UserError("The prompt has a word that the generator's vocabulary does not know. Use other words.")
        return [self.eos, *ids[: self.max_text - 2], self.eos]

    def _code(self, code: int) -> int:
        if not 0 <= code < self.codebook:
            raise UserError(f"{code} is no code of an image: codes run from 0 to {self.codebook - 1}.")
        return self.first_code + int(code)
