"""Samples: valid pixels only, parts that do not see each other, the same by seed and through a file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pandas
import pytest
import shapely
from conftest import WriteTif

from landcover_bdgf.errors import LabelError, SettingsError
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.labels.sampling import SampleSettings, sample, samples_lines
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.stack import Stack

HEIGHT, WIDTH = 128, 150
ARRAYS = ("rows", "cols", "codes", "groups", "parts")


@pytest.fixture
def stack(write_tif: WriteTif) -> Stack:
    """A scene whose first 10 rows have no spectral data and whose first 8 columns no SAR."""
    random = np.random.default_rng(0)
    spectral = random.random((4, HEIGHT, WIDTH), np.float32) + 0.1
    sar = random.gamma(4, 0.05, (2, HEIGHT, WIDTH)).astype(np.float32)
    spectral[:, :10], sar[:, :, :8] = -1, np.nan
    return align(write_tif("hsi.tif", spectral, nodata=-1), write_tif("sar.tif", sar, nodata=np.nan))


def box(row: int, col: int, side: int = 6) -> shapely.Polygon:
    left, top = 500_000 + 10 * col, 5_000_000 - 10 * row
    return shapely.box(left, top - 10 * side, left + 10 * side, top)


@pytest.fixture
def polygons(tmp_path: Path) -> Path:
    """Three classes in 6 px squares 10 px apart all over the scene, with a field that says train or test."""
    corners = [(row, col) for row in range(0, 120, 16) for col in range(0, 140, 16)]
    classes = [("water", "crops", "trees")[i % 3] for i in range(len(corners))]
    parts = ["Test" if col > 90 else "train" for _, col in corners]
    frame = geopandas.GeoDataFrame(
        {"class": classes, "part": parts}, geometry=[box(*corner) for corner in corners], crs=32633
    )
    frame.to_file(tmp_path / "labels.gpkg")
    return tmp_path / "labels.gpkg"


def same(one: Samples, other: Samples) -> bool:
    arrays = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ARRAYS)
    return arrays and (one.grid, one.legend, one.split) == (other.grid, other.legend, other.split)


@pytest.mark.parametrize("method", ["polygon", "block", "column:part"])
def test_windows_of_both_parts_do_not_overlap(stack: Stack, polygons: Path, method: str) -> None:
    samples = sample(stack, polygons, field="class", settings=SampleSettings(split=method))
    assert samples.min_distance_px() >= 9
    assert samples.leak() == 0
    assert len(samples.train) + len(samples.test) == len(samples)
    assert all(row["train"] > 0 and row["test"] > 0 for row in samples.table())


def test_only_pixels_that_both_sensors_see_are_drawn(stack: Stack, polygons: Path) -> None:
    samples = sample(stack, polygons, field="class")
    assert samples.rows.min() >= 10
    assert samples.cols.min() >= 8
    assert samples.split.dropped["no data in the image"] > 0
    assert len(np.unique(samples.positions, axis=0)) == len(samples)


def test_the_seed_decides(stack: Stack, polygons: Path) -> None:
    zero, again, one = (sample(stack, polygons, field="class", settings=SampleSettings(seed=s)) for s in (0, 0, 1))
    assert same(zero, again)
    assert zero.test_digest() == again.test_digest() != one.test_digest()
    assert zero.test_digest() == zero.where(np.arange(len(zero))[::-1]).test_digest()


def test_polygons_stay_whole(stack: Stack, polygons: Path) -> None:
    samples = sample(stack, polygons, field="class", settings=SampleSettings(per_class=10_000, buffer_px=9))
    assert not set(samples.train.groups) & set(samples.test.groups)
    assert len(samples.test) / len(samples) == pytest.approx(0.3, abs=0.03)


def test_random_pixels_leak_and_say_so(stack: Stack, polygons: Path) -> None:
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
        (
            range(2, 22),
            "will hold 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 8 more for the classes 2, 3, 4, 5, 6, 7, 8",
        ),
        ((3, 1, 2), ""),
        (("01", "2", "3"), ""),
        (("4", "crops", "9"), ""),
    ],
)
def test_whole_numbers_that_become_others_are_warned_of(
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


def test_without_a_split_everything_trains(stack: Stack, polygons: Path) -> None:
    samples = sample(stack, polygons, field="class", settings=SampleSettings(split="none"))
    assert len(samples.test) == 0
    assert math.isinf(samples.min_distance_px())
    assert samples.leak() == 0
    assert samples_lines(samples)[-1] == "no test part"


def test_no_pixel_is_drawn_twice_to_fill_a_class(stack: Stack, polygons: Path) -> None:
    samples = sample(stack, polygons, field="class", settings=SampleSettings(per_class=50))
    assert all(row["train"] == 50 for row in samples.table())
    assert samples.split.dropped["more than asked for"] > 0


def labels(path: Path, classes: list[str], corners: list[tuple[int, int]], side: int = 6) -> Path:
    shapes = [box(*corner, side) for corner in corners]
    geopandas.GeoDataFrame({"class": classes}, geometry=shapes, crs=32633).to_file(path)
    return path


def test_one_polygon_of_a_class_makes_blocks(stack: Stack, tmp_path: Path) -> None:
    path = labels(tmp_path / "a.gpkg", ["a", "b", "b"], [(20, 20), (20, 90), (70, 90)], side=40)
    samples = sample(stack, path, field="class")
    assert (samples.split.method, samples.split.block_px) == ("block", 26)
    assert "class a has only one polygon" in samples.split.notes[0]
    assert samples.min_distance_px() >= 13
    assert all(row["train"] and row["test"] for row in samples.table())


def test_near_points_make_blocks(stack: Stack, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    corners = [(int(r), int(c)) for r, c in random.integers(12, 120, (200, 2))]
    frame = geopandas.GeoDataFrame(
        {"class": ["a", "b"] * 100}, geometry=[box(*corner, 1).centroid for corner in corners], crs=32633
    )
    frame.to_file(tmp_path / "p.gpkg")
    samples = sample(stack, tmp_path / "p.gpkg", field="class")
    assert samples.split.method == "block"
    assert samples.leak() == 0


def test_a_class_without_data_leaves_the_legend(stack: Stack, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = labels(tmp_path / "a.gpkg", list("abcbc"), [(0, 50), (30, 20), (30, 90), (90, 20), (90, 90)])
    samples = sample(stack, path, field="class")
    assert samples.legend.names == ("b", "c")
    assert set(samples.codes) == {1, 2}
    assert "class a has no pixel with data in both images" in caplog.text


def test_labels_that_cannot_train_are_refused(stack: Stack, polygons: Path, tmp_path: Path) -> None:
    one = labels(tmp_path / "one.gpkg", ["a", "a"], [(30, 20), (30, 90)])
    with pytest.raises(LabelError, match=r"at least two classes.*found a"):
        sample(stack, one, field="class")
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
    """Whatever the field says of features without a class, which are skipped, does not matter."""
    part = pandas.Series([*values, values[0] if last else None])
    corners = [(30, 20), (30, 90), (90, 20), (90, 90), (60, 60)]
    frame = {"class": ["a", "b", "a", "b", None], "part": part}
    shapes = [box(*corner) for corner in corners]
    geopandas.GeoDataFrame(frame, geometry=shapes, crs=32633).to_file(tmp_path / "a.gpkg")
    samples = sample(stack, tmp_path / "a.gpkg", field="class", settings=SampleSettings(split="column:part"))
    assert set(samples.train.groups) == {0, 1}
    assert set(samples.test.groups) == {2, 3}


@pytest.mark.parametrize(("wrong", "found"), [(0.5, "0.5"), (2, "2"), (None, "nothing")])
def test_what_a_column_may_not_say(stack: Stack, tmp_path: Path, wrong: float | None, found: str) -> None:
    shapes = [box(30, 20), box(30, 90), box(90, 20)]
    frame = geopandas.GeoDataFrame({"class": list("aba"), "part": [0, 1, wrong]}, geometry=shapes, crs=32633)
    frame.to_file(tmp_path / "a.gpkg")
    with pytest.raises(LabelError, match=f"part must say train or 0, test or 1, found {found}[.] Correct"):
        sample(stack, tmp_path / "a.gpkg", field="class", settings=SampleSettings(split="column:part"))


def test_a_class_that_is_only_test_is_refused(stack: Stack, tmp_path: Path) -> None:
    frame = geopandas.GeoDataFrame(
        {"class": list("abc"), "part": ["train", "train", "test"]},
        geometry=[box(20, 20), box(60, 60), box(90, 90)],
        crs=32633,
    )
    frame.to_file(tmp_path / "a.gpkg")
    with pytest.raises(LabelError, match="no training pixel is left of c"):
        sample(stack, tmp_path / "a.gpkg", field="class", settings=SampleSettings(split="column:part"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"split": "polygons"},
        {"test_share": 1.0},
        {"per_class": 0},
        {"conflicts": "first"},
        {"block_size_px": -1},
        {"buffer_px": -1},
    ],
)
def test_settings_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=f"^`{next(iter(wrong))}="):
        SampleSettings(**wrong)  # type: ignore[arg-type]


def test_samples_of_another_image_are_noticed(stack: Stack, polygons: Path) -> None:
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
def test_real_polygons_split_apart(shared_data: Path, scene: str) -> None:
    folder = shared_data / scene
    stack = align(folder / "s2_l2a.tif", folder / "s1_rtc_db.tif")
    settings = SampleSettings(clear_px=9)  # single windows; where nine by nine are averaged it is 13 px
    samples = sample(stack, folder / "train_polygons.shp", field="class", settings=settings)
    assert samples.leak() == 0
    assert min(row["train"] for row in samples.table()) >= 100
    assert min(row["test"] for row in samples.table()) >= 50
