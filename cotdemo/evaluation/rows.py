"""The rows of the ladder and the differences between them: what ``eval --table`` measures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..settings import CORRECTOR, corrects, verifier_of

PAPER = Path(__file__).with_name("paper.json")


@dataclass(frozen=True)
class Row:
    """One rung: ``method`` over ``paths`` paths of ``model``.

    ``pictures`` is how many of the plain generator's pictures count for each prompt; a search has one winner.
    ``as_costly_as`` names a row whose counted operations decide the number of paths, ``beside`` the row whose repainted
    paths do (and whose critiques are shuffled). ``judge_from`` and ``stopping`` are PARM's settings. ``paper`` is the
    row's name in paper.json.
    """

    name: str
    label: str
    method: str
    model: str = "base"
    paths: int = 20
    paper: str | None = None
    pictures: int = 1
    as_costly_as: str | None = None
    critique: str = "real"
    beside: str | None = None
    repaint: str = "whole"
    judge_from: int = 1
    stopping: str = "paper"

    @property
    def live(self) -> bool:
        """It repaints, so no pool holds it."""
        return self.method == "parm++"

    @property
    def verifier(self) -> str | None:
        return None if self.method == "baseline" else verifier_of(self.method)

    @property
    def models(self) -> tuple[str, ...]:
        """All generators it paints with."""
        corrected = corrects(self.method, self.repaint)
        return tuple(dict.fromkeys((self.model, CORRECTOR) if corrected else (self.model,)))


def _plain(name: str, label: str, model: str, paper: str) -> Row:
    return Row(name, label, "baseline", model, 1, paper, pictures=4)


SMALL = (1, 2, 4, 8)  # paths of PARM++ where it is compared with PARM that has as many paths in all


def _paths(n: int) -> str:
    return "1 path" if n == 1 else f"{n} paths"


ROWS = (
    _plain("plain", "plain generator", "base", "show-o"),
    Row("orm-zero-shot", "zero-shot ORM", "orm-zero-shot", paper="orm-zero-shot"),
    Row("orm", "fine-tuned ORM", "orm", paper="orm"),
    Row("prm", "PRM", "prm", paper="prm"),
    Row("parm", "PARM", "parm", paper="parm"),
    Row("orm-at-parm's-compute", "fine-tuned ORM at the compute of PARM", "orm", as_costly_as="parm"),
    Row("parm-lenient", "PARM, lenient from step 9", "parm", judge_from=9, stopping="lenient"),
    Row("parm8", "PARM, 8 paths", "parm", paths=8),
    Row("parm8-lenient", "PARM, 8 paths, lenient from step 9", "parm", paths=8, judge_from=9, stopping="lenient"),
    Row("orm-at-parm8-lenient's-compute", "fine-tuned ORM at the compute of that", "orm", as_costly_as="parm8-lenient"),
    _plain("dpo", "DPO", "dpo", "dpo"),
    _plain("dpo-iter", "iterative DPO", "dpo-iter", "dpo-iter"),
    _plain("dpo-iter-parm", "iterative DPO guided by PARM", "dpo-iter-parm", "dpo-iter-parm"),
    Row("dpo-iter+parm", "iterative DPO + PARM", "parm", "dpo-iter", paper="dpo-iter+parm"),
    Row("dpo-iter-parm+parm", "guided iterative DPO + PARM", "parm", "dpo-iter-parm", paper="dpo-iter-parm+parm"),
    _plain("self-correct", "self-correcting generator", "self-correct", "self-correct"),
    Row("self-correct+orm", "self-correcting + ORM", "orm", "self-correct", paper="self-correct+orm"),
    Row("self-correct+parm", "self-correcting + PARM", "parm", "self-correct", paper="self-correct+parm"),
    Row("parm++", "PARM++ with reflection", "parm++", "self-correct", paper="parm++"),
    # 8 paths and at most three repaintings of as many: 32, the most that a run may have
    *(Row(f"parm++{n}", f"PARM++, {_paths(n)}", "parm++", "self-correct", n) for n in SMALL),
    *(Row(f"as-many-as-parm++{n}", f"PARM, with as many paths as PARM++ with {n} painted", "parm", "self-correct", n,
          beside=f"parm++{n}") for n in SMALL),
    Row("parm++8-shuffled", "PARM++, 8 paths, critiques of other pictures", "parm++", "self-correct", 8,
        critique="shuffled", beside="parm++8"),
    Row("parm++8-empty", "PARM++, 8 paths, empty critiques", "parm++", "self-correct", 8,
        critique="empty", beside="parm++8"),
    Row("parm++8-region", "PARM++ by region, 8 paths", "parm++", "base", 8, repaint="region"),
    Row("as-many-as-parm++8-region", "PARM, with as many paths as PARM++ by region painted", "parm", "base", 8,
        beside="parm++8-region"),
    Row("dpo-iter-parm+parm++", "guided iterative DPO + PARM++", "parm++", "dpo-iter-parm"),
    Row("dpo-iter-parm+parm++region", "guided iterative DPO + PARM++ by region", "parm++", "dpo-iter-parm",
        repaint="region"),
)  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """Row ``of`` minus row ``minus``, paired by prompt and path seed."""

    label: str
    of: str
    minus: str


DIFFERENCES = (
    Difference("PARM - plain generator", "parm", "plain"),
    Difference("PARM - fine-tuned ORM, equal N", "parm", "orm"),
    Difference("PARM - fine-tuned ORM, equal compute", "parm", "orm-at-parm's-compute"),
    Difference("lenient - the paper's PARM, 20 paths", "parm-lenient", "parm"),
    Difference("lenient - the paper's PARM, 8 paths", "parm8-lenient", "parm8"),
    Difference("lenient PARM, 8 paths - ORM, equal compute", "parm8-lenient", "orm-at-parm8-lenient's-compute"),
    Difference("fine-tuned ORM - zero-shot ORM", "orm", "orm-zero-shot"),
    Difference("PARM - PRM", "parm", "prm"),
    Difference("DPO - plain generator", "dpo", "plain"),
    Difference("iterative DPO - plain generator", "dpo-iter", "plain"),
    Difference("guided - unguided iterative DPO", "dpo-iter-parm", "dpo-iter"),
    Difference("guided iterative DPO + PARM - plain generator", "dpo-iter-parm+parm", "plain"),
    Difference("PARM++ with reflection - its own base", "parm++", "self-correct"),
    Difference("PARM++ with reflection - PARM on the same generator", "parm++", "self-correct+parm"),
    Difference("real - empty critiques", "parm++8", "parm++8-empty"),
    Difference("real - shuffled critiques", "parm++8", "parm++8-shuffled"),
    *(
        Difference(f"reflection, {_paths(n)} - as many paths without", f"parm++{n}", f"as-many-as-parm++{n}")
        for n in SMALL
    ),
    Difference("PARM++ by region, 8 paths - as many paths without", "parm++8-region", "as-many-as-parm++8-region"),
    Difference("guided iterative DPO: PARM++ - PARM", "dpo-iter-parm+parm++", "dpo-iter-parm+parm"),
    Difference("guided iterative DPO: PARM++ by region - PARM", "dpo-iter-parm+parm++region", "dpo-iter-parm+parm"),
)


@cache
def paper() -> Mapping[str, Mapping[str, float | None]]:
    """The paper's figures: row -> kind or "overall" -> accuracy, None where it gives none."""
    content = json.loads(PAPER.read_text(encoding="utf-8"))
    return {name: dict(zip(content["kinds"], figures)) for name, figures in content["rows"].items()}


def paper_difference(difference: Difference) -> float | None:
    """What the paper's overall figures differ by, where it has both."""
    rows = {row.name: row for row in ROWS}
    ends = [paper().get(rows[name].paper or "", {}).get("overall") for name in (difference.of, difference.minus)]
    return None if None in ends else round(ends[0] - ends[1], 2)
