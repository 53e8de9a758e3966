"""A run as a moving image: every path as a tile that fills, is stopped, crowned, criticised and corrected.

``python -m cotdemo animate TRACE OUT.gif`` (or ``.webp``) makes one of a trace; that at the top of README is of a
recorded run.
"""

from __future__ import annotations

import argparse
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..errors import UserError
from ..files import whole_file
from .events import Critiqued, Event, Judged, PathPruned, RunStarted, StepDecoded, Winner
from .prose import prose
from .said import BAD_LOT, NOT_JUDGED, chances, standing
from .state import PathState, RoundState, RunState
from .trace import Trace

TILE, GAP, MARGIN = 136, 12, 16  # pixels
HEAD, FOOT = 36, 34
GROUND, INK, FAINT = (250, 250, 252), (24, 24, 32), (110, 112, 124)
VEIL = (226, 228, 236)  # over tokens that are still masked
STOPPED, CROWN = (190, 30, 45), (214, 158, 0)
STEP_MS, TELL_MS, END_MS = 170, 1900, 3600
MOST_FRAMES = 120  # which two rounds of the most steps come near to; each takes a tenth of a second and a megabyte
FORMATS = {".gif": "GIF", ".webp": "WEBP"}


@dataclass(frozen=True)
class Frame:
    image: Image.Image
    milliseconds: int


def save(trace: Trace, file: Path) -> None:
    """Write the animation of a trace, whole or not at all.

    Raises UserError for another kind of file, or a trace without images.
    """
    if file.suffix.lower() not in FORMATS:
        raise UserError(f"An animation is a file of {' or '.join(FORMATS)}, not {file.name}.")
    made = animated(trace, FORMATS[file.suffix.lower()])
    with whole_file(file) as opened:
        opened.write(made)


def animated(trace: Trace, form: str = "GIF") -> bytes:
    """The animation of a trace as a file of that form. Raises UserError for a trace without images."""
    # held with a byte a pixel, and given in colour one by one where the form takes them so
    made = [(frame.image.quantize(96, dither=Image.Dither.NONE), frame.milliseconds) for frame in frames(trace)]
    if not made:
        raise UserError("This trace holds no images, so there is nothing to animate.")
    images, durations = (image.convert("RGB") for image, _ in made), [milliseconds for _, milliseconds in made]
    file, first = io.BytesIO(), next(images)
    others = images if form == "GIF" else list(images)
    first.save(file, form, save_all=True, append_images=others, duration=durations, loop=0)
    return file.getvalue()


def still(state: RunState) -> Image.Image:
    """How a run ends: the round of its answer, which it must have, with all attempts."""
    return _draw(state, state.rounds[state.answer.round], _said(state, None))


def frames(trace: Trace) -> Iterator[Frame]:
    """The frames of a run: one a step, and one for each thing that is to be read; of more than ``MOST_FRAMES`` some.

    A trace may hold its steps in any order, each of them a moment of its own.
    """
    state = RunState()
    events = trace.events
    if not any(isinstance(event, StepDecoded) and event.picture is not None for event in events):
        return
    durations = [_duration(event, following) for event, following in zip(events, (*events[1:], None))]
    every, moments = math.ceil(sum(map(bool, durations)) / MOST_FRAMES), 0
    for event, milliseconds in zip(events, durations):
        state.apply(event)
        moments += bool(milliseconds)
        if milliseconds and moments % every == 0:
            yield Frame(_draw(state, _round_of(state, event), _said(state, event)), milliseconds)
    yield Frame(still(state), END_MS)


def _duration(event: Event, following: Event | None) -> int:
    """How long the state after an event is shown; 0 where the next event belongs to the same moment."""
    if isinstance(event, (Winner, Critiqued)):
        return TELL_MS
    ended = isinstance(event, (StepDecoded, Judged, PathPruned)) and (
        not isinstance(following, (StepDecoded, Judged, PathPruned)) or following.step != event.step
    )
    return STEP_MS if ended else 0


def _round_of(state: RunState, event: Event) -> RoundState:
    return state.rounds[getattr(event, "round", 0)]


