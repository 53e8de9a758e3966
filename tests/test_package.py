"""``pip install .``: what is installed is all that the repository has of the package, weights and figures among it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from cotdemo import __version__, cli

ROOT = Path(__file__).parents[1]
MADE = shutil.ignore_patterns("__pycache__", "*.pyc", "*.pyi", ".*")  # by Python and Gradio, or not looked at


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The package as it is installed, built from a copy of what it is made of."""
    pytest.importorskip("setuptools", reason="setuptools builds the package")
    copy = tmp_path_factory.mktemp("copy")
    for name in ("cotdemo", "assets"):
        shutil.copytree(ROOT / name, copy / name, ignore=MADE)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "requirements.txt", "requirements-gpu.txt"):
        shutil.copy(ROOT / name, copy)
    (copy / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "tools.txt", copy / "tests")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-q"]
    subprocess.run([*build, "-w", str(copy / "wheel"), str(copy)], check=True, timeout=300)
    with zipfile.ZipFile(next((copy / "wheel").glob("*.whl"))) as opened:
        yield copy, opened


def test_every_file_is_installed(wheel):
    copy, opened = wheel
    files = {file.relative_to(copy).as_posix() for name in ("cotdemo", "assets") for file in (copy / name).rglob("*.*")}
    files = {file for file in files if (copy / file).is_file()}
    wanted = {f"cotdemo/{file}" if file.startswith("assets/") else file for file in files}
    assert wanted - set(opened.namelist()) == set()
    assert {"cotdemo/ui/web/viewer.js", "cotdemo/assets/mini/magvit/config.json"} <= wanted


def test_it_asks_for_what_the_files_of_requirements_do(wheel):
    _, opened = wheel
    (name,) = (name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
    told = message_from_bytes(opened.read(name))
    asked = [Requirement(line) for line in told.get_all("Requires-Dist")]
    always = {(one.name, str(one.specifier)) for one in asked if one.marker is None}
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert always == {(one.name, str(one.specifier)) for one in map(Requirement, filter(None, lines))}
    assert set(told.get_all("Provides-Extra")) == {"gpu", "test"}
    assert told["Requires-Python"] == ">=3.10" and told["Version"] == __version__


def test_it_is_a_command_and_finds_its_assets(wheel, tmp_path):
    _, opened = wheel
    opened.extractall(tmp_path)
    (script,) = (name for name in opened.namelist() if name.endswith(".dist-info/entry_points.txt"))
    assert "cotdemo = cotdemo.cli:main" in opened.read(script).decode()
    code = "import cotdemo.files as files; print(files.ASSETS, sorted(one.name for one in files.ASSETS.iterdir()))"
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)},
                         capture_output=True, text=True, check=True)  # fmt: skip
    assert run.stdout.startswith(str(tmp_path / "cotdemo" / "assets")) and "'mini'" in run.stdout


def test_who_cites_it_cites_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == __version__ and cited["license"] == "Apache-2.0"
    assert "2501.13926" in cited["references"][0]["url"] and len(cited["references"][0]["authors"]) == 12


def test_what_contributors_are_told_to_run_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (ROOT / link).exists(), link
    for command in re.findall(r"python -m cotdemo (\w+)", text):
        assert command == "train" or cli._parser(command)
    assert (ROOT / "tests" / "test_search.py").is_file()
