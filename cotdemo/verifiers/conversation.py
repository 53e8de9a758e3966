"""What is said to the judge: one construction of its input, for training and for judging.

The wording lives in ``questions.json``, one family a kind of judge. A question may continue another one: the text of
potential is clarity's, the answer "yes", and a turn of its own, so its tokens begin with clarity's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from ..errors import UserError

IGNORE = -100  # target of a position that nothing is learnt from, as in torch's cross entropy
YES_NO_QUESTIONS = ("clarity", "potential", "outcome")  # about a prompt
OF_A_PART = "present"  # about one thing that a prompt asks for; not every small judge has learnt the word

_IMAGE = "<image>"
WORDING = json.loads(Path(__file__).with_name("questions.json").read_text(encoding="utf-8"))
FAMILIES = tuple(WORDING)


@dataclass(frozen=True)
class Lesson:
    """Token ids of one conversation, and for each position the id to predict next there, or IGNORE."""

    ids: tuple[int, ...]
    targets: tuple[int, ...]


class Conversation:
    """Questions of one family as token ids, the image standing in them as ``image_tokens`` placeholder ids.

    ``family`` is a key of ``questions.json``. Raises UserError for an unknown one, or where the tokenizer does not
    know "yes", "no" or the family's end mark as one token each.
    """

    def __init__(
        self, family: str, tokenizer: PreTrainedTokenizerBase, image_id: int, image_tokens: int, limit: int = 32768
    ):
        if family not in WORDING:
            raise UserError(f"Unknown family of judge questions {family!r}; known are {', '.join(FAMILIES)}.")
        self.family = family
        self.tokenizer = tokenizer
        self._wording = WORDING[family]
        self._image = (image_id,) * image_tokens
        self._limit = limit
        self._marks = {_IMAGE, *tokenizer.get_added_vocab()}
        self.yes, self.no, self.end = (self._token(text) for text in ("yes", "no", self._wording["end"]))
        self.spellings = self._spellings(self.yes, "yes"), self._spellings(self.no, "no")
        first = self.text("outcome", "").split(_IMAGE)[0]
        self.head = len(self._tokens(first))  # tokens before the image
        self.trunk = self.head + image_tokens  # tokens up to the end of the image
        self.ids = lru_cache(maxsize=512)(self._ids)

    def text(self, question: str, prompt: str) -> str:
        """The whole input for ``question`` in words, ``<image>`` where the image goes, ready for the answer."""
        wording = self._wording["questions"][question]
        before = self._wording["system"]
        if "after" in wording:
            before = self.text(wording["after"], prompt)
            before += self._wording["assistant"].replace("{text}", wording["answer"])
        return before + self._wording["user"].replace("{text}", wording["text"]).replace("{prompt}", prompt)

    def _ids(self, question: str, prompt: str) -> tuple[int, ...]:
        """Token ids of `text`; the pieces before and after the image are tokenised each on its own, as the original.

        Raises UserError for a prompt with a control mark or, with a word-level tokenizer, a word it does not know.
        """
        marks = sorted(mark for mark in self._marks if mark in prompt)
        if marks:
            raise UserError(f"The prompt must not contain {', '.join(marks)}.")
        before, after = self.text(question, prompt).split(_IMAGE)
        ids = (*self._tokens(before), *self._image, *self._tokens(after))
        if self.tokenizer.unk_token_id in ids:
            unknown = [word for word in prompt.split() if self.tokenizer.unk_token_id in self._tokens(word)]
            raise UserError(f"The judge does not know: {', '.join(unknown)}.")
        if len(ids) > self._limit:
            raise UserError(f"The prompt is too long for the judge ({len(ids)} of {self._limit} tokens); shorten it.")
        return ids

    def _tokens(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"] if text else []

    def _token(self, text: str) -> int:
        ids = self._tokens(text)
        if len(ids) != 1 or ids[0] == self.tokenizer.unk_token_id:
            raise UserError(f"This tokenizer does not fit the judge: {text!r} is not one of its tokens.")
        return ids[0]

    def _spellings(self, own: int, word: str) -> tuple[int, ...]:
        """The ids of all tokens that say an answer, the usual one first: judges that are not told to answer in lower
        case begin with "Yes"."""
        ids = [self._tokens(before + text) for before in ("", " ") for text in (word, word.title(), word.upper())]
        known = [one[0] for one in ids if len(one) == 1 and one[0] != self.tokenizer.unk_token_id]
        return tuple(dict.fromkeys([own, *known]))

    def lesson(self, question: str, prompt: str, answer: str) -> Lesson:
        """What to learn from: ``answer`` is "yes" or "no", or the words to say, with the end after them."""
        asked = self.ids(question, prompt)
        if question in (*YES_NO_QUESTIONS, OF_A_PART):
            said = [{"yes": self.yes, "no": self.no}[answer]]
        else:
            said = [*self._tokens(answer), self.end]
        ids = (*asked, *said[:-1])
        targets = [IGNORE] * (len(asked) - 1) + said
        return Lesson(ids, tuple(targets))
