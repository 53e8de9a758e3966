"""What can be opened, recorded runs and files, and what can be saved as text (``exports`` has the whole menu).

Whatever is opened brings its settings into the form, where this page can run them; nothing runs by itself.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from ..errors import UserError
from ..fields import THUMBNAIL, encode_image
from ..registry import METHODS
from ..run.png import SIGNATURE, read_png_settings, write_png
from ..run.state import RunState
from ..run.story import MENDED, story_of
from ..run.trace import Trace
from ..settings import Settings
from .form import Update, buttons, filled, left_out
from .session import Run, Runs, notice
from .standalone import standalone

log = logging.getLogger(__name__)

RECORDED = "A recorded run"
KEPT = "A run"  # that somebody has painted here
LEFT = "Its page was left, and it stopped there. Press Run to paint it again."
PATIENCE = 3.0  # seconds to wait for the end of a run whose page has been left
NOT_YET = "There is no image to reflect on yet: press Run first, or open a trace."
GONE = "The run that this address names is no longer kept here."
NO_LONGER = "This run is no longer kept here, and its settings are not either."
UNDER_WAY = "A run is under way: press Stop, or wait for it to end, and open it then."


class Keep:
    """``recorded`` are the runs that can be opened without a model, by name; the first is shown at first."""

    def __init__(self, backend: str, runs: Runs, recorded: Mapping[str, Trace]):
        self.backend = backend
        self.runs = runs
        self.recorded = recorded
        self.first = Run("recorded")  # all visitors' alike
        self.first_message = ""
        for name, trace in list(recorded.items())[:1]:
            self.first_message = shown(self.first, trace, RECORDED, name)
            self.first.created, self.first.program = trace.created, trace.program

    def first_image(self) -> Image.Image | None:
        """The chosen image of the run that is shown at first."""
        return next((portrait(trace.state) for trace in self.recorded.values()), None)

    @property
    def first_prompt(self) -> str:
        """The prompt of the run that is shown at first; "" where there is none."""
        return next((trace.started.settings.prompt for trace in self.recorded.values()), "")

    # -- opening

    def open_file(self, file: str | None, run_id: str | None) -> Update:
        """Show a trace, or fill the form from an image; the file's content says which it is, not its name."""
        if file is None or self._under_way(run_id):
            return {}
        try:
            if _begins_as_png(file):
                return self._open_image(file)
            return self.open_trace(Trace.load(file), "An opened trace", run_id)
        except UserError as error:
            return {"viewer": notice("Failed", str(error))}

    def open_recorded(self, name: object, run_id: str | None) -> Update:
        """Show one of the recorded runs."""
        trace = self.recorded.get(name) if isinstance(name, str) else None
        if trace is None or self._under_way(run_id):
            return {"gallery": ""}
        return self._open(trace, RECORDED, name)

    def open_named(self, name: str) -> Update:
        """Show what an address names: a recorded run, or one that is kept here; {} where there is none."""
        if name in self.recorded:
            return {**self._open(self.recorded[name], RECORDED, name), "gallery": name}
        run = self.runs.get(name)
        if run is None or not run.idle.wait(PATIENCE) or not run.begun:
            return {}
        return {**self._open(run.trace(), KEPT, why="" if run.stopped else LEFT), "gallery": ""}

    def revisit(self, name: object, fresh: bool, run_id: str | None) -> Update:
        """The same, unless a run is under way; ``fresh`` is whether the seed is to be random again."""
        if not isinstance(name, str) or self._under_way(run_id):
            return {}
        found = self.open_named(name or next(iter(self.recorded), ""))
        return {**found, "fresh": fresh} if found else {"viewer": notice("Failed", GONE)}

    def named(self, name: str) -> Trace | None:
        """The run that an address names, without waiting for one under way; "" means the one that is shown at first."""
        if not name:
            return next(iter(self.recorded.values()), None)
        run = self.runs.get(name)
        if name in self.recorded or run is None:
            return self.recorded.get(name)
        return run.trace() if run.begun and run.idle.is_set() else None

    def take_first(self) -> tuple[Run, Update]:
        """The run that a page shows at first as a run of one visitor, and what puts that on show in its place.

        Raises UserError where the page shows none.
        """
        if not self.recorded:
            raise UserError(NOT_YET)
        name, trace = next(iter(self.recorded.items()))
        return self._put(trace, RECORDED, name)

    def open_trace(self, trace: Trace, title: str, run_id: str | None) -> Update:
        """Show a trace under a title, unless a run is under way."""
        return {} if self._under_way(run_id) else {**self._open(trace, title), "gallery": ""}

    def open_run(self, kept: Run, title: str, run_id: str | None) -> Update:
        """The same for what has been kept of a run that another part of the page has painted."""
        if self._under_way(run_id):
            return {}
        return {**self._open(kept.trace(), title), "gallery": ""}

    def take_settings(self, run_id: str | None) -> Update:
        """The settings of the run on show in the form, whose prompt stays."""
        run = self._kept(run_id or self.first.id)
        if run is None or not run.begun:
            return {"viewer": notice("Failed", NO_LONGER)}
        try:
            update = filled(self._usable(run.state.settings))
        except UserError as error:
            return {"viewer": notice("Failed", str(error))}
        del update["prompt"]
        return update

    def _open(self, trace: Trace, title: str, name: str = "", why: str = "") -> Update:
        _, update = self._put(trace, title, name, why)
        update = {
            **update,
            "picture": portrait(trace.state),
            **buttons(busy=False, chosen=trace.state.answer is not None),
        }
        try:
            return {**update, **filled(self._usable(trace.state.settings))}
        except UserError:
            return update  # it can be looked at all the same

    def _put(self, trace: Trace, title: str, name: str = "", why: str = "") -> tuple[Run, Update]:
        run = Run()
        message = shown(run, trace, title, name, why)
        run.created, run.program = trace.created, trace.program
        self.runs.add(run)
        return run, {"viewer": message, "run_id": run.id}

    def _open_image(self, file: str) -> Update:
        settings = self._usable(read_png_settings(file))
        words = "The settings of this image are in the form. Press Run to paint it again."
        missing = left_out(settings)
        if missing:
            words += f" The form has no place for: {', '.join(missing)}. The command line has."
        return {"viewer": notice("Waiting", words), **filled(settings)}

    def _usable(self, settings: Settings) -> Settings:
        """The settings, if this page can run them. Raises UserError."""
        if settings.backend != self.backend:
            raise UserError(
                f"These settings are for the backend {settings.backend}, and this page runs {self.backend}. Open them "
                f"in a page started with --backend {settings.backend}."
            )
        return Settings.from_dict(settings.as_dict())

    def _under_way(self, run_id: str | None) -> bool:
        run = self.runs.get(run_id)
        if run is None or run.idle.is_set():
            return False
        gr.Warning(UNDER_WAY)
        return True

    # -- saving

    def trace(self, run_id: object) -> str:
        """The trace file of a run on show, as text; "" where it is no longer kept."""
        run = self._kept(run_id)
        return run.trace_text() if run else ""

    def table(self, run_id: object) -> str:
        """The same as a CSV file."""
        run = self._kept(run_id)
        return run.trace().to_csv() if run and run.begun else ""

    def document(self, run_id: object) -> str:
        """The same as one HTML file that opens without a server."""
        trace = self.kept_trace(run_id)
        return standalone(shown(Run(), trace, KEPT), trace.started.settings.prompt) if trace else ""

    def kept_trace(self, run_id: object) -> Trace | None:
        """What its trace file holds, for the other files that it can be saved as (``cotdemo.ui.exports``)."""
        run = self._kept(run_id)
        return run.trace() if run and run.begun else None

    def _kept(self, run_id: object) -> Run | None:
        return self.first if run_id == self.first.id else self.runs.get(run_id)

    # -- the gallery

    def cards(self) -> list[dict[str, Any]]:
        """The recorded runs as a page shows them: name, prompt, method, story, date, and a small image."""
        return [
            {
                "name": name,
                "prompt": trace.started.settings.prompt,
                "method": METHODS[trace.started.settings.method].label,
                "story": story_of(trace),
                "date": trace.created[:10],
                "picture": encode_image(trace.winner.picture, THUMBNAIL, lossless=False),
            }
            for name, trace in self.recorded.items()
        ]


