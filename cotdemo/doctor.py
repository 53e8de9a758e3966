"""``python -m cotdemo doctor``: what is here, what misses and what to do, a line each. Nothing is downloaded.

Every probe is a generator of findings. What goes wrong within one is a finding too, so that there is an answer however
little of an installation works; that is why all that a probe needs is imported by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

from .errors import MORE_MEMORY, UserError
from .files import check_writable, write_text
from .registry import EMBEDDED, MODELS, VERIFIERS

OK, NOTE, PROBLEM = "ok", "note", "problem"
REQUIREMENTS = Path(__file__).parents[1] / "requirements.txt"
INSTALL = "pip install -r requirements.txt"
# What only some ways of use want: the module that is looked for, what it is for, how to get it.
OPTIONAL = (
    ("mcp", "the page as tools for agents", 'pip install "gradio[mcp]"'),
    ("ray", "many replicas of the page's endpoints", 'pip install "ray[serve]"'),
    ("bitsandbytes", "released models on GPUs of 8 to 16 GB", "pip install -r requirements-gpu.txt"),
    ("spaces", "Spaces with ZeroGPU, which have it", ""),
)
_DEVICES = "nvidia[0-9]*"  # in /dev, where a driver has found cards


@dataclass(frozen=True)
class Finding:
    """One line: its state, what was looked at, what was found and what to do; ``stops`` the embedded model or not."""

    state: str
    what: str
    said: str
    remedy: str = ""
    stops: bool = False


Probe = Callable[..., Iterable[Finding]]


def examine(run: bool = True, root: Path | None = None, mini: Path | None = None) -> Iterator[Finding]:
    """All findings, as they come; the first is torch's. Never raises for what a probe meets.

    ``run`` paints with the embedded model. ``root`` is a folder with repositories of the Hub, in place of its cache;
    ``mini`` one with other embedded weights.
    """
    broken = False
    for finding in _probed("torch", _torch, stops=True):
        broken |= finding.stops
        yield finding
    yield from _probed("Python", _python)
    yield from _probed("packages", _packages)
    yield from _probed("optional", _optional)
    if broken:  # all that follows needs torch, and would say so again
        return
    yield from _probed("cards", _cards)
    yield from _probed("Hub's cache", _cache, root)
    yield from _probed("released models", _released, root)
    yield from _probed("embedded weights", _weights, mini, stops=True)
    if run:
        yield from _probed("embedded model", _smoke, mini, stops=True)


def _probed(what: str, probe: Probe, *arguments: Any, stops: bool = False) -> Iterator[Finding]:
    """The findings of a probe, what it raises among them."""
    try:
        yield from probe(*arguments)
    except UserError as error:
        yield Finding(PROBLEM, what, str(error), stops=stops)
    except ImportError as error:
        yield Finding(PROBLEM, what, _brief(error), f"Install what is asked for: {INSTALL}", stops)
    except Exception as error:  # whatever it is, the other probes go on
        yield Finding(PROBLEM, what, _brief(error), stops=stops)


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


# -- this machine


def _torch() -> Iterator[Finding]:
    import torch

    from .compute.hardware import accelerator

    kinds = {"CUDA": torch.version.cuda, "ROCm": torch.version.hip, "Intel GPUs": getattr(torch.version, "xpu", None)}
    build = next((f"{kind} {number}" for kind, number in kinds.items() if number), "")
    named = f"{torch.__version__}, built for {build}" if build else torch.__version__
    kind, seen = accelerator(), nvidia_cards()
    if kind:
        yield Finding(OK, "torch", f"{named}; computes on {kind}")
    elif not seen:
        yield Finding(OK, "torch", f"{named}; no GPU is seen here")
    elif not build:
        yield Finding(
            PROBLEM, "torch", f"{torch.__version__} is built for processors only, and this machine has {seen}: "
            "nothing here will use it",
            "pip uninstall torch, then install the build for CUDA by the command that pytorch.org/get-started names.",
        )  # fmt: skip
    else:
        yield Finding(
            PROBLEM, "torch", f"{named}, cannot use {seen}, which this machine has",
            "See that nvidia-smi works and names a CUDA version as high as torch's (or take a newer driver), that "
            "CUDA_VISIBLE_DEVICES does not hide the GPU, and that a container is given it (--gpus all).",
        )  # fmt: skip


def nvidia_cards() -> str:
    """NVIDIA's cards in this machine, in words, whether torch can use them or not; "" where none is seen."""
    tool = shutil.which("nvidia-smi")
    if tool:
        try:
            listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=20).stdout
        except (OSError, subprocess.SubprocessError):
            listed = ""
        names = [line.partition(": ")[2].partition(" (")[0] for line in listed.splitlines() if line.startswith("GPU ")]
        if names:
            return ", ".join(names)
    devices = sorted(Path("/dev").glob(_DEVICES))
    return f"an NVIDIA GPU ({devices[0]})" if devices else ""


