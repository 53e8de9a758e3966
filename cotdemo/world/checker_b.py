"""Checker B: reads a picture by matching silhouettes, and scores the product.

Written independently of checker A and by another method, so that the two rarely share a mistake. Nothing is segmented:
matched filters look for every kind at every place, and each candidate is compared with its silhouette by *tangent
distance* (Simard, LeCun and Denker 1993): what a small shift, stretch, turn or blur explains is forgiven, what
remains is damage. Foreground that no silhouette explains is unreadable as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .drawing import silhouette
from .geneval import Found
from .scenes import COLOURS, DIFFICULTY, GROUND, KINDS

_SIZE, _BOX, _CANVAS = DIFFICULTY.size, DIFFICULTY.box, DIFFICULTY.canvas
_RIM = 3  # pixels looked at around a silhouette
_WINDOW = _SIZE + 2 * _RIM
_PAD = 8  # ground added around the picture, so that an object that leaves it shows as cut off
_PADDED = _CANVAS + 2 * _PAD
_PLACES = _PADDED - _WINDOW + 1  # window positions along one axis
_TO_BOX = _RIM - (_BOX - _SIZE) // 2 - _PAD  # from a window's corner to the corner of the object's box

# What a person still calls an object of its kind. Each limit lies between what blur and warps do to whole objects and
# what the loss of a quarter does (tests/test_checker_b.py measures both).
_LIMITS = {
    "damage": 0.085,  # unforgiven difference, pooled and squared, over the form factor: a hole of some 4 x 4 px
    "foreign": 0.18,  # pixels in another colour, in or close around it, as a share of the area
    "overlap": 0.10,  # share of the area that a neighbour covers as well
}
_UNNAMED = 35.0  # CIELAB distance from which a colour is none of the world's
_FOREIGN = 38.0  # levels beside the line from the ground to the object's colour
_FAINT = 0.5  # an object with less than this share of its colour is a ghost
_AGREEMENT = 0.45  # candidates with less are no silhouette; what they cover is left unexplained
_MOST = 12  # candidates looked at
_APART = 13  # pixels between two candidates, along one axis at least
_OPTIONS = 3  # kinds compared at each place
_SPOT = 14.0  # pixels of unexplained foreground, within 8 x 8, that are no longer a speck

_NAMES = tuple(COLOURS)
_DIRECTIONS = np.asarray(list(COLOURS.values()), np.float32) - np.asarray(GROUND, np.float32)  # from ground to colour
_SQUARES = (_DIRECTIONS**2).sum(1)


def _gaussian(sigma: float) -> np.ndarray:
    """The ``(W, W)`` matrix that blurs W samples along one axis, with nothing beyond their ends."""
    taps = np.exp(-(np.arange(-_WINDOW, _WINDOW + 1) ** 2) / (2 * sigma**2))
    offset = np.arange(_WINDOW)[:, None] - np.arange(_WINDOW)
    return (taps / taps.sum())[offset + _WINDOW].astype(np.float32)


_POOL = _gaussian(1.2)  # damage is averaged over about 4 px: noise and displaced edges cancel, missing parts do not
# The largest moves that are forgiven: shift in px, stretch and shear per px from the centre, bends per px squared, blur
# as half its variance.
_MOVES = np.asarray([1.2] * 2 + [0.1] * 4 + [0.008] * 6 + [0.4], np.float32)


def _lab(colour: np.ndarray) -> np.ndarray:
    """CIELAB (D65) of sRGB levels ``(..., 3)``: distances there go with how different two colours look."""
    share = np.clip(colour, 0, 255) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / (0.9505, 1.0, 1.089)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


@lru_cache(maxsize=1)
def _palette() -> np.ndarray:
    return _lab(np.asarray(list(COLOURS.values())))


@dataclass(frozen=True)
class _Templates:
    """All kinds' silhouettes and what follows from them; the first axis of each array is the kind."""

    soft: np.ndarray  # (12, W, W) coverage, edges about as soft as a tokenizer leaves them
    area: np.ndarray  # (12,) in pixels
    form: np.ndarray  # (12,) outline squared over area: the eye takes less amiss in thin forms than in plain thick ones
    reach: np.ndarray  # (12, W, W) bool: the silhouette and 2 px around it
    near: np.ndarray  # (12, W, W) falls with the distance from the silhouette
    filters: np.ndarray  # (12, 80, 41) spectra of the matched filters
    tangents: np.ndarray  # (12, 13, W * W) derivatives of soft by each forgiven move
    solve: np.ndarray  # (12, 13, W * W) from a difference to the moves that explain it best


@lru_cache(maxsize=1)
def _templates() -> _Templates:
    soft = np.zeros((len(KINDS), _WINDOW, _WINDOW), np.float32)
    for index, kind in enumerate(KINDS):
        soft[index, _RIM:-_RIM, _RIM:-_RIM] = silhouette(kind, _SIZE)
    soft = _gaussian(0.7) @ soft @ _gaussian(0.7).T
    reach = soft > 0.1
    for axis in (1, 2):
        reach = np.logical_or.reduce([np.roll(reach, step, axis) for step in range(-2, 3)])

    # The filter's answer is the share of the silhouette that is covered less the cover close around it: 1 at best.
    kernel = np.zeros((len(KINDS), _PADDED, _PADDED), np.float32)
    weight = soft - (1 - soft) * reach
    kernel[:, :_WINDOW, :_WINDOW] = weight / (weight * soft).sum((1, 2), keepdims=True)

    by_y, by_x = np.gradient(soft, axis=(1, 2))
    y = np.arange(_WINDOW, dtype=np.float32)[:, None] - (_WINDOW - 1) / 2
    x = y.T
    laplacian = np.gradient(by_y, axis=1) + np.gradient(by_x, axis=2)
    fields = (1, x, y, x**2, y**2, x * y)  # each moves the pixels along x and along y
    moves = [by * field for field in fields for by in (by_x, by_y)] + [laplacian]
    tangents = np.stack(moves, 1).reshape(len(KINDS), len(moves), -1).astype(np.float32)
    gram = tangents @ tangents.transpose(0, 2, 1) + np.diag(0.05 / _MOVES**2)
    return _Templates(
        soft=soft,
        area=soft.sum((1, 2)),
        form=np.hypot(by_x, by_y).sum((1, 2)) ** 2 / soft.sum((1, 2)),
        reach=reach,
        near=_gaussian(2.0) @ soft @ _gaussian(2.0).T,
        filters=np.conj(np.fft.rfft2(kernel)).astype(np.complex64),
        tangents=tangents,
        solve=np.linalg.solve(gram, tangents).astype(np.float32),
    )


@dataclass
class _Match:
    """A kind's silhouette at a place of the padded picture, and how it compares with what is there."""

    kind: int
    row: int
    column: int
    expected: np.ndarray | None = None  # (W, W) the silhouette after the forgiven moves
    seen: np.ndarray | None = None  # (W, W) coverage, measured along the object's own colour
    foreign: np.ndarray | None = None  # (W, W) bool: covered by another colour
    tint: np.ndarray | None = None  # (3,) offset of the object's colour from the ground
    colour: int = 0
    faults: dict[str, float] | None = None  # as _LIMITS

    @property
    def window(self) -> tuple[slice, slice]:
        return slice(self.row, self.row + _WINDOW), slice(self.column, self.column + _WINDOW)

    @property
    def box(self) -> tuple[float, float, float, float]:
        left, top = float(self.column + _TO_BOX), float(self.row + _TO_BOX)
        return left, top, left + _BOX, top + _BOX

    @property
    def goodness(self) -> float:
        """1 for a perfect object, 0.5 at the limit of what is accepted, 0 from twice that limit on."""
        return max(0.0, 1 - max(self.faults[name] / limit for name, limit in _LIMITS.items()) / 2)


def _squared(vectors: np.ndarray) -> np.ndarray:
    """The squared lengths of vectors along the last axis."""
    return np.einsum("...i,...i->...", vectors, vectors)


