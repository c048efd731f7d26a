"""Samples have data in both images, their parts are apart, and the seed reproduces them."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import geopandas
import numpy as np
import pytest
import rasterio
from affine import Affine
from drawn_maps import box
from rasterio.crs import CRS

from landcover_bdgf.errors import LabelError, SettingsError
from landcover_bdgf.geo.cog import RasterProfile, write_raster
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.labels.joined_samples import samples_lines
from landcover_bdgf.labels.sampling import LabelledScene, SampleSettings, sample, sample_scenes
from landcover_bdgf.labels.split import distances_px
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.settings import AlignSettings

SCENE = Grid(CRS.from_epsg(32633), Affine(10, 0, 500_000, 0, -10, 5_000_000), (128, 150))


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A scene whose first 10 rows have no spectral data and whose first 8 columns no SAR."""
    random, folder = np.random.default_rng(0), tmp_path_factory.mktemp("scene")
    spectral = random.random((4, *SCENE.shape_hw), np.float32) + 0.1
    sar = random.gamma(4, 0.05, (2, *SCENE.shape_hw)).astype(np.float32)
    spectral[:, :10], sar[:, :, :8] = np.nan, np.nan
    for name, pixels in (("hsi.tif", spectral), ("sar.tif", sar)):
        profile = RasterProfile("float32", len(pixels), nodata=np.nan)
        write_raster(folder / name, SCENE, [(next(SCENE.tiles(150)), pixels)], profile=profile)
    return align(folder / "hsi.tif", folder / "sar.tif")


def labels(classes, corners, side=6, **fields):
    """Squares with a class and more fields."""
    shapes = [box(*corner, side, side) for corner in corners]
    return geopandas.GeoDataFrame({"class": classes, **fields}, geometry=shapes, crs=32633)


CORNERS = [(30, 20), (30, 90), (90, 20), (90, 90), (60, 60)]
LATTICE = [(row, col) for row in range(0, 120, 16) for col in range(0, 140, 16)]
# Three classes in 6 px squares 10 px apart all over the scene, with a field that says train or test.
CLASSES = [("water", "crops", "trees")[i % 3] for i in range(len(LATTICE))]
POLYGONS = labels(CLASSES, LATTICE, part=["Test" if col > 90 else "train" for _, col in LATTICE])


def drawn(stack, polygons=POLYGONS, **settings):
    settings = {"split": "polygon", **settings}
    return sample(stack, polygons, field="class", settings=SampleSettings(**settings))


@pytest.mark.parametrize("method", ["polygon", "block", "column:part"])
def test_windows_of_both_parts_do_not_overlap(stack, method):
    samples = drawn(stack, split=method)
    assert samples.min_distance_px() >= 9
    assert samples.leak() == 0
    assert len(samples.train) + len(samples.test) == len(samples)
    assert all(row["train"] > 0 and row["test"] > 0 for row in samples.table())


def test_only_pixels_with_data_in_both_images_are_drawn(stack):
    samples = drawn(stack)
    assert samples.rows.min() >= 10
    assert samples.cols.min() >= 8
    assert samples.split.dropped["no data in the image"] > 0
    assert len(np.unique(samples.positions, axis=0)) == len(samples)


def test_labels_outside_the_area_and_masked_ones_are_dropped_with_their_reasons(stack, tmp_path):
    mask = np.zeros((1, *SCENE.shape_hw), np.uint8)
    mask[:, :, 30:40] = 1
    profile = RasterProfile("uint8", 1, nodata=255)
    write_raster(tmp_path / "mask.tif", SCENE, [(next(SCENE.tiles(150)), mask)], profile=profile)
    geopandas.GeoDataFrame(geometry=[box(0, 0, 110, 110)], crs=32633).to_file(tmp_path / "aoi.gpkg")
    settings = AlignSettings(mask=(f"{tmp_path / 'mask.tif'}:1",), aoi=str(tmp_path / "aoi.gpkg"))
    limited = align(stack.spectral.paths, stack.sar.paths, settings=settings)
    samples, dropped = drawn(limited, split="none"), drawn(limited, split="none").split.dropped
    burnt = np.zeros(SCENE.shape_hw, bool)
    for row, col in LATTICE:
        burnt[row : row + 6, col : col + 6] = True
    outside = burnt.copy()
    outside[:110, :110] = False
    masked = (burnt & ~outside)[:, 30:40]
    assert dropped["outside the area of interest"] == outside.sum()
    assert dropped["masked"] == masked.sum()
    assert max(samples.rows.max(), samples.cols.max()) < 110
    assert not np.isin(samples.cols, range(30, 40)).any()