def _python() -> Iterator[Finding]:
    where = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    yield Finding(OK, "Python", f"{platform.python_version()} on {where}")


def _packages() -> Iterator[Finding]:
    """What requirements.txt asks for and is not here, or not in the version that it admits."""
    wanted = _wanted()
    wrong = {one.name: words for one in wanted if (words := _unlike(one.name, one.specifier))}
    for name, words in wrong.items():
        yield Finding(PROBLEM, name, words, INSTALL)
    if not wrong:
        yield Finding(OK, "packages", f"all {len(wanted)} as requirements.txt asks for them")


def _wanted() -> list[Any]:
    """The requirements: of requirements.txt in a clone, of the package where it is installed."""
    from packaging.requirements import Requirement

    if REQUIREMENTS.is_file():
        lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    else:
        lines = [line for line in requires("cotdemo") or () if "extra ==" not in line]
    return [Requirement(line) for line in lines if line.strip()]


def _unlike(name: str, specifier: Any) -> str:
    try:
        have = version(name)
    except PackageNotFoundError:
        return "is not installed"
    admitted = specifier.contains(have.partition("+")[0], prereleases=True)
    return "" if admitted else f"{have} is here, and {specifier} is asked for"


def _optional() -> Iterator[Finding]:
    for module, purpose, remedy in OPTIONAL:
        if find_spec(module) is not None:
            yield Finding(OK, module, f"for {purpose}")
        else:
            yield Finding(NOTE, module, f"not here; for {purpose}", remedy)


def _cards() -> Iterator[Finding]:
    """Each accelerator of torch: its name, its free memory, and whether it computes at all."""
    import torch

    from .compute.hardware import accelerator

    kind = accelerator()
    for index in range(torch.accelerator.device_count() if kind else 0):
        yield from _probed(f"{kind}:{index}", _card, f"{kind}:{index}")


def _card(device: str) -> Iterator[Finding]:
    import torch

    from .compute.memory import free_bytes

    named = getattr(getattr(torch, torch.device(device).type), "get_device_name", None)
    name = named(device) if named else "an accelerator"
    total = int(torch.arange(8.0, device=device).square().sum().item())
    if total != 140:
        yield Finding(PROBLEM, device, f"{name} computes wrongly: {total}, not 140", "See its driver, or leave it out.")
        return
    free = free_bytes(device)
    yield Finding(OK, device, f"{name}, " + (f"{_size(free)} free" if free is not None else "free memory not known"))


def _size(count: float) -> str:
    """Bytes in words."""
    return f"{count / 1e9:.1f} GB" if count >= 5e7 else f"{count / 1e6:.1f} MB"


# -- the released models


def _cache(root: Path | None) -> Iterator[Finding]:
    """Where downloads lie, or are to lie, and how much room is there."""
    from .backends.cached import Shelf

    if root is not None:
        here = root.is_dir()
        remedy = "" if here else "Name a folder that holds repositories as owner/name."
        yield Finding(OK if here else PROBLEM, "repositories", f"{root}{'' if here else ' is no folder'}", remedy)
        return
    shelf = Shelf()
    place = shelf.cache
    try:
        check_writable(place)
    except OSError as error:
        remedy = "Let HF_HOME name a folder that can be written."
        yield Finding(PROBLEM, "Hub's cache", f"{place} cannot be written: {error.strerror}", remedy)
    offline = " HF_HUB_OFFLINE is set: nothing will be downloaded." if os.environ.get("HF_HUB_OFFLINE") else ""
    if shelf.scan is None:
        yield Finding(NOTE, "Hub's cache", f"{place} is not there yet; it comes with the first download.{offline}")
        return
    free = shutil.disk_usage(place).free
    said = f"{place} holds {_size(shelf.scan.size_on_disk)}, and {_size(free)} of its disk are free.{offline}"
    yield Finding(OK, "Hub's cache", said)
    remedy = "A download that was broken off looks so, and the next use goes on with it; else remove that folder."
    for warning in shelf.scan.warnings:
        yield Finding(PROBLEM, "Hub's cache", _brief(warning), remedy)


