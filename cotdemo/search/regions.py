"""Reflection by region: a masked generator can leave part of an image as it is and paint the rest anew.

The paper's PARM++ repaints whole images, by a model trained for that (arXiv 2501.13926 section 3.4). Here every path
of a round opens another region of the image, half of its tokens, and the judge finds out where the mistake was: paths
whose region did not hold it stay as wrong as before, and do not win.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .protocols import Step
from .rounds import Run, round_seed

SHARE = 0.5  # of the tokens


def opened(run: Run, number: int, codes: Sequence[int]) -> Step:
    """Where the paths of round ``number`` begin: an image's ``codes`` with a region of each path masked."""
    s = run.settings
    rng = np.random.default_rng([round_seed(s.seed, number), s.paths])
    order = distances(run.backend.grid, s.paths, rng)
    return run.backend.generator(s.model).reopened(codes, order, SHARE, s.steps)


def marked(run: Run, codes: Sequence[int], tokens: Sequence[int], most: int | None = None) -> Step:
    """Where the paths of a round begin that paints the same ``tokens`` of an image anew, and nothing else.

    It takes at most ``most`` steps.
    """
    s = run.settings
    masked: np.ndarray = np.zeros((s.paths, len(codes)), bool)
    masked[:, list(tokens)] = True
    return run.backend.generator(s.model).masked_at(codes, masked, s.steps, most)


def distances(grid: tuple[int, int], paths: int, rng: np.random.Generator) -> np.ndarray:
    """How far each token is from the middle of a path's region ``(paths, tokens)``.

    Middles are anywhere in the grid. A region's tokens are the nearest ones, by a distance that makes it a square, or
    an upright or lying oblong, up to a half of the image.
    """
    rows, columns = grid
    row, column = np.divmod(np.arange(rows * columns), columns)
    down, right = rng.random((2, paths, 1))
    slim = 2.0 ** rng.uniform(-2, 2, size=(paths, 1))
    return np.maximum(abs(row / rows - down) * slim, abs(column / columns - right) / slim)
