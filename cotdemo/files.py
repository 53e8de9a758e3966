"""Files that are whole or not there, written beside their place, then put into it; and where those lie that ship."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from .errors import UserError

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


# -- JSON with a head that says what it is


def write_json(file: Path, content: Any) -> None:
    """Write ``content`` in one move, so that no reader ever sees half a file; NaN, which JSON has not, becomes null."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps(_without_nan(content), indent=1, allow_nan=False) + "\n", encoding="ascii")


def _without_nan(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _without_nan(value) for name, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_without_nan(value) for value in content]
    return None if content != content else content


def headed(format: str, version: int, **content: Any) -> dict[str, Any]:
    """``content`` as it stands in a file, with what the file is and when it was made."""
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return {"format": format, "version": version, "created": created, **content}


def read_json(file: Path, format: str, version: int, what: str, check: Callable[[Any], Any]) -> Any:
    """What ``check`` makes of a file that has such a head. Raises UserError for any other file."""
    try:
        content = json.loads(file.read_text(encoding="ascii"))
        if (content["format"], content["version"]) != (format, version):
            raise ValueError("another format or version")
        return check(content)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        why = str(error).partition("\n")[0]
        raise UserError(f"{file} holds no {what} that this version wrote ({why}).") from None