def _released(root: Path | None) -> Iterator[Finding]:
    from .backends import RELEASED

    for name in RELEASED:
        yield from _probed(name, _fits, name, root)
    yield from _parts(root)


def _fits(name: str, root: Path | None) -> Iterator[Finding]:
    """The device and precision that a released backend would run in, and whether its memory suffices."""
    from .backends import load_backend

    backend = load_backend(name, root=root)  # loads nothing yet
    needed, free = backend.needed, backend.free_memory()
    said = f"{backend.plan.words} on {backend.device} ({backend.plan.why}), {_size(needed)} of memory"
    if free is not None and free < needed:
        yield Finding(PROBLEM, name, f"{said}, and {_size(free)} are free", MORE_MEMORY)
    elif backend.device == "cpu":
        yield Finding(NOTE, name, f"{said}; it is made for a GPU")
    else:
        yield Finding(OK, name, said + (f", and {_size(free)} are free" if free is not None else ""))


def _parts(root: Path | None) -> Iterator[Finding]:
    """Every part of the released backends, each once: here, here in part, or still to be downloaded."""
    from .backends import RELEASED
    from .backends.cached import Shelf

    shelf, parts = Shelf(root), {}
    for name, source in RELEASED.items():
        for model, place in source.generators.items():
            parts[place] = f"{name} {model}", {"tokenizer": False}
        parts[source.magvit] = "image tokenizer", {"tokenizer": False}
        parts[source.words] = "words", {"tokenizer": True, "weights": False}
        for judge, place in source.judges.items():
            parts[place] = f"judge {judge}", {"tokenizer": True}
    for place, (what, needs) in parts.items():
        yield from _probed(what, _part, shelf, place, what, needs)
    others = _others()
    for what, place in others.items():
        yield from _probed(what, _download, shelf, place, what, shelf.pipeline(place))
    yield from _probed("GenEval's scorer", _scorer, shelf)
    yield from _probed("safety checker", _safety, shelf)
    for repository in dict.fromkeys(place.repository for place in (*parts, *others.values(), *_lookers())):
        if size := shelf.unfinished(repository):
            said = f"{_size(size)} of a download of {repository} that did not end"
            yield Finding(NOTE, "Hub's cache", said, "The next use goes on from there.")


def _part(shelf: Any, place: Any, what: str, needs: dict[str, bool]) -> Iterator[Finding]:
    yield from _download(shelf, place, what, shelf.held(place, **needs))


def _others() -> dict[str, Any]:
    """The generators beside Show-o, which are whole pipelines, and where they are."""
    from .backends.hub import Place

    return {row.label: Place(row.part) for row in MODELS.values() if row.load}


def _lookers() -> tuple[Any, ...]:
    """Where those are that look at images besides the judges."""
    from .backends import safety, scorer

    return scorer.CLIP, safety.PLACE


def _scorer(shelf: Any) -> Iterator[Finding]:
    """What GenEval's scorer downloads: the official detector, and CLIP for colours."""
    from .backends.scorer import CLIP, CLIP_BYTES, DETECTOR_BYTES, official_file

    file = official_file(shelf.root)
    if file.is_file():
        yield Finding(OK, "GenEval's detector", f"{file}, {_size(file.stat().st_size)}")
    else:
        comes = f"is not here; its {_size(DETECTOR_BYTES)} come when it is first used"
        yield Finding(NOTE, "GenEval's detector", f"{file} {comes}")
    yield from _download(shelf, CLIP, "GenEval's colours", shelf.held(CLIP, tokenizer=True), CLIP_BYTES)


def _safety(shelf: Any) -> Iterator[Finding]:
    """What looks at a released model's images before others than this machine see them."""
    from .backends.safety import BYTES, PLACE

    yield from _download(shelf, PLACE, "safety checker", shelf.held(PLACE, tokenizer=False), BYTES)


