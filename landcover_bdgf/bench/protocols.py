"""Three protocols for training and test pixels from a label image; their difference shows the effect of shared context.

- *random*: single pixels, as in most papers. Windows of test pixels overlap those of training pixels.
- *near*: from different blocks of 16 px, at least 4 px apart, as in much of the literature.
- *far*: from different blocks of 56 px, at least 32 px apart: no shared context. Only this protocol estimates the
  accuracy of a map away from its training polygons.
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

DRAWS = 64  # random halves of the blocks to try; the first with enough pixels of every class is used
FEWEST_TEST = 30  # test pixels of a class, for a meaningful accuracy
TEST_SHARE = 0.5  # of the blocks


@dataclass(frozen=True)
class Protocol:
    """Side of the blocks, None for single pixels, and least Chebyshev distance between training and test pixels."""

    name: str
    block_px: int | None
    apart_px: int


PROTOCOLS = {p.name: p for p in (Protocol("random", None, 1), Protocol("near", 16, 4), Protocol("far", 56, 32))}


def draw(dataset: Dataset, protocol: Protocol, *, per_class: int, seed: int) -> Samples:
    """Draw ``per_class`` training pixels of each class; the rest, if far enough from them, are test pixels.

    With blocks, training pixels come from one half of the blocks and test pixels from the other. A class with too few
    pixels in the training half, in the best of several draws, gets all of them; :func:`shortages` lists it.

    Raises
    ------
    LabelError
        A class has no more labelled pixels than ``per_class`` in the scene; lists all classes.
    """
    rows, cols = np.nonzero(dataset.truth)
    codes = dataset.truth[rows, cols]
    _check_counts(dataset, codes, per_class)
    positions = np.stack([rows, cols], axis=1)
    rng = np.random.default_rng(seed)
    tried = []
    for _ in range(DRAWS if protocol.block_px else 1):
        held, groups = _held(positions, protocol, rng)
        places, train = np.flatnonzero(~held), np.zeros(len(codes), bool)
        train[places[split.draw_per_class(codes[places], per_class, rng)]] = True
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
    """Texts on classes with fewer training pixels than another, or too few test pixels."""
    table = samples.table()
    most = max(row["train"] for row in table)
    train = [f"{printable(row['name'])}: {row['train']} of {most} training px" for row in table if row["train"] < most]
    return train + [f"{printable(row['name'])}: {row['test']} test px" for row in table if row["test"] < FEWEST_TEST]


def _held(
    positions: NDArray[Any], protocol: Protocol, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Pixels of a random half of the blocks, and the block of each pixel.

    Blocks are not stratified by class: that would make class shares of training and test part depend on each other.
    """
    if protocol.block_px is None:
        return np.zeros(len(positions), bool), np.arange(len(positions), dtype=np.int32)
    groups = split.blocks(positions[:, 0], positions[:, 1], protocol.block_px)
    number = int(groups.max()) + 1
    return np.isin(groups, rng.permutation(number)[: round(TEST_SHARE * number)]), groups


def _score(codes: NDArray[Any], train: NDArray[np.bool_], test: NDArray[np.bool_], per_class: int) -> float:
    """Share of the requested pixels that the class with the fewest has, at most 1."""
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
        f"{per_class} training pixels per class leave no test pixels; labelled pixels: {table}",
        "Reduce `per_class`, or leave the class out.",
    )
