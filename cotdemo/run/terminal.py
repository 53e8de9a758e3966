"""A run while it is painted, in a terminal: every path is a tile that fills, drawn over itself at each step.

A character shows two pixels, one above the other, in the colours of ANSI terminals; without colour (``NO_COLOR``), what
is kept so far. Where the output is no terminal, each step is a line.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO

import numpy as np
from PIL import Image

from .events import QUESTIONS, Event, Judged, PathPruned, Progress, StepDecoded, Winner
from .said import NOT_JUDGED, chances, standing
from .state import PathState, RoundState, RunState

SIDE, GAP = 16, 2  # pixels of a tile, which are characters across, and half of them down; blanks between tiles
VEIL = (118, 120, 130)  # over tokens that are still masked
_KEPT = " ▄▀█"  # by (above, below) that are kept
_RESET = "\x1b[0m"
_TOLD = {"clarity": "clear", "potential": "can work", "outcome": "matches"}


class Screen:
    """The lower end of a terminal: a drawing that is drawn over, and lines that stay above the next one."""

    def __init__(self, out: TextIO):
        self.out, self.drawn, self.message = out, 0, ""
        self.colour = not os.environ.get("NO_COLOR")

    def draw(self, state: RunState) -> None:
        """The latest round, over what was drawn before."""
        size = shutil.get_terminal_size()
        lines = [self.message[: size.columns - 1]]
        lines += tiles(state, state.rounds[-1], size.columns, size.lines - 3, self.colour)
        back = f"\x1b[{self.drawn}F" if self.drawn else ""
        self._write(back + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
        self.drawn = len(lines)

    def say(self, line: str) -> None:
        """A line that stays; what is drawn next begins below it."""
        self.drawn = 0
        self._write(f"{line}\n")

    def status(self, message: str) -> None:
        """What is happening just now: the first line of the next drawing."""
        self.message = message

    def _write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()


def drawn(events: Iterable[Event], screen: Screen) -> Iterator[Event]:
    """Pass events on while drawing them: before whatever is computed next, and at a round's end."""
    state = RunState()
    for event in events:
        state.apply(event)
        if isinstance(event, Progress):
            screen.status(event.message)
        if isinstance(event, (Progress, Winner)) and state.steps:
            screen.draw(state)
        yield event


def in_lines(events: Iterable[Event], say: Callable[[str], None]) -> Iterator[Event]:
    """Pass events on while saying a line for each step, as soon as something else follows it."""
    state, at = RunState(), None
    for event in events:
        now = (event.round, event.step) if isinstance(event, (StepDecoded, Judged, PathPruned)) else None
        if not isinstance(event, Progress) and now != at:
            if at:
                say(_step(state, *at))
            at = now
        state.apply(event)
        yield event


def _step(state: RunState, round: int, step: int) -> str:
    """What a step of the latest wave came to: tokens that are kept, and which paths were found clear, hopeful, right,
    or were stopped."""
    wave = state.rounds[round].wave
    paths = [path for path in state.rounds[round].paths if step in path.steps and path.wave == wave]
    masked = min(len(path.steps[step].event.masked) for path in paths)
    total = len(paths[0].steps[step].event.codes)
    where = f"wave {wave + 1}, step" if wave else "step"
    said = [f"  {where} {step + 1} of {state.settings.steps}: {total - masked} of {total} tokens kept"]
    for question in QUESTIONS:
        answers = {path.path: path.steps[step].verdicts.get(question) for path in paths}
        yes = [f"{path} ({judged.p_yes:.2f})" for path, judged in answers.items() if judged and judged.answer == "yes"]
        said += [f"{_TOLD[question]}: {', '.join(yes)}"] if yes else []
    stopped = [str(path.path) for path in paths if path.pruned and path.pruned.step == step]
    return "; ".join([*said, *([f"stopped: {', '.join(stopped)}"] if stopped else [])])


def tiles(state: RunState, round: RoundState, columns: int, lines: int, colour: bool) -> list[str]:
    """The paths of a round as lines of characters, in as many rows of tiles as there is room for (at least one)."""
    across = max(1, (columns + GAP) // (SIDE + GAP))
    down = max(1, lines // (SIDE // 2 + 1))
    shown, drawn = round.paths[: across * down], []
    for first in range(0, len(shown), across):
        row = shown[first : first + across]
        blocks = [_tile(state, path, colour) for path in row]
        drawn += [(" " * GAP).join(parts) for parts in zip(*blocks)]
        drawn.append((" " * GAP).join(_caption(round, path)[:SIDE].ljust(SIDE) for path in row).rstrip())
    left = len(round.paths) - len(shown)
    return [*drawn, *([f"and {left} more"] if left else [])]


def _tile(state: RunState, path: PathState, colour: bool) -> list[str]:
    """The guess of the latest step, veiled where tokens are masked again."""
    kept: np.ndarray = np.zeros((SIDE, SIDE), bool)
    pixels: np.ndarray = np.full((SIDE, SIDE, 3), VEIL, np.uint8)
    if path.last is not None:
        event = path.last.event
        grid: np.ndarray = np.ones(state.started.grid, np.uint8)
        if event.step + 1 < path.asked:  # what is masked after the last step is drawn in it all the same
            grid.flat[list(event.masked)] = 0
        kept = np.asarray(Image.fromarray(grid).resize((SIDE, SIDE), Image.Resampling.NEAREST)) > 0
        if event.picture is not None:
            pixels = np.asarray(Image.fromarray(event.picture).resize((SIDE, SIDE), Image.Resampling.BOX))
    if not colour:
        return ["".join(_KEPT[2 * above + below] for above, below in zip(*pair)) for pair in _pairs(kept)]
    veiled = np.where(kept[..., None], pixels, pixels // 4 + np.uint8(VEIL) // 4 * 3)
    return ["".join(_block(above, below) for above, below in zip(*pair)) + _RESET for pair in _pairs(veiled)]


def _pairs(rows: np.ndarray) -> Iterator[tuple[list, list]]:
    return zip(rows[::2].tolist(), rows[1::2].tolist())


def _block(above: list[int], below: list[int]) -> str:
    return f"\x1b[38;2;{';'.join(map(str, above))};48;2;{';'.join(map(str, below))}m▀"


def _caption(round: RoundState, path: PathState) -> str:
    status = round.status(path.path)
    if status == "won":
        called = standing(round)
        return f"{path.path} {called}" + ("" if called == NOT_JUDGED else f" {chances(path.hope)}")
    if status == "pruned":
        return f"{path.path} stopped at {path.pruned.step + 1}"
    said = [judged for step in path.steps.values() for judged in step.verdicts.values()]
    return f"{path.path} {_TOLD[said[-1].question]} {chances(said[-1].p_yes)}" if said else str(path.path)
