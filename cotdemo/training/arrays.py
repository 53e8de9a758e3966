"""Dataclasses of arrays, kept in one file each."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TypeVar

import numpy as np

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
        with np.load(file) as saved:
            return cls(**{field.name: saved[field.name] for field in fields(cls)})
