"""The words of the world that its models read: word-level tokenizers in transformers format."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from ..geneval.prompts import CLASSES, COLOURS, NUMBERS, RELATIONS, plural
from .faults import CRITIQUE_WORDS

PROMPT_WORDS = tuple(
    dict.fromkeys(
        ("a", "an", "photo", "of", "and", "the", *NUMBERS, *COLOURS)
        + tuple(word for relation in RELATIONS for word in relation.split())
        + tuple(word for kind in (*CLASSES, *map(plural, CLASSES)) for word in kind.split())
    )
)  # what the models read

_MARKS = ("<pad>", "<unk>", "<image>", "<|im_start|>", "<|im_end|>")
_QUESTION_WORDS = ("clear", "potential", "match", "present", "why", "what", "?")


def _word_level(vocabulary: Iterable[str], **special: str) -> PreTrainedTokenizerFast:
    table = {word: index for index, word in enumerate(dict.fromkeys(vocabulary))}
    tokenizer = Tokenizer(models.WordLevel(table, unk_token=special["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def prompt_tokenizer() -> PreTrainedTokenizerFast:
    """The generator's text tokenizer: prompts and critiques. As phi-1.5's, one token both begins and ends a text,
    and padding comes after the text vocabulary (Show-o adds it, with the other task tokens)."""
    return _word_level(
        ("<unk>", *PROMPT_WORDS, *CRITIQUE_WORDS, "<|endoftext|>"),
        unk_token="<unk>", bos_token="<|endoftext|>", eos_token="<|endoftext|>",
    )  # fmt: skip


def judge_tokenizer() -> PreTrainedTokenizerFast:
    """The judge's tokenizer: Qwen's turn marks, the image placeholder, the two answers, questions and critiques."""
    tokenizer = _word_level(
        (*_MARKS, "yes", "no", *_QUESTION_WORDS, *PROMPT_WORDS, *CRITIQUE_WORDS),
        unk_token="<unk>", pad_token="<pad>", eos_token="<|im_end|>",
    )  # fmt: skip
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>", "<|im_start|>"]})
    return tokenizer