def _download(shelf: Any, place: Any, what: str, held: Any, size: float | None = None) -> Iterator[Finding]:
    """What is here of ``place``; ``size`` are the bytes that it would download, where they are known."""
    if held.whole:
        yield Finding(OK, what, f"{place}, {_size(held.bytes)}")
    elif held.folder:
        remedy = f"Put it into {held.folder}." if shelf.root else "It is downloaded when it is next used."
        yield Finding(PROBLEM, what, f"{place} lacks {', '.join(held.missing)}", remedy)
    else:
        comes = f"its {_size(size)} come" if size else "it comes"
        away = f"is not in {shelf.root}" if shelf.root else f"is not downloaded; {comes} when it is first used"
        yield Finding(NOTE, what, f"{place} {away}")


# -- the embedded model


def _weights(mini: Path | None) -> Iterator[Finding]:
    """Every shipped weight by its hash, which the recipe beside it names."""
    from .backends import MINI, RECIPE, mismatches

    mini = mini or MINI
    rows = (*MODELS.values(), *VERIFIERS.values())
    ships = {row.part for row in rows if row.part and (row.backends is None or EMBEDDED in row.backends)} | {"magvit"}
    folders = sorted(ships | {recipe.parent.name for recipe in mini.glob(f"*/{RECIPE}")})
    wrong = []
    for folder in folders:
        wrong += list(_probed(folder, _hashed, mini / folder, stops=True))
    yield from wrong
    if wrong:
        return
    yield Finding(OK, "embedded weights", f"all {len(folders)} in {mini} are as their recipes say")
    for mismatch in mismatches(mini):
        yield Finding(PROBLEM, "embedded weights", f"{mismatch}.", "Take assets/mini from the repository again.")


def _hashed(folder: Path) -> Iterable[Finding]:
    from .backends.embedded import checked_hash

    checked_hash(folder)
    return ()


def _smoke(mini: Path | None) -> Iterator[Finding]:
    """A small run of PARM, from the weights to the winner's image."""
    from transformers.utils.logging import disable_progress_bar

    from .backends import load_backend
    from .evaluation.entries import of_split
    from .run.state import RunState
    from .search import search

    disable_progress_bar()
    begun = perf_counter()
    backend = load_backend(EMBEDDED, root=mini)
    backend.warm_up()
    loaded = perf_counter()
    prompt = of_split("dev")[0]["prompt"]
    events = list(search("parm", backend, prompt, paths=2, steps=4, seed=0))
    ended = perf_counter()
    image = RunState.of(events).answer.picture
    shape, wanted = getattr(image, "shape", None), (*backend.picture_size, 3)
    if shape != wanted:
        yield Finding(PROBLEM, "embedded model", f"a run ends in an image of {shape}, not {wanted}", stops=True)
        return
    said = f"“{prompt}” by PARM, 2 paths of 4 steps: {ended - loaded:.1f} s, after {loaded - begun:.1f} s of loading"
    yield Finding(OK, "embedded model", said)


# -- the command


def lines(finding: Finding, width: int = 118) -> str:
    """A finding as aligned lines: state, what, what was found, and under it what to do."""
    head, margin = f"{finding.state:<9}{finding.what:<22} ", " " * 32
    lines = _wrapped(finding.said, head, margin, width) + _wrapped(
        finding.remedy, f"{margin}-> ", f"{margin}   ", width
    )
    return "\n".join(lines)


def _wrapped(text: str, first: str, others: str, width: int) -> list[str]:
    options = {"break_long_words": False, "break_on_hyphens": False}  # paths and commands stay whole
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=others, **options)


def main(options: argparse.Namespace) -> None:
    """Print all findings. Raises UserError where the embedded model cannot run."""
    found, width = [], max(70, min(118, shutil.get_terminal_size((118, 24)).columns))
    for finding in examine(options.smoke, options.assets):
        found.append(finding)
        if options.json != "-":
            print(lines(finding, width), flush=True)
    stopped = any(finding.stops for finding in found)
    if options.json:
        works = False if stopped else options.smoke or None  # what was not tried is not known
        text = json.dumps({"works": works, "findings": [asdict(one) for one in found]}, indent=1) + "\n"
        if options.json == "-":
            print(text, end="")
        else:
            write_text(options.json, text)
    if stopped:
        raise UserError("The embedded model cannot run here: see the problems above.")
    if options.json != "-":
        print("The embedded model works here: python app.py" if options.smoke else "Nothing was run (--no-run).")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-run", dest="smoke", action="store_false", help="do not paint with the embedded model")
    parser.add_argument(
        "--assets", type=Path, metavar="DIR", help="a folder with the Hub's repositories, as owner/name"
    )
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="FILE", help="the findings as JSON: into FILE, or in place of the lines"
    )
