"""The ways to start: the notebook's cells run, and what the Dockerfile, the front matter and the docs name is there."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from huggingface_hub import SpaceHardware

from cotdemo import cli
from cotdemo.files import ASSETS
from cotdemo.registry import BACKENDS

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "notebook.ipynb"
START = (ROOT / "docs" / "start.md").read_text(encoding="utf-8")

# A notebook's program gives every cell one namespace and ``display``; what that would show is counted.
_RUN = """
import json, sys
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt

shown = []
plt.show = lambda: (shown.append([len(axes.images) for axes in plt.gcf().axes]), plt.close("all"))
names = {"__name__": "__main__", "display": lambda image: shown.append(list(image.size))}
for cell in json.load(sys.stdin):
    exec(compile(cell, "cell", "exec"), names)
print(json.dumps({"shown": shown, "status": names["status"], "prompt": names["trace"].started.settings.prompt}))
"""


def cells(kind: str) -> list[str]:
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == kind]


def commands(text: str) -> list[list[str]]:
    """The words of every command in the text's fenced blocks."""
    blocks = re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [part for block in blocks for line in block.splitlines() for part in line.split(" && ")]
    return [shlex.split(line) for line in lines]


# -- the notebook


def test_the_notebook_is_one_of_the_fourth_format_and_holds_no_outputs():
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert content["nbformat"] == 4 and content["metadata"]["colab"]["gpuType"] == "T4"
    assert len({cell["id"] for cell in content["cells"]}) == len(content["cells"])
    for cell in content["cells"]:
        assert cell["cell_type"] == "markdown" or (cell["outputs"], cell["execution_count"]) == ([], None)


def test_the_notebook_installs_what_the_repository_asks_for():
    magics = [line for cell in cells("code") for line in cell.splitlines() if line.startswith(("%", "!"))]
    assert magics == ["%pip install --quiet -r requirements.txt"] and (ROOT / "requirements.txt").is_file()


def test_the_cells_of_the_notebook_run_in_order_with_the_embedded_model(tmp_path):
    """Started in a folder beside the package's, as from ``examples``; what it writes goes there and not here."""
    for name in ("cotdemo", "assets", "requirements.txt"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "examples").mkdir()
    python = [cell for cell in cells("code") if not cell.startswith("%")]
    done = subprocess.run(
        [sys.executable, "-c", _RUN], input=json.dumps(python), cwd=tmp_path / "examples", capture_output=True,
        text=True, timeout=600, env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HOME": str(tmp_path / "hub")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    grid, frame, other = result["shown"]
    assert result["status"] == 0 and len(grid) == 4 * 6 and sum(grid) > 8 and len(frame) == 2 and other == [1]
    assert "The embedded model works here" in done.stdout and "wins with P(yes)" in done.stdout
    assert json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))


def test_where_there_is_no_repository_the_notebook_clones_it(tmp_path, monkeypatch):
    asked = []

    def clone(command, check):
        asked.append(command)
        Path(command[-1]).mkdir()

    monkeypatch.setattr(subprocess, "run", clone)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    exec(compile(cells("code")[0], "cell", "exec"), {})
    assert [command[:2] for command in asked] == [["git", "clone"]] and Path.cwd().parent == tmp_path
    assert sys.path[0] == str(Path.cwd())


def test_what_the_notebook_offers_of_the_released_models_is_offered():
    (line,) = (line for cell in cells("code") for line in cell.splitlines() if line.startswith("BACKEND"))
    named = re.findall(r'"([^"]+)"', line)
    assert named[::2] == ["mini", "show-o", "show-o"] and named[1::2] == ["baseline", "baseline", "parm"]
    assert set(named[::2]) <= set(BACKENDS)


# -- the container


def instructions() -> list[tuple[str, str]]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def given(name: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == name]


def left_out(path: str) -> bool:
    """Whether .dockerignore keeps a path of the repository from the image: the last line that fits decides."""
    out = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.lstrip("!")
        if line and not line.startswith("#") and (fnmatch(path, pattern) or path.startswith(f"{pattern}/")):
            out = not line.startswith("!")
    return out


def copied() -> set[str]:
    return {source for line in given("COPY") for source in line.split()[:-1]}


def test_what_the_image_copies_is_in_the_repository_and_not_ignored():
    assert copied() == {"requirements.txt", "requirements-gpu.txt", "app.py", "assets", "cotdemo"}
    for source in copied():
        assert (ROOT / source).exists() and not left_out(source), source
    assert left_out("tests/conftest.py") and left_out(".git") and left_out("cotdemo/ui/__pycache__")
    assert not left_out("assets/mini/showo/config.json")


def test_everything_the_page_reads_of_the_repository_is_copied():
    """What lies beside the package and its modules name."""
    beside = re.compile(r'Path\(__file__\)\.parents\[(\d)\] / "([\w.]+)"')
    named = {
        name
        for file in (ROOT / "cotdemo").rglob("*.py")
        for up, name in beside.findall(file.read_text("utf-8"))
        if file.parents[int(up)] == ROOT
    }
    assert named and named | {ASSETS.relative_to(ROOT).name} <= copied()