def test_samples_of_an_area_are_on_its_grid(stack, tmp_path):
    """The crop begins at column 128; the classes are at the same places as in the whole image."""
    geopandas.GeoDataFrame(geometry=[box(0, 129, 110, 21)], crs=32633).to_file(tmp_path / "aoi.gpkg")
    limited = align(stack.spectral.paths, stack.sar.paths, settings=AlignSettings(aoi=str(tmp_path / "aoi.gpkg")))
    squares = labels(["water", "crops", "crops", "water"], [(30, 130), (60, 130), (30, 140), (60, 110)])
    samples = drawn(limited, squares, split="none", per_class=10_000)
    samples.check_grid(limited.grid)
    assert samples.grid.shape_hw == (128, 22)
    found = np.zeros(SCENE.shape_hw, int)
    found[samples.rows, samples.cols + 128] = samples.codes
    expected = np.zeros(SCENE.shape_hw, int)
    crops, water = (samples.legend.code_of(name) for name in ("crops", "water"))
    expected[30:36, 130:136], expected[60:66, 130:136], expected[30:36, 140:146] = water, crops, crops
    assert np.array_equal(found, expected)


def test_the_seed_decides_the_samples(stack):
    zero, again, one = (drawn(stack, seed=seed) for seed in (0, 0, 1))
    assert zero.same_as(again)
    assert zero.split == again.split
    assert zero.test_digest() == again.test_digest() != one.test_digest()


def test_polygons_stay_whole(stack):
    samples = drawn(stack, per_class=10_000, buffer_px=9)
    assert not set(samples.train.groups) & set(samples.test.groups)
    assert len(samples.test) / len(samples) == pytest.approx(0.3, abs=0.03)


def test_per_class_limits_the_training_pixels(stack):
    samples = drawn(stack, per_class=50)
    assert [row["train"] for row in samples.table()] == [50, 50, 50]
    assert samples.split.dropped["more than asked for"] > 0


@pytest.mark.parametrize(("numbers", "told"), [
    ((4, 9, 2), "will hold 1, 2, 3 for the classes 2, 4, 9 of its field class"),
    (range(2, 22), "will hold 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 8 more for the classes 2, 3, 4, 5, 6"),
    ((3, 1, 2), ""),
])  # fmt: skip
def test_a_warning_lists_class_numbers_that_the_map_changes(stack, caplog, numbers, told):
    samples = drawn(stack, POLYGONS.assign(**{"class": np.resize(numbers, len(POLYGONS))}), split="none")
    lines = [record.message for record in caplog.records if "the map will hold" in record.message]
    assert len(lines) == bool(told)
    assert all(f"GeoDataFrame: the map {told}" in line for line in lines)
    assert not [note for note in samples.split.notes if "hold" in note]
    assert len([text for text in samples.split.warnings if told and told in text]) == bool(told)


def test_without_a_split_all_pixels_are_for_training(stack):
    samples = drawn(stack, split="none")
    assert len(samples.test) == 0
    assert math.isinf(samples.min_distance_px())
    assert samples.leak() == 0
    assert samples_lines(samples)[-1] == "no test part"


def test_in_folds_all_pixels_are_for_training(stack):
    whole, folds = drawn(stack, split="none"), drawn(stack, split="folds")
    assert np.array_equal(folds.positions, whole.positions)
    assert np.array_equal(folds.groups, whole.groups)
    assert not folds.parts.any()
    assert (folds.split.method, folds.split.buffer_px) == ("folds", 0)
    assert samples_lines(folds)[-1] == "the map learns from all of them; models of other polygons judge each"
    assert drawn(stack, split="folds", test_share=0).split.method == "folds", "it has no test part to share"
    alone = drawn(stack, labels(["a", "b", "b", "b", "b"], CORNERS), split="folds")
    assert (alone.split.method, alone.split.block_px) == ("folds", 26)
    assert "class a has only one polygon, so the labels are split by blocks of 26 px" in alone.split.notes
    assert samples_lines(alone)[-1] == "the map learns from all of them; models of other blocks judge each"


