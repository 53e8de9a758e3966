"""Pictures to test a checker with: clean scenes, scenes as a tokenizer would give them back, scenes with one fault.

``random_scene`` draws from all kinds, colours and relations (no split); ``distort`` blurs, warps, shifts and tints;
``faulty`` damages one object, or leaves the picture whole but not what the prompt asks for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from cotdemo.world import splits
from cotdemo.world.drawing import silhouette
from cotdemo.world.prompts import TAGS, metadata
from cotdemo.world.scenes import COLOURS, DIFFICULTY, GROUND, KINDS, RELATIONS, Object, Scene, place, relations

SIZE, BOX, CANVAS = DIFFICULTY.size, DIFFICULTY.box, DIFFICULTY.canvas
MARGIN = (BOX - SIZE) // 2
DAMAGE = 0.25  # the least share of an object's area that a damage changes


@dataclass(frozen=True)
class Sample:
    picture: np.ndarray  # (64, 64, 3) uint8
    metadata: dict  # the prompt's
    scene: Scene  # before the fault
    fault: str  # "" where there is none


# -- scenes -----------------------------------------------------------------------------------------------------------


def random_metadata(rng: np.random.Generator) -> dict:
    """A prompt of any of the six kinds, over all kinds and colours."""
    tag = TAGS[rng.integers(len(TAGS))]
    first, second = (str(kind) for kind in rng.choice(KINDS, 2, replace=False))
    include: list[dict] = [{"class": first, "count": 1}]
    if tag == "counting":
        include[0]["count"] = int(rng.integers(2, 5))
    elif tag in ("two_object", "position", "color_attr"):
        include.append({"class": second, "count": 1})
    if tag in ("colors", "color_attr") or (tag == "counting" and rng.random() < 0.5):
        for item in include:
            item["color"] = str(rng.choice(list(COLOURS)))
    if tag == "position":
        include[1]["position"] = [str(rng.choice(RELATIONS)), 0]
    return metadata(tag, include)


def random_scene(entry: dict, rng: np.random.Generator) -> Scene:
    return splits.random_scene(entry, rng)


def clean(rng: np.random.Generator) -> Sample:
    entry = random_metadata(rng)
    scene = random_scene(entry, rng)
    return Sample(paint(layers(scene)), entry, scene, "")


def distorted(rng: np.random.Generator) -> Sample:
    sample = clean(rng)
    return replace(sample, picture=distort(sample.picture, rng))


def recovered(found: tuple, scene: Scene, within: float = 3) -> bool:
    """Whether a reading is exactly the scene: kinds, colours and, within so many pixels, positions."""

    def same(item, there: Object) -> bool:
        dx, dy = (item.box[0] + item.box[2] - BOX) / 2 - there.x, (item.box[1] + item.box[3] - BOX) / 2 - there.y
        return (item.kind, item.colour) == (there.kind, there.colour) and np.hypot(dx, dy) <= within

    left = list(scene.objects)
    for item in found:
        match = next((there for there in left if same(item, there)), None)
        if match is None:
            return False
        left.remove(match)
    return not left


# -- drawing in layers ------------------------------------------------------------------------------------------------

Layer = tuple[np.ndarray, np.ndarray]  # coverage (64, 64), colour (3,) or (64, 64, 3)


def layer(item: Object) -> Layer:
    """An object's coverage and colour; it may lie partly outside the canvas."""
    coverage = np.zeros((CANVAS + 2 * BOX, CANVAS + 2 * BOX), np.float32)
    top, left = item.y + MARGIN + BOX, item.x + MARGIN + BOX
    coverage[top : top + SIZE, left : left + SIZE] = silhouette(item.kind, SIZE)
    return coverage[BOX:-BOX, BOX:-BOX], np.asarray(COLOURS[item.colour], np.float32)


def layers(scene: Scene) -> list[Layer]:
    return [layer(item) for item in scene.objects]


def paint(stack: list[Layer]) -> np.ndarray:
    canvas = np.tile(np.asarray(GROUND, np.float32), (CANVAS, CANVAS, 1))
    for coverage, colour in stack:
        canvas += coverage[..., None] * (colour - canvas)
    return np.rint(canvas).clip(0, 255).astype(np.uint8)


