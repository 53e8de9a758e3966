"""A process's own folder for what visitors upload and what it shows them, gone when the process ends.

Gradio keeps such files in one folder of the machine, which all of its processes serve from, and leaves them there. It
reads the folder's name as it is imported: nothing here imports it.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "GRADIO_TEMP_DIR"


class NotWritable(OSError):
    """There is no place for the folder."""


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder for this process alone, within the one that the environment names; removed at the end.

    SIGTERM, by which a service or a container is stopped, ends the block as well: by SystemExit. Raises NotWritable
    before the block.
    """
    above = os.environ.get(VARIABLE)
    try:
        if above:
            os.makedirs(above, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix="cotdemo-", dir=above or None))
    except OSError as error:
        raise NotWritable(*error.args, above) from error
    os.environ[VARIABLE] = str(place)
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield place
    finally:
        signal.signal(signal.SIGTERM, before)
        shutil.rmtree(place, ignore_errors=True)
        os.environ.pop(VARIABLE)
        if above:
            os.environ[VARIABLE] = above


def _end(number: int, _: object) -> None:
    raise SystemExit(128 + number)
