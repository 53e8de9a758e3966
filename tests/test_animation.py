"""A run as a moving image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cotdemo import cli
from cotdemo.errors import UserError
from cotdemo.run.animation import CROWN, MOST_FRAMES, STOPPED, frames, save
from cotdemo.run.events import Critiqued, PathPruned, RoundStarted, StepDecoded
from cotdemo.run.trace import Trace

RUNS = sorted((Path(__file__).parents[1] / "assets" / "runs").glob("*.json"))


def has(image: Image.Image, colour: tuple[int, int, int]) -> bool:
    return bool((np.asarray(image) == colour).all(-1).any())


@pytest.mark.parametrize("file", RUNS, ids=lambda file: file.stem)
def test_a_run_moves_step_by_step_and_ends_with_its_crown(file):
    trace = Trace.load(file)
    made = list(frames(trace))
    steps = {(event.round, event.step) for event in trace.events if isinstance(event, StepDecoded)}
    words = sum(isinstance(event, Critiqued) for event in trace.events)
    rounds = sum(isinstance(event, RoundStarted) for event in trace.events)
    assert len(made) >= len(steps) + words + rounds
    assert len({frame.image.size for frame in made}) == 1
    assert has(made[-1].image, CROWN)
    assert has(made[-1].image, STOPPED) or not any(
        isinstance(event, PathPruned) and event.round == trace.winner.round for event in trace.events
    )


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_the_command_writes_a_file_that_plays(tmp_path, suffix, capsys):
    out = tmp_path / f"run{suffix}"
    assert cli.main(["animate", str(RUNS[0]), str(out)]) == 0
    with Image.open(out) as image:
        assert image.n_frames > 10 and image.info["loop"] == 0
    assert "kB" in capsys.readouterr().out


def test_another_kind_of_file_is_refused(tmp_path):
    with pytest.raises(UserError, match=".gif or .webp"):
        save(Trace.load(RUNS[0]), tmp_path / "run.mp4")


def test_a_trace_without_images_is_refused(tmp_path):
    trace = Trace.load(RUNS[0])
    bare = [replace(event, picture=None) if isinstance(event, StepDecoded) else event for event in trace.events]
    with pytest.raises(UserError, match="no images"):
        save(Trace.of(bare), tmp_path / "run.gif")


def test_a_trace_whose_steps_come_in_another_order_has_no_more_frames_than_sensible(monkeypatch):
    """By paths in place of steps, a small file would have thousands, and take gigabytes."""
    trace = Trace.load(RUNS[0])
    assert len(list(frames(trace))) < MOST_FRAMES
    steps = sorted((e for e in trace.events if isinstance(e, StepDecoded)), key=lambda e: (e.round, e.path, e.step))
    events = [*trace.events[:2], *steps, *(e for e in trace.events[2:] if not isinstance(e, StepDecoded))]
    altered = Trace.from_json(Trace.of(events).to_json())
    assert len(steps) > 60
    monkeypatch.setattr("cotdemo.run.animation.MOST_FRAMES", 20)
    made = list(frames(altered))
    assert 10 < len(made) <= 21 and has(made[-1].image, CROWN)