# -- distortions ------------------------------------------------------------------------------------------------------


def blur(values: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of the first two axes, edges repeated."""
    radius = int(np.ceil(3 * sigma))
    taps = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    taps /= taps.sum()
    for axis in (0, 1):
        pad = [(radius, radius) if a == axis else (0, 0) for a in range(values.ndim)]
        padded = np.pad(values, pad, mode="edge")
        values = sum(w * padded.take(range(i, i + values.shape[axis]), axis) for i, w in enumerate(taps))
    return values


def resample(picture: np.ndarray, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """The picture with each pixel taken from ``(dx, dy)`` beside it, bilinearly."""
    side = len(picture)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    x, y = (x + dx).clip(0, side - 1.001), (y + dy).clip(0, side - 1.001)
    i, j = y.astype(int), x.astype(int)
    v, u = (y - i)[..., None], (x - j)[..., None]
    top = picture[i, j] * (1 - u) + picture[i, j + 1] * u
    return top * (1 - v) + (picture[i + 1, j] * (1 - u) + picture[i + 1, j + 1] * u) * v


def smooth_noise(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of standard deviation 1 that varies over about ``sigma`` pixels."""
    margin = int(np.ceil(3 * sigma))
    wide = rng.normal(size=(shape[0] + 2 * margin, shape[1] + 2 * margin, *shape[2:]))
    return blur(wide, sigma)[margin:-margin, margin:-margin] * (2 * sigma * np.sqrt(np.pi))


def distort(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A tokenizer's sort of loss: shift by up to 1 px, local warps of about as much, blur, tint, noise."""
    side = CANVAS + 16
    values = np.tile(np.asarray(GROUND, np.float32), (side, side, 1))
    values[8:-8, 8:-8] = picture
    warp = [rng.uniform(-1, 1) + 0.5 * smooth_noise((side, side), 4, rng) for _ in range(2)]
    values = blur(resample(values, *warp), rng.uniform(0.7, 1.0))[8:-8, 8:-8]
    tint = rng.uniform(-9, 9, size=3) + 3 * smooth_noise((CANVAS, CANVAS, 3), 6, rng)
    return np.rint(values + tint.clip(-12, 12) + rng.normal(0, 8, values.shape)).clip(0, 255).astype(np.uint8)


# -- faults -----------------------------------------------------------------------------------------------------------


def _region(item: Object, rng: np.random.Generator) -> np.ndarray:
    """A random part of an object's box, (64, 64) in [0, 1]: a half plane, a wedge, a rectangle or a disc."""
    y, x = np.mgrid[:CANVAS, :CANVAS] - np.array([item.y + BOX / 2 - 0.5, item.x + BOX / 2 - 0.5])[:, None, None]
    angle = rng.uniform(0, 2 * np.pi)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    form = rng.integers(4)
    if form == 0:
        inside = u > rng.uniform(-4, 7)
    elif form == 1:
        inside = np.abs(np.arctan2(v, u)) < rng.uniform(0.2, 0.5) * np.pi
    elif form == 2:
        cx, cy, w, h = *rng.uniform(-7, 7, 2), *rng.uniform(6, 18, 2)
        inside = (np.abs(x - cx) < w / 2) & (np.abs(y - cy) < h / 2)
    else:
        inside = np.hypot(u - rng.uniform(-7, 7), v) < rng.uniform(4, 10)
    return inside.astype(np.float32)


@cache
def _shifted(kind: str) -> np.ndarray:
    """The kind's silhouette at all offsets within 2 px, flattened: (25, pixels of the box and 2 px around it)."""
    whole = layer(Object(kind, "red", 20, 20))[0][16 : 24 + BOX, 16 : 24 + BOX]
    shifts = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)]
    return np.stack([np.roll(whole, shift, (0, 1))[2:-2, 2:-2].ravel() for shift in shifts])


