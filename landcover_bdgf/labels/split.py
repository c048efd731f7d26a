"""Splits into independent training and test pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy  # its parts are loaded when they are used
from numpy.typing import NDArray

# Random splits to try, fewer for very many pixels; the one with the smallest loss to the buffer is used. On real
# polygons, 32 draws leave the weakest class far more training pixels than one draw (Denmark: 108 instead of 13).
DRAWS, FEWEST_DRAWS = 32, 4
DRAWN_PIXELS = 3_000_000
SPACED = 64  # rows and columns of a scene whose distance to labels is measured

Mask = NDArray[np.bool_]
Ints = NDArray[Any]


def hold_out_apart(
    positions: Ints, codes: Ints, groups: Ints, *, share: float, buffer_px: int, rng: np.random.Generator
) -> Mask:
    """The best of several :func:`hold_out` draws: the one whose weakest class keeps most pixels after :func:`apart`."""
    draws = max(FEWEST_DRAWS, min(DRAWS, DRAWN_PIXELS // len(codes)))
    tried = [hold_out(codes, groups, share, rng) for _ in range(draws)]
    kept = [apart(positions, codes, held, buffer_px) for held in tried]
    scores = [_score(codes, held, keep, share) for held, keep in zip(tried, kept, strict=True)]
    return tried[scores.index(max(scores))]


def _score(codes: Ints, held: Mask, keep: Mask, share: float) -> tuple[float, int]:
    """Smallest share of its expected pixels that a part of a class keeps, then the number of all kept pixels."""
    number = np.bincount(codes)
    train = np.bincount(codes[keep & ~held], minlength=len(number))
    test = np.bincount(codes[keep & held], minlength=len(number))
    due = number[number > 0]
    kept = np.minimum(train[number > 0] / ((1 - share) * due), test[number > 0] / (share * due))
    return float(kept.min()), int(keep.sum())


def hold_out(codes: Ints, groups: Ints, share: float, rng: np.random.Generator) -> Mask:
    """Choose whole groups as test pixels, as close as possible to a share of the pixels of each class.

    Classes with few groups go first. A class with two or more groups gets training and test pixels, unless all its
    groups were already assigned with earlier classes.

    ``codes`` and ``groups`` (n,) are the class and the group of each pixel; returns a mask (n,) of the test pixels.
    """
    side: dict[int, bool] = {}
    members = {code: np.unique(groups[codes == code], return_counts=True) for code in np.unique(codes)}
    for code in sorted(members, key=lambda code: (len(members[code][0]), code)):
        numbers, sizes = members[code]
        pixels = dict(zip(numbers.tolist(), sizes.tolist(), strict=True))
        side.update(_sides(pixels, side, share, rng))
    held = np.array([number for number, is_test in side.items() if is_test], np.int64)
    return np.isin(groups, held)


def _sides(pixels: dict[int, int], side: dict[int, bool], share: float, rng: np.random.Generator) -> dict[int, bool]:
    """Sides of the unassigned groups of a class; ``pixels`` is the number of pixels by group."""
    free = [int(number) for number in rng.permutation([n for n in sorted(pixels) if n not in side])]
    settled = {side[number] for number in pixels if number in side}
    target = share * sum(pixels.values())
    held = sum(pixels[number] for number in pixels if side.get(number, False))
    chosen = dict.fromkeys(free, False)
    for number in free:
        if abs(held + pixels[number] - target) < abs(held - target):
            chosen[number] = True
            held += pixels[number]
    present = settled | set(chosen.values())
    if free and len(pixels) > 1 and len(present) == 1:
        smallest = min(free, key=lambda number: (pixels[number], number))
        chosen[smallest] = not chosen[smallest]
    return chosen


def hold_out_pixels(codes: Ints, share: float, per_class: int, rng: np.random.Generator) -> Mask:
    """Random single pixels, as in most papers: up to ``per_class`` training pixels of a class, the rest is test."""
    held = np.zeros(len(codes), bool)
    for code in np.unique(codes):
        members = rng.permutation(np.flatnonzero(codes == code))
        train = max(1, min(per_class, round((1 - share) * len(members))))
        held[members[train:]] = True
    return held


def blocks(rows: Ints, cols: Ints, block_px: int) -> NDArray[np.int32]:
    """Numbers, from 0, of the square blocks that contain the pixels."""
    corners = np.stack([rows // block_px, cols // block_px], axis=1)
    _, numbers = np.unique(corners, axis=0, return_inverse=True)
    return numbers.reshape(-1).astype(np.int32)


def apart(positions: Ints, codes: Ints, held: Mask, buffer_px: int) -> Mask:
    """Which pixels to keep so that training and test are at least ``buffer_px`` apart.

    Training pixels are dropped, because a smaller test part would make the accuracy less certain. Only if a class would
    lose all its training pixels, the test pixels near them are dropped instead.

    ``positions`` (n, 2) are rows and columns, ``codes`` (n,) classes, ``held`` (n,) is the mask of test pixels. In
    Chebyshev distance, windows of ``buffer_px`` × ``buffer_px`` pixels do not overlap. Returns a mask (n,).
    """
    keep = np.ones(len(codes), bool)
    near = _near(positions, ~held, held, buffer_px)
    for code in np.unique(codes[near]):
        whole = ~held & (codes == code)
        if near[whole].all():
            keep &= ~_near(positions, held, whole, buffer_px)
    return keep & ~_near(positions, ~held, held & keep, buffer_px)


def distances_px(positions: Ints, others: Ints) -> NDArray[np.float64]:
    """Chebyshev distance of each position (n, 2) to the nearest of others (m, 2); infinite without others."""
    if not len(others):
        return np.full(len(positions), np.inf)
    found: NDArray[np.float64] = scipy.spatial.cKDTree(others).query(positions, p=np.inf)[0]
    return found


def scene_distances_px(shape_hw: tuple[int, int], positions: Ints) -> NDArray[np.float64]:
    """Distance to the nearest of ``positions`` of evenly spaced pixels of a scene, up to 64 rows and columns."""
    return distances_px(spaced_positions(shape_hw), positions)


def spaced_positions(shape_hw: tuple[int, int]) -> NDArray[np.float64]:
    """Rows and columns (n, 2) of evenly spaced pixels of a scene, up to 64 rows and columns."""
    rows, cols = (np.unique(np.linspace(0, side - 1, SPACED).round()) for side in shape_hw)
    return np.stack(np.meshgrid(rows, cols), axis=-1).reshape(-1, 2)


def nearest_px(positions: Ints) -> float:
    """Chebyshev distance of the two nearest of at least two positions (n, 2)."""
    return float(scipy.spatial.cKDTree(positions).query(positions, k=2, p=np.inf)[0][:, 1].min())


def draw_per_class(codes: Ints, most: int, rng: np.random.Generator) -> Mask:
    """At most ``most`` random pixels of each class."""
    drawn = np.zeros(len(codes), bool)
    for code in np.unique(codes):
        drawn[rng.permutation(np.flatnonzero(codes == code))[:most]] = True
    return drawn


def _near(positions: Ints, these: Mask, those: Mask, buffer_px: int) -> Mask:
    """Which of ``these`` are closer than the buffer to one of ``those``; False for all others."""
    near = np.zeros(len(positions), bool)
    near[these] = distances_px(positions[these], positions[those]) < buffer_px
    return near