def recorded_runs(backend: str, folder: Path, first: Path | None = None) -> dict[str, Trace]:
    """The runs of a folder that ``backend`` painted, by their files' names, ``first`` in front of them.

    Without ``first`` one that a critique mended stands in front: of all stories it shows the most. A file of the folder
    that cannot be shown is left out, and the log names it. Raises UserError where ``first`` is no such run.
    """
    traces = {first.stem: _recorded(first)} if first else {}
    for path in sorted(folder.glob("*.json"), key=_by_number):
        try:
            traces.setdefault(path.stem, _recorded(path))
        except UserError as error:
            log.warning("%s is left out of the recorded runs: %s", path, error)
    own = {name: trace for name, trace in traces.items() if trace.started.settings.backend == backend}
    mended = next((name for name, trace in own.items() if story_of(trace) == MENDED), None)
    return own if first or mended is None else {mended: own[mended], **own}


def _recorded(path: Path) -> Trace:
    """Raises UserError for a file that is no trace, or of a run that came to no image."""
    trace = Trace.load(path)
    winners = [round.winner for round in trace.state.rounds[:1]] + [trace.winner]
    if any(winner is None or winner.picture is None for winner in winners):
        raise UserError("This run came to no image, or does not hold it.")
    return trace


def _by_number(path: Path) -> tuple[float, str]:
    number = path.stem.partition("-")[0]
    return (float(number) if number.isdecimal() else float("inf"), path.stem)


def shown(run: Run, trace: Trace, title: str, name: str = "", why: str = "") -> str:
    """The one message that puts a recorded or opened trace on show; ``name`` is that of a recorded one, ``why`` the
    reason that one without an end has stopped."""
    stopped = [] if trace.finished else [{"type": "Stopped", "message": why}]
    return run.copy(trace.texts(), *stopped, recorded={"title": title, "created": trace.created, "name": name})


def png_bytes(state: RunState) -> bytes:
    """The answer of a run as a PNG file with its settings inside; b"" where there is no image."""
    winner = state.answer
    if winner is None or winner.picture is None:
        return b""
    buffer = io.BytesIO()
    write_png(buffer, winner.picture, state.settings)
    return buffer.getvalue()


def portrait(state: RunState) -> Image.Image | None:
    data = png_bytes(state)
    return Image.open(io.BytesIO(data)) if data else None


def _begins_as_png(file: str) -> bool:
    try:
        with open(file, "rb") as opened:
            return opened.read(len(SIGNATURE)) == SIGNATURE
    except OSError as error:
        raise UserError(f"The file cannot be read: {error.strerror}.") from None