def _misfit(coverage: np.ndarray, kinds: tuple[str, ...], near: Object) -> float:
    """The least share of an object's area by which the coverage differs from any of the kinds within 2 px."""
    window = np.pad(coverage, 2)[near.y : near.y + BOX + 4, near.x : near.x + BOX + 4]
    beyond = coverage.sum() - window.sum()
    least = np.inf
    for kind in kinds:
        differs = np.abs(_shifted(kind) - window.ravel()).sum(1).min() + beyond
        least = min(least, float(differs / _shifted(kind)[0].sum()))
    return least


def _other(names, name: str, rng: np.random.Generator) -> str:
    return str(rng.choice([n for n in names if n != name]))


def _erased(item, rng):
    coverage, colour = layer(item)
    rest = coverage * (1 - _region(item, rng))
    lost = 1 - rest.sum() / coverage.sum()
    if DAMAGE <= lost <= 0.75 and _misfit(rest, (item.kind,), item) >= DAMAGE:
        return [(rest, colour)]


def _half(item, rng):
    coverage, colour = layer(item)
    y, x = np.mgrid[:CANVAS, :CANVAS] - np.array([item.y + BOX / 2 - 0.5, item.x + BOX / 2 - 0.5])[:, None, None]
    dx, dy = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)][rng.integers(8)]
    rest = coverage * (x * dx + y * dy > 0)
    if _misfit(rest, (item.kind,), item) >= DAMAGE:
        return [(rest, colour)]


def _replaced(item, rng):
    coverage, colour = layer(item)
    part = _region(item, rng)
    dx, dy = rng.integers(-4, 5, size=2)
    other = replace(item, kind=_other(KINDS, item.kind, rng), x=item.x + int(dx), y=item.y + int(dy))
    graft = layer(other)[0] * part
    if rng.random() < 0.5:
        colour_2 = np.asarray(COLOURS[_other(COLOURS, item.colour, rng)], np.float32)
    else:
        colour_2 = colour
    rest = coverage * (1 - part)
    if _misfit(np.maximum(rest, graft), KINDS, item) >= DAMAGE:
        return [(rest, colour), (graft, colour_2)]


def _mixture(item, rng):
    coverage, colour = layer(item)
    y, x = np.mgrid[:CANVAS, :CANVAS]
    side = (x >= item.x + BOX // 2) if rng.random() < 0.5 else (y >= item.y + BOX // 2)
    if rng.random() < 0.5:
        side = ~side
    mixed = np.where(side, layer(replace(item, kind=_other(KINDS, item.kind, rng)))[0], coverage)
    if _misfit(mixed, KINDS, item) >= DAMAGE:
        return [(mixed, colour)]


def _two_colours(item, rng):
    coverage, colour = layer(item)
    part = coverage * _region(item, rng)
    if 0.3 <= part.sum() / coverage.sum() <= 0.7:
        second = np.asarray(COLOURS[_other(COLOURS, item.colour, rng)], np.float32)
        return [(coverage, np.where(part[..., None] > 0, second, colour))]


def _fused(item, rng):
    """The object and another one over a good part of it, as one blob."""
    same = rng.random() < 0.5
    other = Object(
        item.kind if rng.random() < 0.5 else _other(KINDS, item.kind, rng),
        item.colour if same else _other(COLOURS, item.colour, rng),
        item.x + int(rng.integers(-14, 15)), item.y + int(rng.integers(-14, 15)),
    )  # fmt: skip
    if not (0 <= other.x <= CANVAS - BOX and 0 <= other.y <= CANVAS - BOX):
        return None
    below, above = layer(item), layer(other)
    hidden = (below[0] * above[0]).sum() / min(below[0].sum(), above[0].sum())
    seen = np.maximum(below[0], above[0]) if same else below[0] * (1 - above[0])
    if seen.sum() < DAMAGE * below[0].sum():  # hidden altogether: what is left looks whole
        return None
    if hidden >= DAMAGE and _misfit(seen, KINDS, item) >= DAMAGE and _misfit(seen, KINDS, other) >= DAMAGE:
        return [below, above]


def _free_spot(scene: Scene, rng: np.random.Generator) -> Object | None:
    for _ in range(50):
        spot = Object("circle", _other(COLOURS, "", rng), *(int(v) for v in rng.integers(0, CANVAS - BOX + 1, 2)))
        if all(abs(spot.x - o.x) >= BOX or abs(spot.y - o.y) >= BOX for o in scene.objects):
            return spot
    return None


def _blob(scene, rng):
    """A form without a name in a free place: clear or, as likely, a faint ghost."""
    spot = _free_spot(scene, rng)
    if spot is None:
        return None
    y, x = np.mgrid[:CANVAS, :CANVAS]
    spread = np.exp(-((x - spot.x - 11.5) ** 2 + (y - spot.y - 11.5) ** 2) / (2 * 6.0**2))
    field = spread * (1 + 0.7 * smooth_noise((CANVAS, CANVAS), 3, rng))
    coverage = blur(np.float32(field > rng.uniform(0.35, 0.6)), 0.5)
    coverage *= (np.abs(x - spot.x - 11.5) < 12) & (np.abs(y - spot.y - 11.5) < 12)
    if rng.random() < 0.5:
        coverage = coverage * rng.uniform(0.4, 0.7)
    solid = coverage / max(coverage.max(), 1e-6)
    if solid.sum() >= 60 and _misfit(solid, KINDS, spot) >= 0.35:
        return [(coverage, np.asarray(COLOURS[spot.colour], np.float32))]


DAMAGES = {
    "erased": _erased, "half": _half, "replaced": _replaced, "mixture": _mixture,
    "two colours": _two_colours, "fused": _fused,
}  # fmt: skip
WRONG = ("wrong kind", "wrong colour", "one fewer", "one more", "wrong position")
FAULTS = (*DAMAGES, "blob", *WRONG)


def _wrong(scene: Scene, entry: dict, fault: str, rng: np.random.Generator) -> Scene | None:
    """A whole scene that is not what the prompt asks for."""
    objects = list(scene.objects)
    index = int(rng.integers(len(objects)))
    item = objects[index]
    if fault == "wrong kind":
        objects[index] = replace(item, kind=_other(KINDS, item.kind, rng))
        if sorted(o.kind for o in objects) == sorted(o.kind for o in scene.objects):
            return None
    elif fault == "wrong colour":
        if "color" not in next(i for i in entry["include"] if i["class"] == item.kind):
            return None
        objects[index] = replace(item, colour=_other(COLOURS, item.colour, rng))
    elif fault == "one fewer":
        del objects[index]
    elif fault == "one more":
        spot = _free_spot(scene, rng)
        if spot is None:
            return None
        kind = item.kind if rng.random() < 0.5 else _other(KINDS, "", rng)
        objects.append(replace(spot, kind=kind, colour=item.colour if rng.random() < 0.5 else spot.colour))
    else:
        if entry["tag"] != "position":
            return None
        wanted = entry["include"][1]["position"][0]
        anchor, moved = objects
        other = str(rng.choice([r for r in RELATIONS if r != wanted]))
        (x, y), (u, v) = place(2, rng, (1, other, 0))
        objects = [replace(anchor, x=x, y=y), replace(moved, x=u, y=v)]
        if wanted in relations((u, v, u + BOX, v + BOX), (x, y, x + BOX, y + BOX)):
            return None
    return replace(scene, objects=tuple(objects))


def faulty(rng: np.random.Generator, fault: str | None = None) -> Sample:
    """A picture that is wrong, strictly, for its prompt; the fault is drawn unless it is named."""
    name = fault or FAULTS[rng.integers(len(FAULTS))]
    while True:
        entry = random_metadata(rng)
        scene = random_scene(entry, rng)
        stack = layers(scene)
        if name in WRONG:
            wrong = _wrong(scene, entry, name, rng)
            if wrong is None:
                continue
            return Sample(paint(layers(wrong)), entry, scene, name)
        if name == "blob":
            extra = _blob(scene, rng)
            if extra is None:
                continue
            return Sample(paint(stack + extra), entry, scene, name)
        order = rng.permutation(len(stack))
        damaged = DAMAGES[name](scene.objects[order[0]], rng)
        if damaged is None:
            continue
        whole = [stack[index] for index in order[1:]]
        if name == "fused" and rng.random() < 0.5:
            whole = whole[1:]  # the blob is two of the scene's objects run into one
        return Sample(paint(whole + damaged), entry, scene, name)
