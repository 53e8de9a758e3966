"""The verifier: encodes images once, answers any number of questions about them.

Every question is one forward pass over the tokens that are new. Potential continues clarity, so it costs its own turn
only; with the small family's wording all questions share image and prompt, so another question costs its own words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import LlavaOnevisionForConditionalGeneration, PreTrainedTokenizerBase

from ..compute.linear import use_onednn
from ..compute.memory import halving
from ..errors import UserError
from . import checkpoint as loading
from . import sampled
from .conversation import OF_A_PART, YES_NO_QUESTIONS, Conversation
from .images import to_pixels
from .network import ExactRows, KeyValues, Rows, embed, encode_images, image_tokens, prefill


@dataclass(frozen=True)
class Answers:
    """Answers ``(rows,)`` to one question: probabilities (float32) and what was said (bool); it can be neither."""

    p_yes: np.ndarray
    p_no: np.ndarray
    yes: np.ndarray
    no: np.ndarray

    @property
    def words(self) -> tuple[sampled.Answer, ...]:
        """What was said, row by row: "yes", "no" or "neither"."""
        return tuple("yes" if yes else "no" if no else "neither" for yes, no in zip(self.yes, self.no))


class LlavaVerifier:
    """A LLaVA-OneVision model that answers questions on images (the reward models of arXiv 2501.13926).

    An answer is the most likely token of the whole vocabulary; P(yes) and P(no) are its plain softmax probabilities.
    """

    def __init__(
        self,
        model: LlavaOnevisionForConditionalGeneration,
        tokenizer: PreTrainedTokenizerBase,
        family: str = "original",
    ):
        self.model = model
        use_onednn(model)
        self.tokenizer = tokenizer
        self._words = 1 + max(tokenizer.get_vocab().values())  # rows of the head beyond these are padding
        self.picture_size = model.config.vision_config.image_size
        self.conversation = Conversation(
            family,
            tokenizer,
            model.config.image_token_index,
            image_tokens(model),
            model.config.text_config.max_position_embeddings,
        )
        reduced = model.dtype in (torch.bfloat16, torch.float16)
        self.exact = ExactRows(model, sum(self.conversation.spellings, ())) if reduced else None

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        tokenizer: str | Path | None = None,
        family: str | None = None,
        quantised: str = "",
    ) -> LlavaVerifier:
        """The judge in a local ``folder`` (see `loading`). Raises UserError where something in it does not fit.

        ``tokenizer`` is a folder with one, where the judge's has none; ``family`` overrides its ``judge.json``;
        ``quantised`` is "int8" or "nf4".
        """
        folder = Path(folder)
        return cls(
            loading.load_model(folder, dtype, device, quantised=quantised),
            loading.load_tokenizer(Path(tokenizer or folder)),
            family or loading.load_family(folder),
        )

    def to(self, device: torch.device | str) -> LlavaVerifier:
        """Itself, on another device."""
        self.model.to(device)
        self.exact = self.exact and self.exact.to(device)
        return self

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the folder that `from_pretrained` reads."""
        loading.save(Path(folder), self.model, self.tokenizer, self.conversation.family)

    @torch.inference_mode()
    def encode(self, images: Sequence[np.ndarray]) -> Encoded:
        """Encode images ``(H, W, 3)`` uint8, at once. Raises UserError for anything else."""
        if len(images) == 0:
            raise UserError("There is no image to look at.")
        pixels = to_pixels(images, self.picture_size, like=self.model.model.image_newline)
        seen = halving(partial(encode_images, self.model), pixels)
        if seen.dtype == torch.float16 and not bool(seen.isfinite().all()):  # its largest number is 65,504
            self.model.model.vision_tower.float()
            seen = halving(partial(encode_images, self.model), pixels)
        return Encoded(self, seen)

    def read_answers(self, logits: torch.Tensor, generators: Sequence[torch.Generator] | None = None) -> Answers:
        """Answers from the logits ``(rows, vocabulary)`` at the position after a question.

        All spellings of an answer count as that answer. With ``generators``, one for each row, they are drawn and read
        as the released code does (see `sampled`).
        """
        yes, no = self.conversation.yes, self.conversation.no
        logits = logits[:, : self._words]
        if generators is None:
            logits = self._one_spelling(logits)
            probabilities = logits.softmax(dim=-1)
            said = logits.argmax(dim=-1).cpu().numpy()
            said_yes, said_no = said == yes, said == no
        else:
            probabilities = sampled.probabilities(logits, self.model.generation_config)
            drawn = sampled.draw(probabilities, generators).tolist()
            said = np.array([word.lower() for word in self.tokenizer.convert_ids_to_tokens(drawn)])
            said_yes, said_no = said == "yes", said == "no"
        p_yes, p_no = probabilities[:, [yes, no]].T.cpu().numpy()
        return Answers(p_yes, p_no, said_yes, said_no)

    def _one_spelling(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits in which the usual spelling of an answer has the probability of all of its spellings."""
        several = [list(ids) for ids in self.conversation.spellings if len(ids) > 1]
        logits = logits.clone() if several else logits
        for ids in several:
            together = logits[:, ids].logsumexp(dim=1)
            logits[:, ids] = -torch.inf
            logits[:, ids[0]] = together
        return logits


class Encoded:
    """Some images as a judge has seen them, and what it has read about each so far."""

    def __init__(
        self,
        judge: LlavaVerifier,
        seen: torch.Tensor,
        cache: KeyValues | None = None,
        held: Sequence[tuple[int, ...]] | None = None,
    ):
        self._judge = judge
        self._seen = seen  # (rows, image tokens, width)
        self._cache = KeyValues.empty(judge.model, len(seen)) if cache is None else cache
        self._held = [()] * len(seen) if held is None else list(held)  # each row's ids that the cache holds

    def __len__(self) -> int:
        return len(self._held)

    @torch.inference_mode()
    def ask(
        self,
        question: str,
        prompt: str | Sequence[str],
        rows: Sequence[int] | None = None,
        *,
        seeds: Sequence[int] | None = None,
    ) -> Answers:
        """Ask "clarity", "potential" or "outcome" about ``rows`` (default: all), for one prompt or one for each row; or
        "present", of what a part of a prompt asks for.

        With ``seeds``, one for each row, answers are drawn and read as the released code does (``verdicts="sampled"``,
        see `sampled`); without, they are read from the logits.

        Rows that share what they have read and how much is new are answered by one forward pass. Raises UserError
        for an unknown question or a prompt the judge cannot read.
        """
        known = (*YES_NO_QUESTIONS, OF_A_PART)
        if question not in known:
            raise UserError(f"Unknown question {question!r}; known are {', '.join(known)}.")
        rows = list(range(len(self)) if rows is None else rows)
        prompts = [prompt] * len(rows) if isinstance(prompt, str) else list(prompt)
        if len(prompts) != len(rows):
            raise UserError(f"{len(prompts)} prompts were given for {len(rows)} images.")
        if seeds is not None and len(seeds) != len(rows):
            raise UserError(f"{len(seeds)} seeds were given for {len(rows)} images.")
        conversation = self._judge.conversation
        if not rows:
            return Answers(np.zeros(0, np.float32), np.zeros(0, np.float32), np.zeros(0, bool), np.zeros(0, bool))
        to_come = (question,) if question == OF_A_PART else YES_NO_QUESTIONS
        capacity = max(len(conversation.ids(q, p)) for p in set(prompts) for q in to_come)
        wanted = [conversation.ids(question, p) for p in prompts]
        if self._has_room(capacity):
            logits = self._read(rows, wanted)
        else:
            logits = halving(partial(self._read_apart, rows, wanted, capacity), range(len(rows)))
        generators = None if seeds is None else [torch.Generator().manual_seed(seed) for seed in seeds]
        return self._judge.read_answers(logits, generators)

    def _has_room(self, capacity: int) -> bool:
        """Whether the device's memory suffices to hold ``capacity`` positions of every image."""
        try:
            self._cache.reserve(capacity)
        except torch.OutOfMemoryError:
            return False
        return True

    def _read_apart(
        self, rows: Sequence[int], wanted: Sequence[tuple[int, ...]], capacity: int, places: Sequence[int]
    ) -> torch.Tensor:
        """``_read`` of some ``places`` in ``rows``, of which nothing is held for the next question."""
        some = self.select([rows[place] for place in places])
        some._cache.reserve(capacity)
        return some._read(range(len(places)), [wanted[place] for place in places])

    def explain(self, prompt: str, row: int = 0, limit: int = 64) -> Iterator[str]:
        """The critique of one image, word by word as they are decoded (greedily): what is wrong with it.

        At most ``limit`` tokens. The pieces make the text when joined as they are.
        """
        judge, conversation = self._judge, self._judge.conversation
        encoded = self.select([row])
        ids = conversation.ids("explain", prompt)
        said: list[int] = []
        text = ""
        while len(said) < limit:
            with torch.inference_mode():
                encoded._cache.reserve(len(ids) + limit)
                token = int(encoded._read([0], [(*ids, *said)]).argmax())
            if token == conversation.end:
                break
            said.append(token)
            longer = judge.tokenizer.decode(said, skip_special_tokens=True)
            if longer != text and not longer.endswith("\ufffd"):  # half of a multi-byte character
                yield longer[len(text) :]
                text = longer

    @torch.inference_mode()
    def select(self, rows: Sequence[int]) -> Encoded:
        """A look at some of the images alone, with all that was read about them; frees the others when it replaces
        this one."""
        index = torch.tensor(rows, device=self._seen.device)  # copies, where a slice would keep the others alive
        held = [self._held[row] for row in rows]
        return Encoded(self._judge, self._seen[index], self._cache.select(index), held)

    def _index(self, rows: Sequence[int]) -> Rows:
        if list(rows) == list(range(rows[0], rows[0] + len(rows))):
            return slice(rows[0], rows[0] + len(rows))
        return torch.tensor(rows, device=self._seen.device)

    def _read(self, rows: Sequence[int], wanted: Sequence[tuple[int, ...]]) -> torch.Tensor:
        """Logits ``(rows, vocabulary)`` after the ids ``wanted`` of each row, reading only what is not held yet."""
        model, conversation = self._judge.model, self._judge.conversation
        groups = defaultdict(list)  # (positions held, positions wanted) -> places in `rows`
        shared: dict[tuple[int, int], int] = {}
        for place, (row, ids) in enumerate(zip(rows, wanted)):
            pair = (id(self._held[row]), id(ids))
            if pair not in shared:
                common = _common(self._held[row], ids)
                shared[pair] = common if common >= conversation.trunk else 0  # an image is read whole
            groups[shared[pair], len(ids)].append(place)

        answers = []
        for (start, _), places in groups.items():
            for place in places:  # should reading fail midway (out of memory), what it wrote over is not held any more
                self._held[rows[place]] = wanted[place][:start]

            def read(members: Sequence[int], start=start) -> torch.Tensor:
                index = self._index([rows[place] for place in members])
                new = torch.tensor([wanted[place][start:] for place in members], device=self._seen.device)
                if start:
                    embeddings = model.get_input_embeddings()(new)
                else:
                    embeddings = embed(model, new, self._seen[index], conversation.head)
                return prefill(model, embeddings, self._cache, index, start, self._judge.exact)

            answers.append(halving(read, places))
            for place in places:
                self._held[rows[place]] = wanted[place]
        if len(answers) == 1:
            return answers[0]
        order = [place for places in groups.values() for place in places]
        return torch.cat(answers)[torch.tensor(order, device=self._seen.device).argsort()]


def _common(held: tuple[int, ...], wanted: tuple[int, ...]) -> int:
    """How many ids of ``wanted`` need not be read again; never all, as the last one's logits are the answer."""
    limit = min(len(held), len(wanted) - 1)
    return next((i for i in range(limit) if held[i] != wanted[i]), limit)