def test_the_image_is_for_a_processor_unless_an_argument_says_otherwise():
    assert given("ARG") == ["TORCH=cpu"]
    (install,) = (line for line in given("RUN") if "requirements.txt" in line)
    assert '--torch-backend "$TORCH" -r requirements.txt' in install
    python = given("FROM")[0].removeprefix("python:").removesuffix("-slim")
    assert python == front_matter()["python_version"]


def test_the_page_runs_as_a_user_without_rights_at_the_port_that_is_checked():
    order = [instruction for instruction, _ in instructions()]
    assert given("USER") == ["user"] and order.index("USER") < order.index("CMD")
    (command,) = map(json.loads, given("CMD"))
    (port,) = given("EXPOSE")
    assert command == ["python", "app.py", "--port", port]
    check = given("HEALTHCHECK")[0]
    program = json.loads(check[check.index("[") :])
    assert program[:2] == ["python", "-c"] and f"127.0.0.1:{port}/" in program[2]
    assert ast.parse(program[2])


def test_downloads_lie_in_a_volume_that_the_user_owns_and_the_page_is_heard_from_outside():
    told = dict(pair.split("=", 1) for line in given("ENV") for pair in line.split())
    (volume,) = given("VOLUME")
    assert told["HF_HOME"] == volume and told["GRADIO_SERVER_NAME"] == "0.0.0.0"
    assert any(f"mkdir {volume}" in line and f"chown user {volume}" in line for line in given("RUN"))


# -- Spaces and the docs


def front_matter() -> dict:
    _, front, _ = (ROOT / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(front)


def test_the_front_matter_is_a_spaces_and_names_what_is_here():
    front = front_matter()
    assert (ROOT / front["app_file"]).is_file() and front["sdk"] == "gradio"
    assert front["suggested_hardware"] in {hardware.value for hardware in SpaceHardware}


def test_the_hardware_that_the_docs_suggest_is_hardware_of_spaces():
    suggested = re.findall(r"suggested_hardware: ([\w-]+)", START)
    assert set(suggested) == {"cpu-basic", "l4x1", "zero-a10g"} <= {hardware.value for hardware in SpaceHardware}


def test_a_build_downloads_whole_repositories_as_a_file_that_one_lacks_would_fail_it():
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "released.md").read_text(encoding="utf-8"), re.DOTALL)
    wanted = yaml.safe_load(block)["preload_from_hub"]
    assert wanted and all(re.fullmatch(r"[\w-]+/[\w.-]+", repository) for repository in wanted)


def sections() -> list[str]:
    return [part for part in START.split("\n## ")[1:]]


@pytest.mark.parametrize("section", sections(), ids=lambda section: section.splitlines()[0])
def test_a_way_to_start_is_told_in_five_lines(section):
    told = [line for line in section.splitlines()[1:] if line.strip() and line != "```"]
    assert 3 <= len(told) <= 5


def test_the_programs_that_the_docs_name_take_these_arguments():
    asked = commands(START)
    assert ["python", "-m", "cotdemo", "doctor"] in asked and ["python", "app.py"] in asked
    for words in asked:
        inner = words[words.index("python") :] if "python" in words else []
        if inner[:3] == ["python", "-m", "cotdemo"]:
            assert cli._parser(inner[3]).parse_args(inner[3:])
        elif inner:
            assert (ROOT / inner[1]).is_file()


SCRIPTS = sorted(
    {
        name
        for page in (*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md")
        for name in re.findall(r"python tests/(\w+)\.py", page.read_text(encoding="utf-8"))
    }
)


# Each as if it were the first: nothing is known of the package, nor where it is.
ANEW = """
import importlib, sys
tests, *names = sys.argv[1:]
known = [tests, *sys.path[1:]]
for name in names:
    sys.path[:] = known
    for gone in [one for one in sys.modules if one.partition(".")[0] in ("cotdemo", "by_hand", *names)]:
        del sys.modules[gone]
    importlib.import_module(name)
    print(name)
"""


def test_the_scripts_that_the_docs_name_find_the_package_in_its_repository(tmp_path):
    """As they are started: by their paths, from anywhere, with nothing installed."""
    pytest.importorskip("playwright")
    bare = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-c", ANEW, str(ROOT / "tests"), *SCRIPTS]
    done = subprocess.run(command, cwd=tmp_path, env=bare, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, SCRIPTS), done.stderr[-1000:]


def test_containers_of_the_docs_are_the_dockerfiles():
    (volume,), (port,) = given("VOLUME"), given("EXPOSE")
    for words in (words for words in commands(START) if words[0] == "docker"):
        line = " ".join(words)
        assert words[1] in ("build", "run") and ("-v" not in words or f":{volume}" in line)
        assert "-p" not in words or f"-p {port}:{port}" in line
        assert "COTDEMO_BACKEND" not in line or re.search(r"COTDEMO_BACKEND=(\S+)", line)[1] in BACKENDS
        assert "--build-arg" not in words or words[words.index("--build-arg") + 1].partition("=")[0] == "TORCH"
    head = [
        line[2:].strip() for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines() if line[:2] == "# "
    ]
    told = {part.strip() for line in head if line.startswith("docker") for part in line.split("&&")}
    assert {" ".join(words) for words in commands(START) if words[0] == "docker"} - told == {
        "docker run --rm cotdemo python -m cotdemo doctor"
    }
