"""The file of the table: every rung of the ladder by name and training seed, and the differences between them.

A row depends on the weights it names; as long as these are unchanged it is not measured again. Rows of other training
seeds stand beside the shipped ones, under the label of the folder their weights came from. A row keeps for every prompt
whether it was right, so that all differences follow from the file alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..hardware import describe, in_words
from ..settings import BACKENDS
from .entries import fingerprint, of_split, select
from .journal import write_json
from .report import RULES
from .results import LADDER, SHIPPED, VERSION, read_ladder
from .rows import DIFFERENCES, ROWS, Difference, Row, paper_difference
from .rungs import Measured
from .statistics import means_of_kinds


class Ladder:
    """The file of the table: rows by name and training seed. Raises UserError for a file of another evaluation."""

    def __init__(self, file: Path, split: str, seed: int, limit: int | None):
        self.file = file
        self.entries = select(of_split(split), limit)
        defaults = BACKENDS["mini"].defaults
        self.asked = {
            "prompts": f"{split} {fingerprint(of_split(split))}",
            "limit": limit,
            "seed": seed,
            "steps": defaults["steps"],
            "guidance": defaults["guidance"],
            "temperature": defaults["temperature"],
        }
        self.rows: dict[tuple[str, str], dict[str, Any]] = {}
        if file.exists():
            content = read_ladder(file)
            if content["asked"] != self.asked:
                raise UserError(f"{file} is of other prompts or settings: name another file.")
            self.rows = {(row["name"], row["training_seed"]): row for row in content["rows"]}

    def of(self, label: str) -> dict[str, dict[str, Any]]:
        """The rows of one training seed by name."""
        return {name: row for (name, seed), row in self.rows.items() if seed == label}

    def put(
        self, row: Row, label: str, weights: Mapping[str, str], measured: Measured | None, missing: str = ""
    ) -> None:
        """Keep a row, or why it is missing, and write the file."""
        entry = {
            "name": row.name,
            "label": row.label,
            "training_seed": label,
            "method": row.method,
            "model": row.model,
            "paths": row.paths,
            "paper": row.paper,
            "weights": dict(weights),
            "missing": missing,
        }
        if measured:
            entry["paths"] = round(sum(one.share * one.paths for one in measured.outcomes), 2)
            entry |= {**measured.as_dict(), "hardware": in_words(describe())}
            entry["accuracy"] = {rule: self._estimates(values(entry, rule)) for rule in RULES}
        self.rows[row.name, label] = entry
        self._save()

    def differences(self) -> list[dict[str, Any]]:
        """All differences whose rows are there, for the shipped weights and for every training seed."""
        labels = dict.fromkeys(label for _, label in self.rows)
        return [found for one in DIFFERENCES for label in labels if (found := self._difference(one, label)) is not None]

    def _difference(self, one: Difference, label: str) -> dict[str, Any] | None:
        own = [(name, label) in self.rows for name in (one.of, one.minus)]
        # what does not depend on a training seed is the shipped row
        ends = [self.rows.get((name, label)) or self.rows.get((name, SHIPPED)) for name in (one.of, one.minus)]
        if not any(own) or any(row is None or row["missing"] for row in ends):
            return None
        a, b = ends
        return {
            "label": one.label,
            "training_seed": label,
            "of": one.of,
            "minus": one.minus,
            "paper": paper_difference(one),
            **{rule: self._estimates([x - y for x, y in zip(values(a, rule), values(b, rule))]) for rule in RULES},
        }

    def _estimates(self, of_prompts: Sequence[float]) -> dict[str, dict[str, float]]:
        kinds, prompts = [entry.kind for entry in self.entries], [entry.prompt for entry in self.entries]
        return {kind: one.as_dict() for kind, one in means_of_kinds(of_prompts, kinds, prompts).items()}

    def _save(self) -> None:
        order = {row.name: place for place, row in enumerate(ROWS)}
        rows = sorted(self.rows.values(), key=lambda row: (row["training_seed"] != SHIPPED, row["training_seed"],
                                                           order.get(row["name"], len(order))))  # fmt: skip
        content = {
            "format": LADDER,
            "version": VERSION,
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "asked": self.asked,
            "kinds": list(dict.fromkeys(entry.kind for entry in self.entries)),
            "differences": self.differences(),
            "rows": rows,
        }
        write_json(self.file, content)


def values(row: Mapping[str, Any], rule: str) -> list[float]:
    """How right a row was on each prompt, 0 to 1."""
    parts = [[one["share"] * int(bit) for bit in one[rule]] for one in row["outcomes"]]
    return [sum(shares) for shares in zip(*parts)]
