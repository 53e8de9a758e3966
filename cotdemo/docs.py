"""The tables in README.md and docs/ that derive from the code: ``python -m cotdemo docs`` writes them anew.

A table stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``; ``TABLES`` makes it. A test compares what is
committed with what would be written.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .compute.precision import PRECISIONS
from .errors import UserError
from .evaluation.results import ROWS, headline_markdown, ladder_markdown, paper
from .fields import Nested, OneOf
from .files import write_text
from .registry import BACKENDS, METHODS, MODELS, VERIFIERS, Spec, refusal
from .run.codec import EVENTS, is_optional
from .run.events import Progress
from .settings import SETTINGS

if TYPE_CHECKING:
    from .backends.sizes import Fit

ROOT = Path(__file__).parents[1]
FILES = ("README.md", "docs/trace.md", "docs/released.md", "docs/results.md", "docs/models.md")
_LADDER = ROOT / "assets" / "ladder.json"
_PRECISION = ROOT / "assets" / "precision.json"
_SOAK = ROOT / "tests" / "data" / "soak.json"
_BESIDE = {  # shipped weights that are no model and no verifier of a run
    "magvit": "MAGVIT-v2, the image tokenizer: 8 x 8 codes of 16 x 16 pixels each",
    "judge-guide": "a judge that guides the alignment of `dpo-iter-parm`, and judges no run",
}
_REGION = re.compile(r"(?<=<!-- generated: )(\w+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)


def written(text: str) -> str:
    """A document with all its generated parts as they are to be. Raises UserError for a name that none has."""

    def region(match: re.Match[str]) -> str:
        name = match[1]
        if name not in TABLES:
            raise UserError(f"There is no table {name}; there are {', '.join(TABLES)}.")
        return f"{name}{match[2]}\n{TABLES[name]()}\n"

    return _REGION.sub(region, text)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)


def methods() -> str:
    """Every method: what it does, what judges, where it is offered; why not, or how else, in notes below."""
    notes: dict[str, str] = {}  # words -> their mark

    def offered(method: str) -> Iterable[str]:
        for backend in BACKENDS.values():
            refused, own = refusal(method, "base", backend.name), METHODS[method].about_on(backend)
            note = refused or (own if own != METHODS[method].about else "")
            mark = notes.setdefault(note, f"<sup>{len(notes) + 1}</sup>") if note else ""
            yield ("no" if refused else "yes") + mark

    rows = [
        (
            f"`{name}`",
            one.label,
            one.about,
            ", ".join(VERIFIERS[asked].label for asked in one.verifiers) or "–",
            *offered(name),
        )
        for name, one in METHODS.items()
    ]
    table = _table(("method", "name", "what it does", "verifier", *BACKENDS), rows)
    return "\n".join([table, *(f"{mark} {note}." for note, mark in notes.items()), ""])


def models() -> str:
    """Every set of generator weights: what it is, where there is one and why not."""
    rows = (
        (f"`{name}`", model.label, model.about, *(refusal("baseline", name, backend) or "yes" for backend in BACKENDS))
        for name, model in MODELS.items()
    )
    return _table(("model", "name", "what it is", *BACKENDS), rows)


def verifiers() -> str:
    rows = ((f"`{spec.name}`", spec.label, spec.about, _asking(spec)) for spec in VERIFIERS.values())
    return _table(("verifier", "name", "what it is", "of the methods"), rows)


def weights() -> str:
    """Every shipped set of weights: what it is, how large, and by what it was made."""
    from .backends import MINI, RECIPE
    from .backends.embedded import parameters

    known = {spec.part: spec.about for spec in (*MODELS.values(), *VERIFIERS.values())} | _BESIDE

    def row(folder: Path) -> Iterable[str]:
        made = json.loads((folder / RECIPE).read_text(encoding="utf-8"))
        yield from (f"`{folder.name}`", known[folder.name], f"{parameters(folder) / 1e6:.2f} million")
        yield from (f"`{made['command']}`", f"{made['steps']} steps, {made['minutes']:.0f} minutes", made["hardware"])
        yield from (", ".join(f"`{part}`" for part in made["made_from"]) or "nothing", f"`{made['weights']}`")

    head = ("folder", "what it is", "parameters", "made by", "in", "on", "from", "hash")
    return _table(head, map(row, sorted(file.parent for file in MINI.glob(f"*/{RECIPE}"))))


def _asking(verifier: Spec) -> str:
    return ", ".join(
        f"`{name}`" for name, method in METHODS.items() if method.judged and method.verifier == verifier.name
    )


def settings() -> str:
    """Every setting: what it is, what it takes, its default, by what name each way in has it."""
    rows = (
        (f"`{name}`", setting.about, _takes(setting.kind), setting.default_words(), _concerned(name))
        for name, setting in SETTINGS.items()
    )
    return _table(("setting", "what it is", "values", "default", "for"), rows)


def _takes(kind: object) -> str:
    if isinstance(kind, OneOf) and not any(isinstance(option, Spec) for option in kind.options.values()):
        return "; ".join(f"`{name}`: {option.about or option.label}" for name, option in kind.options.items())
    return kind.words


def _concerned(name: str) -> str:
    concerned = SETTINGS[name].methods()
    return "all" if len(concerned) == len(METHODS) else ", ".join(f"`{method}`" for method in concerned)


def events() -> str:
    """Every event of a trace: what it tells, and its fields."""
    parts = []
    for name, event in EVENTS.items():
        if event is not Progress:  # not kept in a trace
            about = " ".join(event.__doc__.split()).replace("``", "`")
            rows = [row for one in fields(event) for row in _rows(one)]
            parts.append(f"**{name}**: {about}\n\n" + _table(("field", "value", "what it is"), rows))
    return "\n".join(parts)


def _rows(one: Field) -> Iterable[tuple[str, str, str]]:
    kind = one.metadata["kind"]
    if isinstance(kind, Nested):
        return [row for inner in fields(kind.type) for row in _rows(inner)]
    optional = "*optional*; " if is_optional(one) else ""
    return [(f"`{one.name}`", optional + kind.words, one.metadata["about"])]


def published() -> str:
    """The paper's GenEval figures for what the released weights of 256 x 256 pixels offer here."""
    figures = paper()
    rows = [
        (f"`--method {row.method} --model {row.model}`", str(row.paths), *map(_share, figures[row.paper].values()))
        for row in ROWS
        if row.paper and not refusal(row.method, row.model, "show-o")
    ]
    kinds = next(iter(figures.values()))
    return _table(("asked for", "N", *(kind.replace("_", " ") for kind in kinds)), rows)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".lstrip("0")


