"""The page's modules without a browser: their own tests, by node."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cotdemo.ui.components import WEB


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
@pytest.mark.parametrize("file", sorted(Path(__file__).parent.glob("*.test.js")), ids=lambda file: file.name)
def test_modules_do_what_their_tests_say(file):
    ended = subprocess.run(["node", "--test", file.name], cwd=file.parent, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stdout


def test_no_class_is_styled_in_two_sheets():
    """All sheets are in the page at once: what two of them call the same is laid out by both."""
    sheets = {}
    for sheet in sorted(WEB.glob("*.css")):
        for name in set(re.findall(r"^\s*(?:\.cot )?\.(cot-[\w-]+) \{", sheet.read_text(), re.MULTILINE)):
            sheets.setdefault(name, []).append(sheet.name)
    assert {name: found for name, found in sheets.items() if len(found) > 1} == {}