def test_a_class_with_one_polygon_is_split_by_blocks(stack):
    samples = drawn(stack, labels(["a", "b", "b"], [(20, 20), (20, 90), (70, 90)], side=40))
    assert (samples.split.method, samples.split.block_px) == ("block", 26)
    assert "class a has only one polygon" in samples.split.notes[0]
    assert samples.min_distance_px() >= 13
    assert all(row["train"] and row["test"] for row in samples.table())


def test_close_points_are_split_by_blocks(stack):
    points = labels(["a", "b"] * 100, np.random.default_rng(0).integers(12, 120, (200, 2)), side=1)
    samples = drawn(stack, points.set_geometry(points.centroid))
    assert samples.split.method == "block"
    assert samples.leak() == 0


@pytest.mark.parametrize("side", [1, 2])
def test_dense_small_polygons_are_split_by_blocks(stack, side):
    """Each class in its own part of the scene; by polygon, the buffer would leave most without a test part."""
    corners = [(row, col) for row in range(12, 124, 4) for col in range(12, 144, 4)]
    samples = drawn(stack, labels(["abcde"[col * 5 // 150] for _, col in corners], corners, side=side))
    assert samples.split.method == "block"
    assert "so the labels are split by blocks of" in samples.split.notes[0]
    assert all(row["train"] and row["test"] for row in samples.table())
    assert samples.leak() == 0


def test_a_class_without_data_leaves_the_legend(stack, caplog):
    samples = drawn(stack, labels(list("abcbc"), [(0, 50), (30, 20), (30, 90), (90, 20), (90, 90)]))
    assert samples.legend.names == ("b", "c")
    assert set(samples.codes) == {1, 2}
    assert "class a has no pixel with data in both images, and is left out" in caplog.text


def test_a_class_outside_the_area_is_said_to_be_outside_it(stack, tmp_path, caplog):
    geopandas.GeoDataFrame(geometry=[box(0, 129, 110, 21)], crs=32633).to_file(tmp_path / "aoi.gpkg")
    limited = align(stack.spectral.paths, stack.sar.paths, settings=AlignSettings(aoi=str(tmp_path / "aoi.gpkg")))
    drawn(limited, labels(list("abcbc"), [(30, 20), (30, 130), (60, 130), (30, 140), (60, 140)]))
    assert "class a has no pixel with data in both images inside the area of interest" in caplog.text


@pytest.mark.parametrize("values", [
    [0, 0, 1, 1, 0],
    [0, 0, 1, 1, None],
    [False, False, True, True, None],
    ["0", "false", "1", "TRUE", "2"],
    ["Train", " train", "test", "Test ", None],
])  # fmt: skip
def test_a_column_says_train_or_test_in_any_type(stack, values):
    """Its values for features without a class, which are skipped, do not matter."""
    samples = drawn(stack, labels(["a", "b", "a", "b", None], CORNERS, part=values), split="column:part")
    assert set(samples.train.groups) == {0, 1}
    assert set(samples.test.groups) == {2, 3}


@pytest.mark.parametrize(("column", "parts", "message"), [
    ("part", [0, 1, 0.5], "the field part must say train or 0, test or 1, found 0.5. Correct"),
    ("part", [0, 1, None], "part must say train or 0, test or 1, found nothing. Correct"),
    ("part", ["train", "train", "test"], "no training pixel is left of c"),
    ("class", [0, 0, 0], "the field class must say train or 0, test or 1, found a, b, c"),
    ("prt", [0, 0, 0], "no field 'prt', but class, part. Did you mean part?"),
])  # fmt: skip
def test_an_unknown_column_or_part_or_a_class_without_training_pixels_is_refused(stack, column, parts, message):
    with pytest.raises(LabelError, match=re.escape(message)):
        drawn(stack, labels(list("abc"), CORNERS[:3], part=parts), split=f"column:{column}")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("split", "polygons"), ("test_share", 1.0), ("per_class", 0), ("conflicts", "first"), ("buffer_px", -1)],
)
def test_settings_are_checked(name, wrong):
    with pytest.raises(SettingsError, match=f"^`{name}="):
        SampleSettings(**{name: wrong})


def test_the_table_shows_every_class_on_one_line(stack):
    samples = drawn(stack)
    entry = replace(samples.legend.entries[0], name="\x1b[31m" + "x" * 500)
    samples = replace(samples, legend=replace(samples.legend, entries=(entry, *samples.legend.entries[1:])))
    lines = samples_lines(samples)
    assert all(line.isprintable() and len(line) < 130 for line in lines)
    assert lines[4].split()[0] == "all"


@pytest.mark.parametrize("scene", ["s1s2_chile", "s1s2_denmark"])
def test_parts_of_real_polygons_are_apart(shared_data, scene):
    folder = shared_data / scene
    stack = align(folder / "s2_l2a.tif", folder / "s1_rtc_db.tif")
    settings = SampleSettings(
        split="polygon", clear_px=9
    )  # single windows; where nine by nine are averaged it is 13 px
    samples = sample(stack, folder / "train_polygons.shp", field="class", settings=settings)
    assert samples.leak() == 0
    assert min(row["train"] for row in samples.table()) >= 100
    assert min(row["test"] for row in samples.table()) >= 50


@pytest.fixture(scope="module")
def beside(stack, tmp_path_factory):
    """The same scene again, half a pixel to the right."""
    folder = tmp_path_factory.mktemp("beside")
    for image, name in ((stack.spectral, "hsi.tif"), (stack.sar, "sar.tif")):
        with rasterio.open(image.paths[0]) as dataset:
            profile = dataset.profile | {"transform": dataset.transform * Affine.translation(0.5, 0)}
            pixels = dataset.read()
        with rasterio.open(folder / name, "w", **profile) as out:
            out.write(pixels)
    return align(folder / "hsi.tif", folder / "sar.tif")


def both(stack, beside, ours, theirs, **settings):
    scenes = [LabelledScene(stack, ours, "class"), LabelledScene(beside, theirs, "class")]
    return sample_scenes(scenes, SampleSettings(**settings))


def test_a_class_to_merge_or_rename_may_be_missing_in_a_scene(stack, beside):
    ours, theirs = labels(["roof", "water"] * 2, CORNERS[:4]), labels(["pavement", "water"] * 2, CORNERS[:4])
    joined = both(stack, beside, ours, theirs, merge=("built area=roof,pavement",), rename=("water=lake",))
    assert joined.legend.names == ("built area", "lake")
    with pytest.raises(SettingsError, match="`merge=road`: is not a class"):
        both(stack, beside, ours, theirs, merge=("built area=roof,road",))


def test_scenes_whose_classes_are_not_those_of_the_others_are_told(stack, beside, caplog):
    named = labels(["trees", "water"] * 2, CORNERS[:4])
    joined = both(stack, beside, named, labels([1, 2] * 2, CORNERS[:4]))
    told = "scene 1 with labels has no class of the others: it has trees, water, they have 1, 2."
    assert told in caplog.text
    assert any(told in text for text in joined.scenes[1].split.warnings)
    caplog.clear()
    both(stack, beside, named, labels(["trees", "Water"] * 2, CORNERS[:4]))
    assert "the classes Water and water differ only in case" in caplog.text
    assert "no class of the others" not in caplog.text


def test_random_pixels_of_overlapping_scenes_share_no_ground(stack, beside):
    joined = both(stack, beside, POLYGONS, POLYGONS, split="random")
    train, test = (joined.positions[joined.parts == part] for part in (0, 1))
    assert min(len(train), len(test)) > 100
    assert distances_px(test, train).min() >= 1


def test_the_table_of_several_scenes_counts_all(stack, beside):
    joined = both(
        stack, beside, labels(["roof", "water"] * 2, CORNERS[:4]), labels(["trees", "water"] * 2, CORNERS[:4])
    )
    lines = samples_lines(joined)
    assert lines[0].split() == ["class", "polygons", "train", "px", "test", "px"]
    assert [line.split()[0] for line in lines[1:]] == ["roof", "trees", "water", "all"]
    assert int(lines[-1].split()[2]) == len(joined)


def test_label_files_of_one_name_are_told_apart(stack, tmp_path) -> None:
    for folder in ("north", "south"):
        (tmp_path / folder).mkdir()
        labels(["a", "b", "a", "b", "a"], CORNERS).to_file(tmp_path / folder / "labels.gpkg")
    files = [tmp_path / folder / "labels.gpkg" for folder in ("north", "south")]
    joined = sample_scenes([LabelledScene(stack, file, "class") for file in files])
    found = [each.split.labels for each in joined.scenes]
    assert found == ["north/labels.gpkg, field class", "south/labels.gpkg, field class"]