def cards() -> str:
    """What ``--precision auto`` picks for the cards people have and how long they multiply at least, by arithmetic."""
    from .backends import RELEASED  # torch, which no other table needs
    from .backends.sizes import A_PATHS_OPERATIONS, fits

    columns = {name: list(fits(released.side)) for name, released in RELEASED.items()}
    least = {judged_from: f"8 paths at 256, judged from step {judged_from}" for judged_from in A_PATHS_OPERATIONS}
    rows = (
        (row[0].card, *map(_fit, row, columns), *(f"{row[0].least_seconds(8, one):.1f} s" for one in least))
        for row in zip(*columns.values())
    )
    return _table(("card", *(f"`{name}`" for name in columns), *least.values()), rows)


def _fit(fit: Fit, backend: str) -> str:
    if not fit.fits:
        return f"too small: {fit.plan.needed / 1e9:.1f} GB are wanted"
    row = BACKENDS[backend]
    most = row.cap // row.defaults["steps"]
    at_once = f"{fit.paths} paths at once" if fit.paths < most else "all paths at once"
    return f"{fit.plan.words}; {fit.plan.needed / 1e9:.1f} GB; {at_once}"


def precisions() -> str:
    """What precisions are, and what each costs the embedded judge in answers, as measured."""
    measured = json.loads(_PRECISION.read_text(encoding="utf-8"))["precisions"]
    rows = ((f"`{name}`", precision.about, *_answers(measured.get(name))) for name, precision in PRECISIONS.items())
    return _table(("`--precision`", "what it is", "says the same", "P(yes) moves by", "area under ROC"), rows)


def _answers(of: Mapping[str, Any] | None) -> Iterable[str]:
    return (f"{of['all']:.1%}", f"{of['moved']:.4f}", f"{of['area']:.3f}") if of else ("–",) * 3


def tested() -> str:
    """What ``python tests/soak.py`` came to, and what was asked for."""
    parts = json.loads(_SOAK.read_text(encoding="utf-8"))["parts"]
    rows = (
        (name, "; ".join(_withstood(one) for one in part["figures"] if one["asked"])) for name, part in parts.items()
    )
    dates = " and ".join(sorted({part["date"] for part in parts.values()}))
    return _table(("part", f"measured {dates} (asked for)"), rows)


def _withstood(one: Mapping[str, Any]) -> str:
    value = "not measured" if one["reached"] is None else f"{one['reached']:,.4g} {one['unit']}".strip()
    asked = one["asked"].replace("at least", "≥").replace("at most", "≤")
    return f"{one['name']} {value if one['ok'] else f'**{value}**'} ({asked})"


def preload() -> str:
    """What a Space's build downloads: whole repositories, as a file that is not there would fail it."""
    from .backends import RELEASED

    first = RELEASED["show-o"]
    whole = [place.repository for place in (first.generators["base"], first.magvit)]
    return "\n".join(["```yaml", "preload_from_hub:", *(f"  - {one}" for one in whole), "```"]) + "\n"


TABLES: Mapping[str, Callable[[], str]] = {
    "methods": methods,
    "models": models,
    "verifiers": verifiers,
    "weights": weights,
    "settings": settings,
    "events": events,
    "published": published,
    "cards": cards,
    "precisions": precisions,
    "preload": preload,
    "tested": tested,
    "headline": lambda: headline_markdown(_LADDER),
    "ladder": lambda: ladder_markdown(_LADDER),
}


def main(arguments: argparse.Namespace) -> None:
    """Write the generated parts of all documents."""
    for name in FILES:
        file = arguments.root / name
        before = file.read_text(encoding="utf-8")
        after = written(before)
        write_text(file, after)
        print(f"{name}: {'unchanged' if after == before else 'written'}", flush=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="the repository (default: this one)")
