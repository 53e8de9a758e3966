"""Dataclasses of arrays, kept in one file each."""

from __future__ import annotations

import zlib
from dataclasses import fields
from pathlib import Path
from typing import TypeVar
from zipfile import BadZipFile

import numpy as np

from ..errors import UserError
from ..files import whole_file

Kind = TypeVar("Kind", bound="Arrays")


class Arrays:
    """For frozen dataclasses whose fields are all arrays."""

    def save(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file) as stream:
            np.savez_compressed(stream, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls: type[Kind], file: Path) -> Kind:
        """What ``save`` wrote. Raises UserError for a file that is damaged, or of something else."""
        try:
            with np.load(file) as saved:
                return cls(**{field.name: saved[field.name] for field in fields(cls)})
        except (BadZipFile, EOFError, LookupError, ValueError, zlib.error) as error:
            raise UserError(f"{file} is damaged: delete it to have it made anew.") from error
