"""Three ways to draw training and test pixels from an image of labels; side by side they show what shared context adds.

- *random*: single pixels, as most papers do. Windows of test pixels overlap those of training pixels.
- *near*: from different blocks of 16 px, at least 4 px apart, as much of the literature does.
- *far*: from different blocks of 56 px, at least 32 px apart: no context is shared. Only this one says what a map is
  worth away from its training polygons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.bench.datasets import Dataset
from landcover_bdgf.errors import LabelError
from landcover_bdgf.labels import TEST, TRAIN, Samples, Split, split
from landcover_bdgf.text import printable

DRAWS = 64  # random halves of the blocks that are tried; the first that gives every class its pixels is taken
FEWEST_TEST = 30  # pixels of a class that make its accuracy worth a number
TEST_SHARE = 0.5  # of the blocks


@dataclass(frozen=True)
class Protocol:
    """Side of the blocks, None for single pixels, and least Chebyshev distance of training and test pixels."""

    name: str
    block_px: int | None
    apart_px: int


PROTOCOLS = {p.name: p for p in (Protocol("random", None, 1), Protocol("near", 16, 4), Protocol("far", 56, 32))}


def draw(dataset: Dataset, protocol: Protocol, *, per_class: int, seed: int) -> Samples:
    """Draw ``per_class`` training pixels of each class; of the rest, what is far enough from all of them is test.

    With blocks, training pixels come from one half of them and test pixels from the other. A class that has too few
    training pixels in its half, in the best of several draws, gets what there is; :func:`shortages` names it.

    Raises
    ------
    LabelError
        A class has fewer labelled pixels than ``per_class``, in the whole scene: a table of all classes.
    """
    rows, cols = np.nonzero(dataset.truth)
    codes = dataset.truth[rows, cols]
    _check_counts(dataset, codes, per_class)
    positions = np.stack([rows, cols], axis=1)
    rng = np.random.default_rng(seed)
    tried = []
    for _ in range(DRAWS if protocol.block_px else 1):
        held, groups = _held(positions, protocol, rng)
        train = ~held & _drawn(codes, ~held, per_class, rng)
        test = ~train & (held if protocol.block_px else True)
        test[test] = split.distances_px(positions[test], positions[train]) >= protocol.apart_px
        tried.append((_score(codes, train, test, per_class), train, test, groups))
        if tried[-1][0] >= 1:
            break
    _, train, test, groups = max(tried, key=lambda one: one[0])
    keep = train | test
    made = Split(protocol.name, protocol.apart_px, seed, TEST_SHARE, protocol.block_px)
    return Samples(
        dataset.stack.grid, dataset.legend, rows[keep].astype(np.int32), cols[keep].astype(np.int32), codes[keep],
        groups[keep], np.where(test, TEST, TRAIN).astype(np.uint8)[keep], made,
    )  # fmt: skip


def shortages(samples: Samples) -> list[str]:
    """Classes with fewer training pixels than another, or too few test pixels to judge by, in words."""
    table = samples.table()
    most = max(row["train"] for row in table)
    train = [f"{printable(row['name'])}: {row['train']} of {most} training px" for row in table if row["train"] < most]
    return train + [f"{printable(row['name'])}: {row['test']} test px" for row in table if row["test"] < FEWEST_TEST]


def _held(
    positions: NDArray[Any], protocol: Protocol, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Pixels of a random half of the blocks, and the block of each pixel.

    Blocks are not chosen for an even share of each class: that would set the test part against the training part.
    """
    if protocol.block_px is None:
        return np.zeros(len(positions), bool), np.arange(len(positions), dtype=np.int32)
    groups = split.blocks(positions[:, 0], positions[:, 1], protocol.block_px)
    number = int(groups.max()) + 1
    return np.isin(groups, rng.permutation(number)[: round(TEST_SHARE * number)]), groups


def _drawn(
    codes: NDArray[Any], allowed: NDArray[np.bool_], per_class: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    drawn = np.zeros(len(codes), bool)
    places = np.flatnonzero(allowed)
    drawn[places[split.draw_per_class(codes[places], per_class, rng)]] = True
    return drawn


def _score(codes: NDArray[Any], train: NDArray[np.bool_], test: NDArray[np.bool_], per_class: int) -> float:
    """What the worst-off class has of the pixels it should have, at most 1."""
    number = np.bincount(codes).shape[0]
    have = [np.bincount(codes[part], minlength=number)[1:] for part in (train, test)]
    return float(min(1, (have[0] / per_class).min(), (have[1] / FEWEST_TEST).min()))


def _check_counts(dataset: Dataset, codes: NDArray[Any], per_class: int) -> None:
    counts = np.bincount(codes, minlength=len(dataset.legend.entries) + 1)[1:]
    if (counts > per_class).all():
        return
    table = ", ".join(f"{printable(name)} {count}" for name, count in zip(dataset.legend.names, counts, strict=True))
    raise LabelError(
        dataset.name,
        f"{per_class} training pixels per class leave nothing to test with; labelled pixels are: {table}",
        "Use a smaller --per-class, or leave the class out.",
    )
