"""Samples of one or more scenes as one: one legend, one numbering of polygons, distances on the ground."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy  # its parts are loaded when they are used
from numpy.typing import NDArray

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo import Grid, common_positions
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.samples import TEST, ClassRow, Samples, class_rows
from landcover_bdgf.labels.settings import FOLDS
from landcover_bdgf.labels.split import distances_px, spaced_positions
from landcover_bdgf.progress import log
from landcover_bdgf.text import listed, printable

SAME_PLACE_PX = 0.999  # pixels of two scenes nearer than this show the same ground

Ints = NDArray[Any]


@dataclass(frozen=True, eq=False)
class JoinedSamples:
    """Samples of S scenes; made by :func:`join_samples`.

    Attributes
    ----------
    scenes : tuple of Samples
        With one legend; a scene need not have all its classes. Polygons of two scenes have the same number only if they
        show the same ground.
    """

    scenes: tuple[Samples, ...]

    def __len__(self) -> int:
        return sum(map(len, self.scenes))

    @property
    def legend(self) -> Legend:
        """The classes of all scenes."""
        return self.scenes[0].legend

    @cached_property
    def codes(self) -> NDArray[np.uint16]:
        """Codes of the legend, (n,): the pixels of the first scene first."""
        return np.concatenate([each.codes for each in self.scenes])

    @cached_property
    def groups(self) -> NDArray[np.int32]:
        """Polygon, point or block of each pixel, (n,)."""
        return np.concatenate([each.groups for each in self.scenes])

    @cached_property
    def parts(self) -> NDArray[np.uint8]:
        """0 for training, 1 for test, (n,)."""
        return np.concatenate([each.parts for each in self.scenes])

    @cached_property
    def scene(self) -> NDArray[np.uint16]:
        """Index of the scene of each pixel, (n,)."""
        return np.repeat(np.arange(len(self.scenes), dtype=np.uint16), [len(each) for each in self.scenes])

    @cached_property
    def rows(self) -> NDArray[np.int32]:
        """Row of each pixel in its scene, (n,)."""
        return np.concatenate([each.rows for each in self.scenes])

    @cached_property
    def cols(self) -> NDArray[np.int32]:
        """Column of each pixel in its scene, (n,)."""
        return np.concatenate([each.cols for each in self.scenes])

    @cached_property
    def positions(self) -> NDArray[np.float64]:
        """Rows and columns (n, 2) on common planes; of one scene, those in its image."""
        return np.concatenate(common_positions(self._grids, [each.positions for each in self.scenes]))

    @property
    def train(self) -> JoinedSamples:
        """The training part."""
        return JoinedSamples(tuple(each.train for each in self.scenes))

    def table(self) -> list[ClassRow]:
        """One row per class: :meth:`Samples.table` of all scenes."""
        return class_rows(self.legend, self.codes, self.groups, self.parts)

    def where(self, keep: NDArray[Any]) -> JoinedSamples:
        """The pixels selected by a mask or ascending indices (n,)."""
        mask = np.zeros(len(self), bool)
        mask[keep] = True
        ends = np.cumsum([len(each) for each in self.scenes])[:-1]
        return JoinedSamples(tuple(s.where(own) for s, own in zip(self.scenes, np.split(mask, ends), strict=True)))

    def map_distances_px(self) -> NDArray[np.float64]:
        """Distance to the nearest label of evenly spaced pixels of all scenes, up to 64 rows and columns of each."""
        spaced = [spaced_positions(grid.shape_hw) for grid in self._grids]
        return distances_px(np.concatenate(common_positions(self._grids, spaced)), self.positions)

    def tests_on(self, grid: Grid) -> NDArray[np.int64]:
        """Rows and columns (m, 2) of the pixels of a grid that hold the centre of a test pixel of any scene."""
        found = []
        for test in (each.test for each in self.scenes):
            exact = test.positions if test.grid.same_as(grid) else _on(test, grid)
            found.append(np.floor(exact + 0.5).astype(np.int64))
        return np.concatenate(found)

    def test_digest(self) -> str:
        """SHA-256 of the positions of the test pixels; of one scene, that of its samples."""
        digests = [each.test_digest() for each in self.scenes]
        return digests[0] if len(digests) == 1 else hashlib.sha256(" ".join(digests).encode()).hexdigest()

    def check_grids(self, grids: Sequence[Grid]) -> None:
        """LabelError if these are not the grids of its scenes, in their order."""
        if len(grids) != len(self.scenes):
            problem = f"{len(self.scenes)} samples were given for {len(grids)} scenes"
            raise LabelError(None, problem, "Give samples for each scene, in the same order.")
        for each, grid in zip(self.scenes, grids, strict=True):
            each.check_grid(grid)

    @property
    def _grids(self) -> list[Grid]:
        return [each.grid for each in self.scenes]


def join_samples(samples: Samples | Sequence[Samples] | JoinedSamples) -> JoinedSamples:
    """Samples of several scenes as one; those of a single one, and joined ones, are unchanged.

    Classes of the same name are one class. Training pixels nearer to a test pixel of another scene than the buffer of
    the split are dropped, as within a scene.

    Raises
    ------
    LabelError
        Two classes of different names have the same value.
    """
    if isinstance(samples, JoinedSamples):
        return samples
    samples = [samples] if isinstance(samples, Samples) else samples
    if len(samples) == 1:
        return JoinedSamples((samples[0],))
    legend = Legend.joined([each.legend for each in samples])
    scenes: list[Samples] = []
    first = 0
    for each in samples:
        offset = first - min(0, int(each.groups.min(initial=0))) if scenes else 0
        own = replace(each, groups=each.groups + np.int32(offset))
        first = max(first, int(own.groups.max(initial=0)) + 1)
        scenes.append(replace(own, legend=legend, codes=legend.codes_from(each.legend)[each.codes]))
    warn_of_strangers(legend, [each.codes for each in scenes])
    return _without_near(_with_same_places(JoinedSamples(tuple(scenes))))


def warn_of_strangers(legend: Legend, codes: Sequence[Ints]) -> None:
    """Warn of scenes that share no class with the others, as when one has names and another has numbers."""
    found = [set(np.unique(own).tolist()) for own in codes]
    for number, own in enumerate(found, 1):
        others = set().union(*(each for i, each in enumerate(found, 1) if i != number))
        if own and others and not own & others:
            ours, theirs = (listed([legend.names[code - 1] for code in sorted(some)]) for some in (own, others))
            log.warning(
                "scene %d with labels has no class of the others: it has %s, they have %s. Each is a class of its own "
                "in the map; if some are the same, write them alike, or choose another field.",
                number, ours, theirs,
            )  # fmt: skip


def same_places(positions: NDArray[Any], scene: Ints, groups: Ints) -> Ints:
    """The groups (n,) of pixels, where groups of different scenes that show the same ground are one.

    The number of such a group is the least of theirs. ``positions`` (n, 2) are on common planes, ``scene`` (n,) is the
    scene of each pixel.
    """
    links = [np.empty((0, 2), np.intp)]
    for number in np.unique(scene)[1:]:
        before, own = np.flatnonzero(scene < number), np.flatnonzero(scene == number)
        near = scipy.spatial.cKDTree(positions[own]).query_ball_point(positions[before], SAME_PLACE_PX, p=np.inf)
        counts = [len(each) for each in near]
        inside = np.concatenate([np.asarray(each, np.intp) for each in near if each] or [np.empty(0, np.intp)])
        links.append(np.stack([np.repeat(before, counts), own[inside]], axis=1))
    names, group = np.unique(groups, return_inverse=True)
    first, second = group.ravel()[np.concatenate(links)].T
    together = scipy.sparse.coo_array((np.ones(len(first), bool), (first, second)), shape=(len(names),) * 2)
    cluster = scipy.sparse.csgraph.connected_components(together, directed=False)[1]
    least = np.full(cluster.max() + 1, names.max())
    np.minimum.at(least, cluster, names)
    found: Ints = least[cluster][group.ravel()]
    return found


def _on(samples: Samples, grid: Grid) -> NDArray[np.float64]:
    """Pixels of samples in a grid, (m, 2), those inside it."""
    x, y = samples.grid.xy(samples.rows, samples.cols)
    found = np.stack(grid.rowcol_of(x, y, samples.grid.crs), axis=1)
    inside = np.isfinite(found).all(axis=1) & (found > -1).all(axis=1) & (found < grid.shape_hw).all(axis=1)
    return found[inside]


def _with_same_places(joined: JoinedSamples) -> JoinedSamples:
    groups = same_places(joined.positions, joined.scene, joined.groups)
    return JoinedSamples(tuple(replace(each, groups=groups[joined.scene == i]) for i, each in enumerate(joined.scenes)))


def _without_near(joined: JoinedSamples) -> JoinedSamples:
    """Without the training pixels that lie too near to a test pixel of another scene."""
    near = np.zeros(len(joined), bool)
    parts = joined.parts
    for i, each in enumerate(joined.scenes):
        test, others = (parts == 1) & (joined.scene == i), (parts == 0) & (joined.scene != i)
        buffer_px = max(1, each.split.buffer_px)
        near[others] |= distances_px(joined.positions[others], joined.positions[test]) < buffer_px
    if not near.any():
        return joined
    log.warning("%d training pixels are too near to test pixels of another scene, and are left out", near.sum())
    return joined.where(~near)


def samples_lines(samples: Samples | JoinedSamples) -> list[str]:
    """Text table of polygons, training and test pixels per class, of one scene followed by distance and leak."""
    rows = [(printable(r["name"]), r["groups"], r["train"], r["test"]) for r in samples.table()]
    tested = int((samples.parts == TEST).sum())
    rows.append(("all", len(np.unique(samples.groups)), len(samples) - tested, tested))
    width = max(len("class"), *(len(name) for name, *_ in rows))
    first = samples.scenes[0] if isinstance(samples, JoinedSamples) else samples
    what = "blocks" if first.split.block_px else "polygons"
    lines = [f"{'class':<{width}} {what:>9} {'train px':>9} {'test px':>9}"]
    lines += [f"{name:<{width}} {groups:>9} {train:>9} {test:>9}" for name, groups, train, test in rows]
    if isinstance(samples, JoinedSamples):
        return lines
    dropped = "; ".join(f"{number} px {reason}" for reason, number in samples.split.dropped.items() if number)
    lines += [f"left out: {dropped}"] if dropped else []
    if samples.split.method == FOLDS:
        return [*lines, f"the map learns from all of them; models of other {what} judge each"]
    distance = samples.min_distance_px()
    if math.isinf(distance):
        return [*lines, "no test part"]
    leak = f"{100 * samples.leak():.0f} % of test windows overlap training windows"
    return [*lines, f"split by {samples.split.method}; nearest training and test pixel {distance:.0f} px apart; {leak}"]
