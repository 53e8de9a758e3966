"""What a part of the soak is given, a budget, and what it gives back: figures beside what is asked of them."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

KEPT_NOTES = 40  # of what went wrong, so that a row of a thousand failures can still be read


@dataclass(frozen=True)
class Figure:
    """One number, with the ``least`` or ``most`` that is asked for; without either it is told for information.

    ``reached`` is None where it was not measured, and ``note`` says why.
    """

    name: str
    reached: float | None
    least: float | None = None
    most: float | None = None
    unit: str = ""
    note: str = ""

    @property
    def ok(self) -> bool:
        if self.least is None and self.most is None:
            return True
        if self.reached is None or math.isnan(self.reached):
            return False
        return (self.least is None or self.reached >= self.least) and (self.most is None or self.reached <= self.most)

    @property
    def asked(self) -> str:
        """In words; "" where nothing is."""
        bounds = (("at least", self.least), ("at most", self.most))
        return " and ".join(f"{words} {bound:,g}{self._unit}" for words, bound in bounds if bound is not None)

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""

    def __str__(self) -> str:
        value = "not measured" if self.reached is None else f"{self.reached:,.6g}{self._unit}"
        beside = ", ".join(filter(None, (self.asked and f"asked {self.asked}", self.note)))
        return f"{self.name} {value}{f' ({beside})' if beside else ''}{'' if self.ok else ' - NOT REACHED'}"


@dataclass
class Report:
    """The row of one part: its figures, and ``notes`` on whatever did not go as asked."""

    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return bool(self.figures) and all(figure.ok for figure in self.figures)

    def add(self, name: str, reached: float | None, **asked: object) -> None:
        self.figures.append(Figure(name, reached, **asked))  # type: ignore[arg-type]

    def as_dict(self) -> dict[str, object]:
        """JSON-safe."""
        rows = [
            {"name": one.name, "reached": one.reached, "asked": one.asked, "unit": one.unit, "ok": one.ok,
             "note": one.note} for one in self.figures
        ]  # fmt: skip
        return {"ok": self.ok, "seconds": round(self.seconds, 1), "figures": rows, "notes": self.notes[:KEPT_NOTES]}


class Budget:
    """How much a part may do: ``scale`` of what is asked for, ``seconds`` at most; ``only`` narrows a list."""

    def __init__(self, seconds: float, scale: float = 1.0, only: str = ""):
        self._end = time.monotonic() + seconds
        self.scale, self.only = scale, only

    @property
    def left(self) -> float:
        """Seconds, 0 where there are none."""
        return max(0.0, self._end - time.monotonic())

    @property
    def over(self) -> bool:
        return self.left == 0

    def many(self, asked: int, least: int = 1) -> int:
        """So many of what is ``asked`` for at full scale."""
        return max(least, round(asked * self.scale))


@contextmanager
def quiet_log() -> Iterator[None]:
    """Without the log, which tells of every fault that is provoked here."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of them do not exceed; NaN of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan
