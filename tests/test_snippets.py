"""What is copied from the page, read as the language it is written in: the settings come out as they went in."""

from __future__ import annotations

import ast
import json
import shlex
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from scripted import Studio

import cotdemo
from cotdemo import cli
from cotdemo.run.trace import Trace
from cotdemo.settings import SETTINGS, Settings
from cotdemo.ui.data import settings_of

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="there is no node")

ROOT = Path(__file__).parents[1]
URL = "https://example.org/some/path/"
SNIPPETS = """
import { readFileSync } from "node:fs";
const { snippetsOf } = await import(process.argv[1]);
const { forms, place, known } = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(forms.map((form) => Object.fromEntries(snippetsOf(form, place, known)))));
"""
PROMPTS = (
    "a photo of two red apples",
    'it\'s "quoted" `here` and $HOME $(touch x) ${y}',
    "--seed 5",
    "-h",
    "; rm -rf ~ #",
    "' ; touch x; '",
    "\\' \\\\ \\n {braces} {{twice}} %s %(x)s",
    '"""); import os; os.abort() #',
    "</script><img src=x onerror=alert(1)> & ?a=b&prompt=c#d + %2B",
    "ein Hase für Zoë 🍎 日本語",
    "\u00ad\u200bunseen\ufeff!",
    "!history ^caret * ~ [a-z]",
)


def form_of(prompt: str, **more: object) -> dict[str, object]:
    form = {"backend": "mini", "method": "parm++", "model": "base", "paths": 3, "steps": 4, "guidance": 1.75}
    return {"prompt": prompt, **form, "temperature": 0.30000000000000004, "seed": 4294967295, **more}


def snippets(*forms: dict[str, object], mcp: bool = True) -> list[dict[str, str]]:
    given = json.dumps({"forms": forms, "place": {"url": URL, "mcp": mcp}, "known": settings_of("mini")})
    module = (ROOT / "cotdemo" / "ui" / "web" / "snippets.js").as_uri()
    command = [NODE, "--input-type=module", "-e", SNIPPETS, module]
    done = subprocess.run(command, input=given, capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def copied() -> list[tuple[Settings, dict[str, str]]]:
    forms = [
        *(form_of(prompt) for prompt in PROMPTS),
        form_of("a photo of a dog", judge_from=3, stopping="lenient", repaint="region", checklist=False),
    ]
    return [(Settings.checked(**form), made) for form, made in zip(forms, snippets(*forms))]


def literals(call: ast.Call) -> dict[str, object]:
    return {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}


def calls(code: str, name: str) -> list[ast.Call]:
    found = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    return [call for call in found if getattr(call.func, "attr", getattr(call.func, "id", "")) == name]


def test_the_link_holds_the_settings(copied):
    for settings, made in copied:
        address = urlsplit(made["Link"])
        assert f"{address.scheme}://{address.netloc}{address.path}" == URL and address.fragment == ""
        query = dict(parse_qsl(address.query, strict_parsing=True))
        asked = {name: SETTINGS[name].kind.parse(name, text) for name, text in query.items()}
        assert Settings.checked(backend="mini", **asked) == settings


def test_the_python_runs_the_same_search(copied, monkeypatch, tmp_path):
    monkeypatch.setattr(cotdemo, "load_backend", lambda name: Studio(name=name), raising=False)
    monkeypatch.chdir(tmp_path)
    for settings, made in copied:
        space: dict[str, object] = {}
        exec(compile(made["Python"], "copied", "exec"), space)
        assert Trace.load("trace.json").started.settings == settings
        assert len(space["rows"]) >= settings.steps
    assert [file.name for file in tmp_path.iterdir()] == ["trace.json"]


def test_the_command_line_asks_for_the_same_settings(copied):
    for settings, made in copied:
        program, *words = shlex.split(made["Shell"])
        assert (program, words[:3]) == ("python", ["-m", "cotdemo", "generate"])
        options = cli._parser("generate").parse_args(words[2:])
        assert cli._settings(options, options.prompt, options.seed) == settings


@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no shell")
def test_a_shell_reads_the_command_line_as_written(copied, tmp_path):
    echo = f"{shlex.quote(sys.executable)} -c 'import json, sys; print(json.dumps(sys.argv[1:]))'"
    for _, made in copied:
        line = made["Shell"].replace("python -m cotdemo", echo, 1)
        done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert json.loads(done.stdout) == shlex.split(made["Shell"])[3:]
    assert list(tmp_path.iterdir()) == []


def test_the_client_asks_this_page_for_the_same_settings(copied):
    for settings, made in copied:
        (client,) = calls(made["Client"], "Client")
        assert ast.literal_eval(client.args[0]) == URL
        (predict,) = calls(made["Client"], "predict")
        asked = literals(predict)
        assert asked.pop("api_name") == "/generate"
        assert Settings.checked(backend="mini", **asked) == settings


def test_an_agent_is_told_of_where_there_is_a_server_for_it():
    (made,) = snippets(form_of("a dog"))
    (without,) = snippets(form_of("a dog"), mcp=False)
    assert json.loads(made["MCP"])["mcpServers"]["cotdemo"]["url"] == URL + "gradio_api/mcp/"
    assert "MCP" not in without


def test_emptied_fields_take_their_defaults():
    (made,) = snippets(form_of("a dog", seed=None, steps=None))
    assert "seed" not in made["Link"] and "--steps" not in made["Shell"]
    assert "seed" not in literals(calls(made["Python"], "search")[0])


def test_keys_that_a_terminal_would_obey_are_not_copied():
    for made in snippets(form_of("a\x03\nrm x\x1b[201~\x7f\x9b"), form_of("a\r\nb")):
        for code in made.values():
            assert not [key for key in code if unicodedata.category(key) == "Cc" and key != "\n"]
        assert made["Shell"].count("\n") == 1