def _said(state: RunState, event: Event | None) -> str:
    """One sentence on what is seen."""
    round = state.rounds[state.answer.round] if event is None else _round_of(state, event)
    total = len(round.paths)
    stopped = sum(path.pruned is not None for path in round.paths)
    if event is None or isinstance(event, Winner):
        winner = state.answer if event is None else event
        called = standing(round)
        if called == NOT_JUDGED:
            return "one attempt, painted: " * (total == 1) + NOT_JUDGED
        tried = len(round.tried)
        those = "" if tried < total else " of the others"
        best = called if called == BAD_LOT else f"the best{those} chosen"
        words = f"{stopped} of {total} stopped early, {best}" if those else f"{tried} of {total} painted, {best}"
        if winner.round:
            words = f"painted again, {called}" if called == BAD_LOT else "mended"
        return f"{words}: the judge is {chances(winner.p_yes)} sure"
    if isinstance(event, Critiqued):
        return f"the critique: “{prose(event.text)}”"
    step = getattr(event, "step", -1) + 1
    begin = f"repainted from “{prose(round.critique)}”, " if round.critique else ""
    return f"{begin}step {step} of {state.settings.steps}" + (f" · {stopped} of {total} stopped" if stopped else "")


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _draw(state: RunState, round: RoundState, said: str) -> Image.Image:
    columns = min(4, len(round.paths))
    rows = -(-len(round.paths) // columns)
    width = max(2 * MARGIN + columns * (TILE + GAP) - GAP, 460)
    image = Image.new("RGB", (width, HEAD + rows * (TILE + GAP) + FOOT + MARGIN), GROUND)
    pen = ImageDraw.Draw(image)
    pen.text((MARGIN, 10), f"“{state.settings.prompt}”", fill=INK, font=_font(17))
    left = (width - columns * (TILE + GAP) + GAP) // 2
    for path in round.paths:
        row, column = divmod(path.path, columns)
        place = (left + column * (TILE + GAP), HEAD + 6 + row * (TILE + GAP))
        _tile(image, pen, place, state, round, path)
    pen.text((MARGIN, HEAD + rows * (TILE + GAP) + 8), said, fill=INK, font=_font(16))
    return image


def _tile(
    image: Image.Image, pen: ImageDraw.ImageDraw, place: tuple[int, int], state: RunState, round: RoundState,
    path: PathState,
) -> None:  # fmt: skip
    box = (*place, place[0] + TILE, place[1] + TILE)
    if path.last is None or path.last.event.picture is None:
        pen.rectangle(box, fill=VEIL)
        return
    event = path.last.event
    pixels = Image.fromarray(event.picture).resize((TILE, TILE), Image.Resampling.LANCZOS)
    if event.step + 1 < path.asked:  # what is masked after the last step is drawn in it all the same
        pixels.paste(VEIL, mask=_veil(event, state.started))
    won, stopped = round.winner is not None and round.winner.path == path.path, path.pruned is not None
    if stopped or (round.winner is not None and not won):
        pixels = Image.blend(pixels, Image.new("RGB", pixels.size, GROUND), 0.62)
    image.paste(pixels, place)
    if won:
        pen.rectangle([box[0] - 4, box[1] - 4, box[2] + 3, box[3] + 3], outline=CROWN, width=4)
    elif stopped:
        pen.line([(box[0] + 8, box[1] + 8), (box[2] - 8, box[3] - 8)], fill=STOPPED, width=4)
        pen.line([(box[2] - 8, box[1] + 8), (box[0] + 8, box[3] - 8)], fill=STOPPED, width=4)


def _veil(event: StepDecoded, started: RunStarted) -> Image.Image:
    """How strongly each pixel of a tile is veiled: its token is masked again after the step."""
    masked: np.ndarray = np.zeros(started.grid, np.uint8)
    masked.flat[list(event.masked)] = 200
    return Image.fromarray(masked).resize((TILE, TILE), Image.Resampling.NEAREST)


def main(arguments: argparse.Namespace) -> None:
    """Make an animation of a trace file."""
    save(Trace.load(arguments.trace), arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e3:.0f} kB", flush=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trace", type=Path, metavar="TRACE", help="a trace.json, as generate and the page save it")
    parser.add_argument("out", type=Path, metavar="OUT", help="the file to write: .gif or .webp")
