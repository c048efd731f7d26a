"""A cell of a comparison is computed once, and again for another version; its figures are those of the test part."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from landcover_bdgf.bench.cells import BORDERS, FOLDS, KEPT, Archive, Cell, judged
from landcover_bdgf.bench.methods import Prediction
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.labels.left_out import LeftOut
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.samples import Samples, Split


def test_a_cell_is_computed_once_and_again_for_another_version(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> Cell:
        made.append(1)
        return {"oa": len(made)}

    archive = Archive(tmp_path)
    assert archive.cell({"seed": 1}, "v1", make)["oa"] == 1
    assert archive.cell({"seed": 1}, "v1", make)["oa"] == 1
    assert archive.cell({"seed": 2}, "v1", make)["oa"] == 2
    assert archive.outdated == 0
    assert archive.cell({"seed": 1}, "v2", make)["oa"] == 3
    assert archive.outdated == 1
    next(tmp_path.glob("cell_*.json")).write_text("{")  # damaged: computed again
    assert {archive.cell({"seed": seed}, "v2", make)["oa"] for seed in (1, 2)} >= {4}


def test_borders_and_streams_are_judged_on_the_test_part() -> None:
    """Class 2 on the right of column 20, and a stream of class 2 along row 10; the map misses half of it."""
    truth = np.ones((40, 40), np.uint16)
    truth[:, 20:] = 2
    stream = np.zeros(truth.shape, np.uint8)
    stream[20, :12], truth[20, :12] = 2, 2
    mapped = truth.copy()
    mapped[20, 3:9] = 1
    mapped[:, 20] = 1
    rows, cols = (axis.ravel().astype(np.int32) for axis in np.indices(truth.shape))
    parts = np.where(cols < 3, 0, 1).astype(np.uint8)  # the first three columns are for training
    grid = Grid(CRS.from_epsg(32633), Affine(10, 0, 0, 0, -10, 0), truth.shape)
    legend, groups = Legend.from_values(["field", "water"]), np.zeros(len(rows), np.int32)
    samples = Samples(grid, legend, rows, cols, truth.ravel(), groups, parts, Split())
    dataset = SimpleNamespace(truth=truth, stream_px=stream)
    cell = judged(dataset, samples, Prediction(mapped, None))  # type: ignore[arg-type]
    assert {name: cell[name] for name in KEPT} == dict.fromkeys(KEPT) | {"kept_2px": pytest.approx(100 / 3)}
    assert cell["oa_6"] == 100
    assert cell["oa_0_2"] < cell["oa_3_5"] == 100
    assert not any(cell[name] for name in FOLDS)
    dataset.stream_px, dataset.truth = None, np.where(np.indices(truth.shape).sum(0) % 2, truth, 0)
    cell = judged(dataset, samples, Prediction(mapped, None))  # type: ignore[arg-type]
    assert not any(cell[name] for name in (*BORDERS, *KEPT)), "labels with gaps do not tell where borders are"


def test_what_the_folds_say_stands_beside_the_accuracy() -> None:
    truth = np.repeat(np.uint16([[1], [2]]), 4, axis=1)
    rows, cols = (axis.ravel().astype(np.int32) for axis in np.indices(truth.shape))
    grid = Grid(CRS.from_epsg(32633), Affine(10, 0, 0, 0, -10, 0), truth.shape)
    legend, zeros = Legend.from_values(["field", "water"]), np.zeros(8, np.int32)
    samples = Samples(grid, legend, rows, cols, truth.ravel(), zeros, np.repeat(np.uint8([0, 1]), 4), Split())
    mapped = np.uint16([1, 1, 1, 2, 2, 2])  # five of six right: 3 of 4 fields, both waters
    px = np.arange(6)
    left_out = LeftOut(
        rows[px], cols[px], np.uint16([1, 1, 1, 1, 2, 2]), mapped, np.ones(6, np.float32), np.ones(6, np.float32),
        np.zeros(6, np.uint8), zeros[px], mapped,
    )  # fmt: skip
    dataset = SimpleNamespace(truth=truth, stream_px=None)
    cell = judged(dataset, samples, Prediction(truth, None, left_out))  # type: ignore[arg-type]
    assert cell["oa"] == 100
    assert [cell[name] for name in FOLDS] == pytest.approx([100 * 5 / 6, 87.5])
