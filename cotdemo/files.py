"""Files that are whole or not there, written beside their place, then put into it; and where those lie that ship."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

Place = str | os.PathLike[str]
_HOME = Path(__file__).parent
# weights, recorded runs, drawings, measured figures: within the package where that is installed, beside it in a clone
ASSETS = _HOME / "assets" if (_HOME / "assets").is_dir() else _HOME.parent / "assets"


@contextmanager
def whole_file(place: Place, mode: str = "wb", **options: Any) -> Iterator[IO[Any]]:
    """A file to write to, as ``open`` gives it, that takes its ``place`` when the block ends, and not before.

    Where the block fails, or the process is killed within it, what was at ``place`` is still there as it was. Raises
    OSError with the file's name where it cannot be written, a full disk included. What is no file, such as a pipe, is
    written to directly.
    """
    path = Path(place)
    try:
        if path.exists() and not path.is_file():
            with open(path, mode, **options) as file:
                yield file
            return
        path = path.resolve()  # a link stays one
        beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")
        try:
            with open(beside, mode.replace("w", "x"), **options) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        if error.filename is None or str(error.filename).endswith(".part"):
            error.filename = str(place)
        raise


def check_writable(folder: Place) -> None:
    """Raise OSError, with a file's name, unless files can be written into a folder that there is or may be made."""
    there = Path(folder).absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        error.filename = str(folder)
        raise


def write_text(place: Place, text: str, encoding: str = "utf-8") -> None:
    """``Path.write_text``, whole or not at all."""
    with whole_file(place, "w", encoding=encoding, newline="") as file:
        file.write(text)
