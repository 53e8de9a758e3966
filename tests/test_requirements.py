"""requirements.txt: what is installed is admitted, what is admitted has what the code asks for, CI's versions fit."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]


def read(name: str) -> dict[str, Requirement]:
    """The requirements in a file, by name."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    found = [Requirement(line) for line in lines if line and not line.startswith("-r")]
    return {canonicalize_name(one.name): one for one in found}


REQUIREMENTS = read("requirements.txt")
# The first release that has something which the code uses without asking whether it is there.
SINCE = {"gradio": ("6.27", "gr.Image(alt_text=...), on the Run tab")}


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_what_is_installed_is_admitted(name):
    assert REQUIREMENTS[name].specifier.contains(version(name).partition("+")[0], prereleases=True)


@pytest.mark.parametrize("name", SINCE)
def test_nothing_is_admitted_that_lacks_what_is_used(name):
    since, what = SINCE[name]
    lowest = max(Version(one.version) for one in REQUIREMENTS[name].specifier if one.operator in (">=", "=="))
    assert lowest >= Version(since), what


# -- what CI tests with


def exact(name: str) -> dict[str, str]:
    """The versions in a file of constraints, each of which is to be exact, from whatever index and for any platform."""
    found = {}
    for package, one in read(name).items():
        (specifier,) = one.specifier
        assert specifier.operator == "==" and one.url is None and "+" not in specifier.version, package
        found[package] = specifier.version
    return found


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-gpu.txt", "tests/tools.txt"])
def test_cis_versions_are_exact_and_admitted(file):
    versions = exact("tests/constraints.txt")
    for name, one in read(file).items():
        assert one.specifier.contains(versions[name]), name


def test_the_lowest_versions_are_those_that_are_admitted():
    lowest = exact("tests/lowest.txt")
    for name, one in (REQUIREMENTS | read("requirements-gpu.txt")).items():
        (bound,) = (part.version for part in one.specifier if part.operator == ">=")
        assert Version(lowest.pop(name)) == Version(bound), name
    assert lowest == {}


def test_the_gate_takes_its_versions_from_here():
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "tests/${1:-constraints}.txt" in gate and (ROOT / "tests" / "constraints.txt").is_file()
