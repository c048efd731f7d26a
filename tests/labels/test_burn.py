"""Pixels are claimed as if each feature were rasterised alone, however many are rasterised together."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import shapely
from rasterio.features import rasterize

from landcover_bdgf.labels import burn as module
from landcover_bdgf.labels.burn import Parts, burn, features_at

SHAPE_HW = (60, 80)


def alone(geometry):
    """The pixels of one feature."""
    parts = shapely.get_parts(shapely.get_parts([geometry]))
    burnt = np.zeros(SHAPE_HW, bool)
    if polygons := [part for part in parts if part.geom_type == "Polygon" and not part.is_empty]:
        burnt |= rasterize(polygons, out_shape=SHAPE_HW) > 0
    for part in (part for part in parts if part.geom_type == "Point"):
        if 0 <= part.y < SHAPE_HW[0] and 0 <= part.x < SHAPE_HW[1]:
            burnt[int(part.y), int(part.x)] = True
    return burnt


def one_by_one(geometries, codes):
    """First and last feature of each pixel, -1 for none, and whether their classes differ."""
    burnt = np.stack([alone(geometry) for geometry in geometries])
    numbers = np.arange(len(geometries))[:, None, None]
    low, high = (np.where(burnt, codes[:, None, None], none) for none in (99, -1))
    first, last = np.where(burnt, numbers, 10**6).min(0), np.where(burnt, numbers, -1).max(0)
    return np.where(last < 0, -1, first), last, (low.min(0) != high.max(0)) & (last >= 0), burnt


def features(random, count):
    """Polygons with holes, in several parts, overlapping and outside; points; mixtures of both."""
    made = []
    for x, y, size, kind in random.random((count, 4)) * [90, 70, 9, 7] - [4, 4, 4, 0]:
        disc = shapely.Point(x, y).buffer(max(size, 0.3))
        made.append([
            disc, disc.envelope, disc.difference(disc.buffer(-1)), shapely.Point(x, y),
            shapely.MultiPoint([(x, y), (x, y), (x + 0.1, y), (y, x)]),
            shapely.MultiPolygon([disc, shapely.box(x - 2, y - 9, x + 1, y)]),
            shapely.GeometryCollection([shapely.Point(y, x), shapely.MultiPolygon([shapely.box(x, y, x + 9, y + 1)])]),
        ][int(kind)])  # fmt: skip
    return np.array([*made, shapely.Polygon()], object)


@pytest.mark.parametrize(("window", "sheets", "count"), [(2048, 63, 40), (2048, 63, 400), (17, 63, 60), (2048, 2, 60)])
@pytest.mark.parametrize("seed", range(3))
def test_claims_are_those_of_features_one_by_one(monkeypatch, window, sheets, count, seed):
    monkeypatch.setattr(module, "_BURN_PX", window)
    monkeypatch.setattr(module, "_SHEETS", sheets)
    random = np.random.default_rng(seed)
    geometries = features(random, count)
    codes = random.integers(1, 4, len(geometries))
    first, last, disputed, burnt = one_by_one(geometries, codes)
    counts = Counter()
    claims = burn(SHAPE_HW, Parts.of(SHAPE_HW, geometries, counts), codes, counts)
    at = np.nonzero(last >= 0)
    np.testing.assert_array_equal(np.stack([claims.rows, claims.cols]), at)
    for name, expected in (("first", first), ("last", last), ("disputed", disputed)):
        np.testing.assert_array_equal(getattr(claims, name), expected[at], err_msg=name)
    without = int((~burnt.any(axis=(1, 2))).sum()) - 1  # but the empty one
    assert counts["outside the image"] + counts["too small or thin to hold a pixel centre"] == without
    row, col = int(claims.rows[0]), int(claims.cols[0])
    parts = Parts.of(SHAPE_HW, geometries, Counter())
    assert features_at(parts, row, col) == np.flatnonzero(burnt[:, row, col]).tolist()


def test_many_points_in_one_pixel():
    points = shapely.points(np.full((30, 2), 5.5))
    for different in (None, 0, 15, 29):
        codes = np.ones(30, int)
        codes[[] if different is None else different] = 2
        claims = burn(SHAPE_HW, Parts.of(SHAPE_HW, points, Counter()), codes, Counter())
        found = [claims.first.tolist(), claims.last.tolist(), claims.disputed.tolist()]
        assert found == [[0], [29], [different is not None]]


def test_polygons_apart_are_rasterised_together(monkeypatch):
    calls = []
    monkeypatch.setattr(module, "rasterize", lambda *args, **kwargs: calls.append(1) or rasterize(*args, **kwargs))
    corners = np.stack(np.meshgrid(np.arange(0, 80, 8), np.arange(0, 56, 8)), axis=-1).reshape(-1, 2)
    squares = shapely.box(*corners.T, *(corners + 3).T)
    claims = burn(SHAPE_HW, Parts.of(SHAPE_HW, squares, Counter()), np.arange(len(squares)), Counter())
    assert (len(claims.rows), len(calls)) == (9 * len(squares), 1)
    shifted = np.concatenate([squares, shapely.transform(squares, lambda xy: xy + 2)])
    burn(SHAPE_HW, Parts.of(SHAPE_HW, shifted, Counter()), np.arange(len(shifted)), Counter())
    assert len(calls) <= 1 + 4


def test_nothing_is_burnt_without_features():
    assert (
        len(
            burn(
                SHAPE_HW, Parts.of(SHAPE_HW, np.array([shapely.Polygon()], object), Counter()), np.ones(1), Counter()
            ).rows
        )
        == 0
    )
