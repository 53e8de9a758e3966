"""The official evaluator's result lines, one JSON object an image, written as they come, and its summary of them.

A line has the official keys: filename, tag, prompt, correct, reason, metadata, details. Where the detector was not
GenEval's own, ``detector`` says so beside them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NoReturn, TextIO

from ..errors import UserError
from ..files import whole_file
from .folder import Place, Sample, place_of
from .verdict import OFFICIAL, Verdict

MAX_FILE = 500_000_000
KEYS = {
    "filename": str, "tag": str, "prompt": str, "correct": bool, "reason": str, "metadata": str, "details": str,
}  # fmt: skip
_BEGINNING = b'{"filename": '

Line = Mapping[str, Any]


def line_of(sample: Sample, verdict: Verdict) -> Line:
    """An image's result line."""
    line = {
        "filename": sample.file.as_posix(),
        "tag": sample.metadata["tag"],
        "prompt": sample.metadata["prompt"],
        "correct": verdict.correct,
        "reason": verdict.reason,
        "metadata": json.dumps(sample.metadata),
        "details": json.dumps(verdict.found),
    }
    return line if verdict.detector == OFFICIAL else line | {"detector": verdict.detector}


class Results:
    """The lines of a results file by the places of their images, for some images and one detector.

    Lines that are there are taken over, unless the image is newer than the file, or its prompt another. Opened, as a
    context, it takes further lines, each written at once. Raises UserError for a file that is damaged, of another
    folder or by another detector, and leaves it as it is.
    """

    def __init__(self, file: Path, of: Sequence[Sample], detector: str):
        self.file, self.samples, self.detector = file, of, detector
        self.lines: dict[Place, Line] = {}
        self._stream: TextIO | None = None
        if file.exists():
            self._take_over()

    @property
    def left(self) -> list[Sample]:
        """The images that have no line yet."""
        return [sample for sample in self.samples if sample.place not in self.lines]

    def __enter__(self) -> Results:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._stream = self.file.open("a", encoding="ascii")
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def add(self, sample: Sample, verdict: Verdict) -> None:
        self.lines[sample.place] = line_of(sample, verdict)
        self._stream.write(json.dumps(self.lines[sample.place]) + "\n")
        self._stream.flush()

    def finish(self) -> list[Line]:
        """Write the file anew, a line an image in their order; returns the lines."""
        lines = [self.lines[sample.place] for sample in self.samples if sample.place in self.lines]
        with whole_file(self.file, "w", encoding="ascii", newline="") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
        return lines

    def _take_over(self) -> None:
        if not self.file.is_file() or self.file.stat().st_size > MAX_FILE:
            raise UserError(f"{self.file} is no file of results: name another, --out FILE.")
        written, data = self.file.stat().st_mtime_ns, self.file.read_bytes()
        whole, _, torn = data.rpartition(b"\n")
        known = {sample.place: sample for sample in self.samples}
        for number, text in enumerate(whole.splitlines(), 1):
            line = self._read(number, text)
            sample = known.get(place_of(line["filename"]))
            if sample is None:
                raise UserError(
                    f"Line {number} of {self.file} is of {ascii(line['filename'])[:200]}, which is not in this folder: "
                    "name another file, --out FILE."
                )
            if json.loads(line["metadata"]) == sample.metadata and not _newer(sample.file, written):
                self.lines[sample.place] = line
        if torn:  # what a killed run has left of a line, if it is that
            if not torn.startswith(_BEGINNING[: len(torn)]):
                self._refuse(len(whole.splitlines()) + 1)
            os.truncate(self.file, len(data) - len(torn))

    def _refuse(self, number: int) -> NoReturn:
        raise UserError(
            f"Line {number} of {self.file} is no result: mend or move the file, or name another, --out FILE."
        ) from None

    def _read(self, number: int, text: bytes) -> Line:
        try:
            line = json.loads(text)
            if not all(isinstance(line[key], kind) for key, kind in KEYS.items()):
                raise TypeError("another kind of value")
            json.loads(line["metadata"])
            by = line.get("detector", OFFICIAL)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            self._refuse(number)
        if by != self.detector:
            raise UserError(
                f"{self.file} holds results by another detector ({ascii(by)[:120]}): name another file, --out FILE."
            )
        return line


def _newer(file: Path, written: int) -> bool:
    """Whether an image has been painted since, or is yet to be."""
    return not file.exists() or file.stat().st_mtime_ns > written


def summary(lines: Iterable[Line]) -> str:
    """The official summary: images and prompts that are right, each kind's share, and the mean of the kinds."""
    tags: dict[str, list[bool]] = {}
    prompts: dict[str, list[bool]] = {}
    for line in lines:
        tags.setdefault(line["tag"], []).append(line["correct"])
        prompts.setdefault(line["metadata"], []).append(line["correct"])
    images = [correct for of_tag in tags.values() for correct in of_tag]
    if not images:
        return "No image has been scored."
    of_prompts = [any(of_prompt) for of_prompt in prompts.values()]
    shares = {tag: fmean(of_tag) for tag, of_tag in tags.items()}
    return "\n".join(
        [
            "Summary",
            "=======",
            f"Total images: {len(images)}",
            f"Total prompts: {len(prompts)}",
            f"% correct images: {fmean(images):.2%}",
            f"% correct prompts: {fmean(of_prompts):.2%}",
            "",
            "Task breakdown",
            "==============",
            *(f"{tag:<16} = {shares[tag]:.2%} ({sum(of_tag)} / {len(of_tag)})" for tag, of_tag in tags.items()),
            "",
            f"Overall score (avg. over tasks): {fmean(shares.values()):.5f}",
        ]
    )
