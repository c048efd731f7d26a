"""Samples have data in both images, their parts are apart, and the seed reproduces them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas
import pytest
from conftest import WriteTif
from drawn_maps import box

from landcover_bdgf.errors import LabelError, SettingsError
from landcover_bdgf.labels.sampling import SampleSettings, sample, samples_lines
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.stack import Stack

HEIGHT, WIDTH = 128, 150


@pytest.fixture
def stack(write_tif: WriteTif) -> Stack:
    """A scene whose first 10 rows have no spectral data and whose first 8 columns no SAR."""
    random = np.random.default_rng(0)
    spectral = random.random((4, HEIGHT, WIDTH), np.float32) + 0.1
    sar = random.gamma(4, 0.05, (2, HEIGHT, WIDTH)).astype(np.float32)
    spectral[:, :10], sar[:, :, :8] = -1, np.nan
    return align(write_tif("hsi.tif", spectral, nodata=-1), write_tif("sar.tif", sar, nodata=np.nan))


CORNERS = [(30, 20), (30, 90), (90, 20), (90, 90), (60, 60)]


def labels(path: Path, classes: list[Any], corners: list[tuple[int, int]], side: int = 6, **fields: Any) -> Path:
    """A file of squares with a class and more fields."""
    shapes = [box(*corner, side, side) for corner in corners]
    geopandas.GeoDataFrame({"class": classes, **fields}, geometry=shapes, crs=32633).to_file(path)
    return path


@pytest.fixture
def polygons(tmp_path: Path) -> Path:
    """Three classes in 6 px squares 10 px apart all over the scene, with a field that says train or test."""
    corners = [(row, col) for row in range(0, 120, 16) for col in range(0, 140, 16)]
    classes = [("water", "crops", "trees")[i % 3] for i in range(len(corners))]
    parts = ["Test" if col > 90 else "train" for _, col in corners]
    return labels(tmp_path / "labels.gpkg", classes, corners, part=parts)


@pytest.mark.parametrize("method", ["polygon", "block", "column:part"])
def test_windows_of_both_parts_do_not_overlap(stack: Stack, polygons: Path, method: str) -> None:
    samples = sample(stack, polygons, field="class", settings=SampleSettings(split=method))
    assert samples.min_distance_px() >= 9
    assert samples.leak() == 0
    assert len(samples.train) + len(samples.test) == len(samples)
    assert all(row["train"] > 0 and row["test"] > 0 for row in samples.table())


def test_only_pixels_with_data_in_both_images_are_drawn(stack: Stack, polygons: Path) -> None:
    samples = sample(stack, polygons, field="class")
    assert samples.rows.min() >= 10
    assert samples.cols.min() >= 8
    assert samples.split.dropped["no data in the image"] > 0
    assert len(np.unique(samples.positions, axis=0)) == len(samples)


def test_the_seed_decides_the_samples(stack: Stack, polygons: Path) -> None:
    zero, again, one = (sample(stack, polygons, field="class", settings=SampleSettings(seed=s)) for s in (0, 0, 1))
    assert zero.same_as(again)
    assert zero.split == again.split
    assert zero.test_digest() == again.test_digest() != one.test_digest()
    assert zero.test_digest() == zero.where(np.arange(len(zero))[::-1]).test_digest()


def test_polygons_stay_whole(stack: Stack, polygons: Path) -> None:
    samples = sample(stack, polygons, field="class", settings=SampleSettings(per_class=10_000, buffer_px=9))
    assert not set(samples.train.groups) & set(samples.test.groups)
    assert len(samples.test) / len(samples) == pytest.approx(0.3, abs=0.03)


def test_the_leak_of_random_pixels_is_reported(stack: Stack, polygons: Path) -> None:
    samples = sample(stack, polygons, field="class", settings=SampleSettings(split="random", per_class=20))
    assert [row["train"] for row in samples.table()] == [20, 20, 20]
    assert samples.leak() > 0.3
    assert samples.min_distance_px() == 1
    assert "% of test windows overlap training windows" in samples_lines(samples)[-1]


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ((4, 9, 2), "will hold 1, 2, 3 for the classes 2, 4, 9 of its field class"),
        ((0, 2, 1), "will hold 1, 2, 3 for the classes 0, 1, 2 of its field class"),
        (range(2, 22), "will hold 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 8 more for the classes 2, 3, 4, 5, 6"),
        ((3, 1, 2), ""),
        (("01", "2", "3"), ""),
        (("4", "crops", "9"), ""),
    ],
)
def test_a_warning_lists_class_numbers_that_the_map_changes(
    stack: Stack, polygons: Path, caplog: pytest.LogCaptureFixture, numbers: Sequence[object], told: str
) -> None:
    frame = geopandas.read_file(polygons)
    frame["class"] = [numbers[i % len(numbers)] for i in range(len(frame))]
    frame.to_file(polygons)
    samples = sample(stack, polygons, field="class", settings=SampleSettings(split="none"))
    lines = [record.message for record in caplog.records if "the map will hold" in record.message]
    assert len(lines) == bool(told)
    assert all(f"labels.gpkg: the map {told}" in line for line in lines)
    assert not [note for note in samples.split.notes if "hold" in note]


def test_without_a_split_all_pixels_are_for_training(stack: Stack, polygons: Path) -> None:
    samples = sample(stack, polygons, field="class", settings=SampleSettings(split="none"))
    assert len(samples.test) == 0
    assert math.isinf(samples.min_distance_px())
    assert samples.leak() == 0
    assert samples_lines(samples)[-1] == "no test part"


def test_per_class_limits_the_training_pixels(stack: Stack, polygons: Path) -> None:
    samples = sample(stack, polygons, field="class", settings=SampleSettings(per_class=50))
    assert all(row["train"] == 50 for row in samples.table())
    assert samples.split.dropped["more than asked for"] > 0


def test_a_class_with_one_polygon_is_split_by_blocks(stack: Stack, tmp_path: Path) -> None:
    path = labels(tmp_path / "a.gpkg", ["a", "b", "b"], [(20, 20), (20, 90), (70, 90)], side=40)
    samples = sample(stack, path, field="class")
    assert (samples.split.method, samples.split.block_px) == ("block", 26)
    assert "class a has only one polygon" in samples.split.notes[0]
    assert samples.min_distance_px() >= 13
    assert all(row["train"] and row["test"] for row in samples.table())


def test_close_points_are_split_by_blocks(stack: Stack, tmp_path: Path) -> None:
    shapes = [box(*corner, 1, 1).centroid for corner in np.random.default_rng(0).integers(12, 120, (200, 2))]
    geopandas.GeoDataFrame({"class": ["a", "b"] * 100}, geometry=shapes, crs=32633).to_file(tmp_path / "p.gpkg")
    samples = sample(stack, tmp_path / "p.gpkg", field="class")
    assert samples.split.method == "block"
    assert samples.leak() == 0


def test_a_class_without_data_leaves_the_legend(stack: Stack, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = labels(tmp_path / "a.gpkg", list("abcbc"), [(0, 50), (30, 20), (30, 90), (90, 20), (90, 90)])
    samples = sample(stack, path, field="class")
    assert samples.legend.names == ("b", "c")
    assert set(samples.codes) == {1, 2}
    assert "class a has no pixel with data in both images" in caplog.text


def test_unknown_fields_and_parts_are_refused(stack: Stack, polygons: Path) -> None:
    with pytest.raises(LabelError, match="the field class must say train or 0, test or 1, found crops, trees, water"):
        sample(stack, polygons, field="class", settings=SampleSettings(split="column:class"))
    with pytest.raises(LabelError, match=r"no field 'prt'.*Did you mean part"):
        sample(stack, polygons, field="class", settings=SampleSettings(split="column:prt"))


@pytest.mark.parametrize(
    "values",
    [
        [0, 0, 1, 1],
        [0.0, 0.0, 1.0, 1.0],
        [False, False, True, True],
        ["0", "false", "1", "TRUE"],
        ["Train", " train", "test", "Test "],
    ],
    ids=["whole", "real", "boolean", "text", "words"],
)
@pytest.mark.parametrize("last", ["same", None])
def test_a_column_says_train_or_test_in_any_type(
    stack: Stack, tmp_path: Path, values: list[object], last: str | None
) -> None:
    """Its values for features without a class, which are skipped, do not matter."""
    part = pandas.Series([*values, values[0] if last else None])
    path = labels(tmp_path / "a.gpkg", ["a", "b", "a", "b", None], CORNERS, part=part)
    samples = sample(stack, path, field="class", settings=SampleSettings(split="column:part"))
    assert set(samples.train.groups) == {0, 1}
    assert set(samples.test.groups) == {2, 3}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([0, 1, 0.5], "part must say train or 0, test or 1, found 0.5. Correct"),
        ([0, 1, 2], "part must say train or 0, test or 1, found 2. Correct"),
        ([0, 1, None], "part must say train or 0, test or 1, found nothing. Correct"),
        (["train", "train", "test"], "no training pixel is left of c"),
    ],
)
def test_a_column_with_unknown_parts_or_a_class_without_training_pixels_is_refused(
    stack: Stack, tmp_path: Path, parts: list[Any], message: str
) -> None:
    path = labels(tmp_path / "a.gpkg", list("abc"), CORNERS[:3], part=parts)
    with pytest.raises(LabelError, match=re.escape(message)):
        sample(stack, path, field="class", settings=SampleSettings(split="column:part"))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("split", "polygons"), ("test_share", 1.0), ("per_class", 0), ("conflicts", "first"), ("buffer_px", -1)],
)
def test_settings_are_checked(name: str, wrong: Any) -> None:
    with pytest.raises(SettingsError, match=f"^`{name}="):
        SampleSettings(**{name: wrong})


def test_samples_of_another_image_are_refused(stack: Stack, polygons: Path) -> None:
    samples = sample(stack, polygons, field="class")
    samples.check_grid(stack.grid)
    with pytest.raises(LabelError, match="belong to another image"):
        samples.check_grid(stack.grid.shifted((3, 0)))


def test_the_table_shows_every_class_on_one_line(stack: Stack, polygons: Path) -> None:
    samples = sample(stack, polygons, field="class")
    entry = replace(samples.legend.entries[0], name="\x1b[31m" + "x" * 500)
    samples = replace(samples, legend=replace(samples.legend, entries=(entry, *samples.legend.entries[1:])))
    lines = samples_lines(samples)
    assert all(line.isprintable() and len(line) < 130 for line in lines)
    assert lines[4].split()[0] == "all"


@pytest.mark.parametrize("scene", ["s1s2_chile", "s1s2_denmark"])
def test_parts_of_real_polygons_are_apart(shared_data: Path, scene: str) -> None:
    folder = shared_data / scene
    stack = align(folder / "s2_l2a.tif", folder / "s1_rtc_db.tif")
    settings = SampleSettings(clear_px=9)  # single windows; where nine by nine are averaged it is 13 px
    samples = sample(stack, folder / "train_polygons.shp", field="class", settings=settings)
    assert samples.leak() == 0
    assert min(row["train"] for row in samples.table()) >= 100
    assert min(row["test"] for row in samples.table()) >= 50
