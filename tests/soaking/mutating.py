"""Part ``mutations``: each of ``mutations.MUTATIONS`` is applied to a copy of the package, and its tests are to fail.

A mutation counts as noticed where pytest says that a test failed, or where its tests do not end; not where they could
not be run. Before the first one the tests are run on the copy as it is: they must pass there.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Literal

from . import ROOT
from .figures import Budget, Report
from .mutations import MUTATIONS, Mutation

Outcome = Literal["noticed", "survived", "not run"]
NOTICED, OF = 58, 60
COPIED = ("cotdemo", "tests")  # what is altered, and what must not be found through a link to what is not
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".pytest_cache", ".hypothesis")
HEAVY = ["torch", "transformers", "diffusers", "gradio", "hypothesis", "playwright.sync_api", "PIL.Image", "pytest"]
SLOWER = 20  # times as long as without the mutation its tests may take
PATIENCE = 120.0  # seconds, and so long in any case


def soak(budget: Budget) -> Report:
    """Raises nothing for a mutation that does not apply: it counts as one that was not run, and is named."""
    report = Report()
    multiprocessing.set_forkserver_preload(HEAVY)  # once: of each start it is nearly all
    chosen = spread(chosen_by(budget.only), budget.many(OF))
    with TemporaryDirectory(prefix="cotdemo-mutations-") as folder:
        copy = copied(Path(folder))
        begun = time.monotonic()
        status, said = run_tests(copy, sorted({test for one in chosen for test in one.tests}), max(60.0, budget.left))
        patience = max(PATIENCE, SLOWER * (time.monotonic() - begun))
        if status:
            report.notes.append(f"The tests fail without any mutation:\n{said[-2000:]}")
            chosen = []
        found: dict[Outcome, int] = {"noticed": 0, "survived": 0, "not run": 0}
        for mutation in chosen:
            if budget.over:
                report.notes.append("The time was over before all were tried.")
                break
            outcome, said = tried(copy, mutation, patience)
            found[outcome] += 1
            if outcome != "noticed":
                report.notes.append(f"{outcome}: {mutation.name} ({mutation.file}){said}")
    asked = math.floor(len(chosen) * NOTICED / OF)
    report.add("noticed", found["noticed"], least=max(1, asked), note=f"of {len(chosen)}")
    report.add("survived", found["survived"])
    report.add("could not be run", found["not run"], most=0)
    return report


def chosen_by(words: str) -> list[Mutation]:
    """Those with one of ``words``, which commas separate, in their name, file or tests; all for ""."""
    said = {one.name: f"{one.name} {one.file} {' '.join(one.tests)}" for one in MUTATIONS}
    return [one for one in MUTATIONS if any(word in said[one.name] for word in words.split(","))]


def spread(mutations: Sequence[Mutation], many: int) -> list[Mutation]:
    """So many of them, of all files."""
    many = min(many, len(mutations))
    return [mutations[number * len(mutations) // many] for number in range(many)]


def copied(folder: Path) -> Path:
    """The repository in ``folder``: what a mutation or a test touches as a copy, the rest by links."""
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=LEFT_OUT)
    for there in ROOT.iterdir():
        if there.name not in (*COPIED, ".git") and not there.name.startswith(".venv"):
            (folder / there.name).symlink_to(there)
    return folder


def applied(source: str, mutation: Mutation) -> str:
    """The mutated source. Raises ValueError unless the text stands there exactly once."""
    if source.count(mutation.text) != 1:
        raise ValueError(f"stands there {source.count(mutation.text)} times: {mutation.text!r}")
    return source.replace(mutation.text, mutation.instead)


def tried(copy: Path, mutation: Mutation, patience: float) -> tuple[Outcome, str]:
    """What becomes of one mutation, and why it could not be run; the copy is afterwards as before."""
    file = copy / "cotdemo" / mutation.file
    source = file.read_text(encoding="utf-8")
    try:
        file.write_text(applied(source, mutation), encoding="utf-8")
        status, said = run_tests(copy, mutation.tests, patience)
    except ValueError as error:
        return "not run", f": {error}"
    finally:
        file.write_text(source, encoding="utf-8")
    if status in (None, 1):  # it does not end, or a test has failed
        return "noticed", ""
    return ("survived", "") if status == 0 else ("not run", f": pytest ended with {status}:\n{said[-800:]}")


def run_tests(root: Path, tests: Sequence[str], seconds: float) -> tuple[int | None, str]:
    """Exit status of pytest and what it printed; None where it took longer than ``seconds``.

    Each time in a process of its own, which has what is ``HEAVY`` from its parent and imports the package anew.
    """
    with NamedTemporaryFile("r", prefix="cotdemo-pytest-") as said:
        process = multiprocessing.get_context("forkserver").Process(target=_pytest, args=(str(root), tests, said.name))
        process.start()
        process.join(seconds)
        late = process.is_alive()
        if late:
            process.kill()
            process.join()
        return (None if late else process.exitcode), said.read()


def _pytest(root: str, tests: Sequence[str], said: str) -> None:
    with open(said, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    for name in [name for name in os.environ if name.startswith(("PYTHONPATH", "PYTEST_"))]:
        del os.environ[name]
    # compiled files go by the second of a change and its size: a mutation may have both of the text before it
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    sys.dont_write_bytecode = True
    os.chdir(root)
    own = (ROOT, ROOT / "tests")  # and not the packages, which may lie in the repository, too
    sys.path[:] = [root, *(place for place in sys.path if place and Path(place).resolve() not in own)]
    for name in [name for name in sys.modules if name.split(".")[0] in ("cotdemo", "soaking")]:
        del sys.modules[name]  # they are those of the repository
    import pytest

    options = ["-q", "-x", "-n", "0", "-p", "no:cacheprovider", "--no-header"]
    status = int(pytest.main([*options, *(f"tests/{test}" for test in tests)]))
    sys.stdout.flush()
    os._exit(status)
