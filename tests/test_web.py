"""The page's modules without a browser: their own tests, by node."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
@pytest.mark.parametrize("file", sorted(Path(__file__).parent.glob("*.test.js")), ids=lambda file: file.name)
def test_modules_do_what_their_tests_say(file):
    ended = subprocess.run(["node", "--test", file.name], cwd=file.parent, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stdout
