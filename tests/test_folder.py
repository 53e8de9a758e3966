"""What visitors upload lies in a folder of the process's own, and goes with it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from soaking.asking import values

from cotdemo.ui.folder import VARIABLE, own_folder

ROOT = Path(__file__).parents[1]


def test_a_folder_is_there_within_the_one_named_and_gone_afterwards(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "above"))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError), own_folder() as place:
        assert os.environ[VARIABLE] == str(place) and place.parent == tmp_path / "above"
        (place / "uploaded.json").write_text("{}")
        raise ZeroDivisionError
    assert os.listdir(tmp_path / "above") == [] and os.environ[VARIABLE] == str(tmp_path / "above")
    assert signal.getsignal(signal.SIGTERM) is before


def under_way(address: str, asked: list) -> None:
    with contextlib.suppress(httpx.HTTPError):
        httpx.post(f"{address}/gradio_api/run/generate", json={"data": asked}, timeout=120)


def is_painting(address: str) -> bool:
    health = httpx.get(f"{address}/health", timeout=60).json()
    return health["status"] == "ready" and health["in_line"] > 0


@pytest.fixture
def served(tmp_path):
    """Two apps that are told the same folder."""
    apps = []
    for _ in range(2):
        app = subprocess.Popen(
            [sys.executable, "-u", "app.py"], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=os.environ | {VARIABLE: str(tmp_path), "GRADIO_ANALYTICS_ENABLED": "False"},
        )  # fmt: skip
        apps.append((app, address_of(app)))
    yield apps
    for app, _ in apps:
        app.kill()
        app.wait()


def address_of(app) -> str:
    patience = threading.Timer(240, app.kill)
    patience.start()
    for line in app.stdout:
        if found := re.search(r"http://\S+", line):
            patience.cancel()
            return found.group().rstrip("/")
    raise AssertionError("the app ended before it served")


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal there")
def test_uploads_are_served_by_nobody_else_and_end_with_the_process(served, tmp_path):
    (first, one), (second, other) = served
    (name,) = httpx.post(f"{one}/gradio_api/upload", files={"files": ("mine.json", b"{}")}, timeout=60).json()
    assert Path(name).exists() and tmp_path in Path(name).parents
    assert httpx.get(f"{one}/gradio_api/file={name}", timeout=60).status_code == 200
    assert httpx.get(f"{other}/gradio_api/file={name}", timeout=60).status_code in (403, 404)
    assert len(os.listdir(tmp_path)) == 2
    asked = values(prompt="a photo of a dog", method="orm", paths=16, steps=50, seed=1)
    threading.Thread(target=under_way, args=(one, asked), daemon=True).start()
    until = time.monotonic() + 120
    while not is_painting(one) and time.monotonic() < until:
        time.sleep(0.2)
    time.sleep(1)
    assert is_painting(one)  # when it is told to end
    for app in (first, second):
        app.send_signal(signal.SIGTERM)
        assert app.wait(60) == 128 + signal.SIGTERM
    assert os.listdir(tmp_path) == []
