"""requirements.txt: what is installed is admitted, and what is admitted has what the code asks for."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

LINES = (Path(__file__).parents[1] / "requirements.txt").read_text(encoding="utf-8").splitlines()
REQUIREMENTS = {one.name: one for one in map(Requirement, filter(None, LINES))}
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
