"""What a word-level model writes, as a person writes it. Traces keep the words as they came."""

from __future__ import annotations

import re

_APART = re.compile(r"\s+([,.;!?])(?=\s|$)")


def prose(text: str) -> str:
    """``text`` with its punctuation set close: "one apple , not two" -> "one apple, not two".

    ``prose`` in cotdemo/ui/web/words.js does the same to what the page is streamed.
    """
    return _APART.sub(r"\1", text)