def _coverage(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the padded picture: offset from the ground ``(80, 80, 3)``, covered share and colour index ``(80, 80)``.

    Each pixel is taken as a mixture of the ground and one colour, whichever leaves the smaller remainder.
    """
    offset = picture.astype(np.float32) - np.asarray(GROUND, np.float32)
    sample = offset[::2, ::2].reshape(-1, 3)
    plain = sample[_squared(sample) < 45**2]
    if len(plain) > 50:
        offset -= np.median(plain, axis=0)
    offset = np.pad(offset, ((_PAD, _PAD), (_PAD, _PAD), (0, 0)))
    active = _squared(offset) > 14**2
    products = offset[active] @ _DIRECTIONS.T
    along = np.clip(products / _SQUARES, 0, 1)
    remainder = along * (along * _SQUARES - 2 * products)  # squared, but for the pixel's own constant
    best = remainder.argmin(1)
    covered = np.zeros(active.shape, np.float32)
    colour = np.zeros(active.shape, np.int64)
    covered[active], colour[active] = along[np.arange(len(best)), best], best
    return offset, covered, colour


def _candidates(covered: np.ndarray) -> list[list[_Match]]:
    """Places where some silhouette fits, best first; at each, the kinds that fit best."""
    spectrum = np.fft.rfft2(covered) * _templates().filters
    scores = np.fft.irfft2(spectrum, s=(_PADDED, _PADDED))[:, :_PLACES, :_PLACES]
    best = scores.max(0)
    places: list[list[_Match]] = []
    while len(places) < _MOST:
        row, column = np.unravel_index(best.argmax(), best.shape)
        if best[row, column] < _AGREEMENT:
            break
        top, left = max(row - 2, 0), max(column - 2, 0)
        around = scores[:, top : row + 3, left : column + 3]
        options = []
        for kind in np.argsort(-around.max((1, 2)))[:_OPTIONS]:
            down, right = np.unravel_index(around[kind].argmax(), around.shape[1:])
            options.append(_Match(int(kind), int(top + down), int(left + right)))
        places.append(options)
        best[max(row - _APART, 0) : row + _APART + 1, max(column - _APART, 0) : column + _APART + 1] = -1
    return places


def _measure(options: list[_Match], offset: np.ndarray, covered: np.ndarray, colour: np.ndarray) -> None:
    """Find the colour at a place and measure coverage along it: signed, so that noise on the ground cancels."""
    first = options[0]
    top, left = min(m.row for m in options), min(m.column for m in options)
    bottom, right = max(m.row for m in options) + _WINDOW, max(m.column for m in options) + _WINDOW
    soft = _templates().soft[first.kind]
    names, cover = colour[first.window], covered[first.window]
    inner = (soft > 0.6) & (cover > 0.3)
    name = int(np.bincount(names[inner], minlength=len(_NAMES)).argmax())
    own = inner & (names == name)
    core = own & (soft > 0.9)
    tint = offset[first.window][core if core.sum() >= 8 else own].mean(0)

    area = offset[top:bottom, left:right]
    along = area @ tint / (tint @ tint)
    remainder = area - np.clip(along, 0, 1.15)[..., None] * tint
    foreign = (_squared(remainder) > _FOREIGN**2) & (covered[top:bottom, left:right] > 0.3)
    seen = np.where(foreign, covered[top:bottom, left:right], np.clip(along, -0.5, 1))
    for m in options:
        here = slice(m.row - top, m.row - top + _WINDOW), slice(m.column - left, m.column - left + _WINDOW)
        m.colour, m.tint, m.seen, m.foreign = name, tint, seen[here], foreign[here]


def _compare(match: _Match, free: np.ndarray) -> float:
    """The damage that remains in the ``free`` pixels after the forgiven moves, which it sets in ``match.expected``."""
    t = _templates()
    difference = (match.seen - t.soft[match.kind]) * free
    moves = np.clip(t.solve[match.kind] @ difference.ravel(), -_MOVES, _MOVES)
    moved = (moves @ t.tangents[match.kind]).reshape(_WINDOW, _WINDOW)
    match.expected = np.clip(t.soft[match.kind] + moved, 0, 1)
    rest = _POOL @ ((match.seen - match.expected) * free) @ _POOL.T
    return float((rest**2).sum() / t.form[match.kind])


def _matches(offset: np.ndarray, covered: np.ndarray, colour: np.ndarray) -> list[_Match]:
    """The best kind at each place, with its faults."""
    t = _templates()
    places = _candidates(covered)
    crowd = np.zeros((_PADDED, _PADDED), np.int64)
    for options in places:
        crowd[options[0].window] += t.reach[options[0].kind]
    chosen = []
    for options in places:
        _measure(options, offset, covered, colour)
        first = options[0]
        crowd[first.window] -= t.reach[first.kind]
        chosen.append(min(options, key=lambda match: _compare(match, crowd[match.window] == 0)))
        crowd[first.window] += t.reach[first.kind]

    # Now all together: each pixel's difference from all that is expected there counts for the nearest object.
    expected = np.zeros((_PADDED, _PADDED), np.float32)
    nearest = np.zeros((_PADDED, _PADDED), np.float32)
    for m in chosen:
        expected[m.window] += m.expected
        np.maximum(nearest[m.window], t.near[m.kind], out=nearest[m.window])
    for m in chosen:
        mine = t.near[m.kind] >= nearest[m.window]
        rest = (_POOL @ (m.seen - np.minimum(expected[m.window], 1)) @ _POOL.T) * mine
        shared = np.minimum(expected[m.window] - m.expected, m.expected)
        m.faults = {
            "damage": float((rest**2).sum() / t.form[m.kind]),
            "foreign": float((m.foreign & mine & t.reach[m.kind]).sum() / t.area[m.kind]),
            "overlap": float(shared.sum() / t.area[m.kind]),
        }
    return chosen


def _leftovers(offset: np.ndarray, matches: list[_Match]) -> list[tuple[float, float, float, float]]:
    """Boxes of visible foreground that no match reaches, specks left out."""

    def halved(values: np.ndarray) -> np.ndarray:
        pairs = values[::2] + values[1::2]
        return (pairs[:, ::2] + pairs[:, 1::2]) / 4

    unexplained = np.ones((_PADDED, _PADDED), np.float32)
    for m in matches:
        unexplained[m.window] *= ~_templates().reach[m.kind]
    contrast = np.sqrt(_squared(halved(offset)))
    left = 4 * np.clip((contrast - 18) / 16, 0, 1) * halved(unexplained)
    boxes = []
    while True:
        sums = np.pad(left, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
        sums = sums[4:, 4:] - sums[:-4, 4:] - sums[4:, :-4] + sums[:-4, :-4]
        row, column = np.unravel_index(sums.argmax(), sums.shape)
        if sums[row, column] < _SPOT:
            return boxes
        top, left_edge = max(row - 7, 0), max(column - 7, 0)  # as far as an object around this spot can go
        part = left[top : row + 11, left_edge : column + 11]
        rows, columns = np.flatnonzero(part.max(1) > 1), np.flatnonzero(part.max(0) > 1)
        if not len(rows):  # faint throughout
            rows, columns = np.arange(part.shape[0]), np.arange(part.shape[1])
        corner = np.array([left_edge + columns[0], top + rows[0], left_edge + columns[-1] + 1, top + rows[-1] + 1])
        boxes.append(tuple(float(v) for v in np.clip(2 * corner - _PAD, 0, _CANVAS)))
        part[:] = 0


def _name(tint: np.ndarray) -> str | None:
    """The colour that looks most like an offset from the ground, or None where none does."""
    distance = np.linalg.norm(_lab(tint + np.asarray(GROUND)) - _palette(), axis=1)
    return _NAMES[distance.argmin()] if distance.min() < _UNNAMED else None


def read(picture: np.ndarray) -> tuple[Found, ...]:
    """All objects of a picture ``(64, 64, 3)`` uint8, best first; what cannot be read has ``kind`` None and comes last.

    A box is the object's 24-pixel box, as a scene's, of leftovers what is seen of them. ``score`` is above 0.5 for
    readable objects, 1 for perfect ones and 0 for unreadable ones. ``colour`` is None where it is none of the world's.

    Raises ValueError for a picture of another shape.
    """
    if picture.shape != (_CANVAS, _CANVAS, 3):
        raise ValueError(f"a picture of shape {(_CANVAS, _CANVAS, 3)} was expected, not {picture.shape}")
    offset, covered, colour = _coverage(picture)
    matches = _matches(offset, covered, colour)
    found = []
    for m in matches:
        share = float(m.tint @ _DIRECTIONS[m.colour] / _SQUARES[m.colour])
        readable = m.goodness > 0.5 and share >= _FAINT
        found.append(Found(KINDS[m.kind] if readable else None, _name(m.tint), m.box, m.goodness if readable else 0.0))
    found += [Found(None, None, box, 0.0) for box in _leftovers(offset, matches)]
    return tuple(sorted(found, key=lambda item: -item.score))
