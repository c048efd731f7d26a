"""A map is the same bytes for any tile size, thread count and run; every valid pixel has a class, no other has."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
import torch
from rasterio.features import sieve
from rasterio.windows import Window

from landcover_bdgf.errors import CheckpointError, OutputError, RasterError, ResourceError, SettingsError
from landcover_bdgf.labels.class_map import read_class_map
from landcover_bdgf.labels.layers import layer_path
from landcover_bdgf.labels.prediction_sets import PredictionSets
from landcover_bdgf.mapping import scene_map
from landcover_bdgf.mapping.mosaicking import mosaic
from landcover_bdgf.mapping.partial_map import PartialMap
from landcover_bdgf.mapping.scene_map import MapSettings, map_scene
from landcover_bdgf.model.blocks import Block
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.classifier import Classified, Classifier
from landcover_bdgf.model.features import Viewer
from landcover_bdgf.model.networks.group import apply_windows
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.settings import AlignSettings
from landcover_bdgf.scene.simulation import SceneFiles, simulate, write_scene
from landcover_bdgf.scene.stack import Stack

MADE = MapSettings(confidence=True, novelty=True, probabilities=True, probability_type="uint16", sets=0.7, entropy=True)


@pytest.fixture(scope="module")
def made(model: Checkpoint, wide_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map with its layers, in one tile, by one thread."""
    path = tmp_path_factory.mktemp("map") / "landcover.tif"
    return map_scene(model, wide_stack, path, settings=MADE, run=Run(threads=1))


def test_the_map_does_not_depend_on_tile_size_and_threads(
    made: Path, model: Checkpoint, wide_stack: Stack, tmp_path: Path
) -> None:
    settings = replace(MADE, tile_px=100)
    again = map_scene(model, wide_stack, tmp_path / made.name, settings=settings, run=Run(threads=3))
    assert len(list(made.parent.iterdir())) == 14
    for path in made.parent.iterdir():
        assert (again.parent / path.name).read_bytes() == path.read_bytes(), path.name


def test_undeclared_zeros_are_reported_when_the_whole_scene_is_read(
    model: Checkpoint, stack: Stack, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with rasterio.open(stack.spectral.paths[0]) as dataset:
        pixels, profile, names = dataset.read(), dataset.profile, dataset.descriptions
    pixels[:, :32, :50] = 0
    with rasterio.open(tmp_path / "msi.tif", "w", **profile) as dataset:
        dataset.write(pixels)
        dataset.descriptions = names
    zeros = align(tmp_path / "msi.tif", stack.sar.paths[0])
    zeros = replace(zeros, spectral=replace(zeros.spectral, zeros_reported=False))
    caplog.clear()
    map_scene(model, zeros, tmp_path / "landcover.tif")
    assert caplog.text.count("of its pixels are 0 in all bands but not declared as nodata") == 1


def test_every_valid_pixel_has_a_class_and_no_other(made: Path, wide_stack: Stack) -> None:
    valid = wide_stack.read(next(wide_stack.grid.tiles(4096))).valid
    assert not valid.all()
    for path, nodata, most in (
        (made, 0, 6), (layer_path(made, "confidence"), 255, 100), (layer_path(made, "novelty"), 255, 100),
    ):  # fmt: skip
        with rasterio.open(path) as dataset:
            values, grid = dataset.read(1), wide_stack.grid
            assert (dataset.nodata, dataset.crs, dataset.transform) == (nodata, grid.crs, grid.transform)
        assert np.array_equal(values != nodata, valid), path.name
        assert values[valid].max() <= most


def test_layers_are_what_the_probabilities_tell(made: Path, model: Checkpoint) -> None:
    """To half a unit; a class of less than its threshold is not in the set, the others are."""
    assert model.left_out is not None
    found, classes = read_class_map(made), len(model.classes.entries)
    assert found.probabilities is not None
    assert found.confidence is not None
    assert found.sets is not None
    assert found.entropy is not None
    there = found.codes > 0
    p = found.probabilities[:, there] / 10_000
    assert np.abs(p.sum(axis=0) - 1).max() <= classes * 0.5e-4
    assert (found.probabilities[:, ~there] == 65535).all()
    assert found.novelty is not None
    most = np.where(found.novelty[there] == 0, 100 // classes / 100, 1)  # of novel pixels, that of chance
    assert np.abs(100 * np.minimum(p.max(axis=0), most) - found.confidence[there]).max() <= 0.51
    assert np.array_equal(np.take_along_axis(p, found.codes[there][None].astype(int) - 1, axis=0)[0], p.max(axis=0))
    entropy = -100 * (p * np.log(np.maximum(p, 1e-9))).sum(axis=0) / np.log(classes)
    assert np.abs(entropy - found.entropy[there]).max() <= 0.7
    least = PredictionSets.of(model.left_out, model.classes, 0.7).thresholds[:, None]
    clear = np.abs(p - least) > 1e-4
    assert np.array_equal((p >= least)[clear], found.sets[1:, there][clear] == 1)
    assert np.array_equal(found.sets[0, there], found.sets[1:, there].sum(axis=0))
    record = json.loads(Path(f"{made}.json").read_text(encoding="utf-8"))
    assert record["sets"]["level"] == 0.7
    assert [row["name"] for row in record["sets"]["classes"]] == list(model.classes.names)
    with rasterio.open(layer_path(made, "probabilities")) as dataset:
        assert (dataset.descriptions, dataset.scales[0]) == (model.classes.names, 0.01)
    with rasterio.open(layer_path(made, "sets")) as dataset:
        assert dataset.descriptions[:2] == ("number of classes in the prediction set", model.classes.names[0])


def test_a_sieved_map_with_polygons_is_the_same_for_any_tiles(
    made: Path, model: Checkpoint, wide_stack: Stack, tmp_path: Path
) -> None:
    """The sieve and the polygons are those of the finished map; the record says what the sieve changed."""
    area = MapSettings(confidence=True, min_area="0.3ha", connectivity="8", polygons=str(tmp_path / "p.gpkg"))
    path = map_scene(model, wide_stack, tmp_path / "map.tif", settings=area)
    before, after = read_class_map(made), read_class_map(path)
    expected = sieve(before.codes, 30, mask=before.codes > 0, connectivity=8)
    assert np.array_equal(after.codes, expected)
    assert np.array_equal(after.confidence, before.confidence)
    record = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
    assert record["sieve"] == {"min_area": "0.3ha", "keep": [], "connectivity": 8}
    assert record["sieved_px"] == (expected != before.codes).sum() > 0
    polygons = geopandas.read_file(tmp_path / "p.gpkg", layer="land_cover")
    assert polygons.pixels.sum() == (expected > 0).sum()
    files = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    map_scene(model, wide_stack, path, settings=replace(area, tile_px=128), run=Run(threads=3), overwrite=True)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == files
    (tmp_path / "p.gpkg").unlink()
    map_scene(model, wide_stack, path, settings=area, resume=True)  # only the polygons are missing
    assert (tmp_path / "p.gpkg").read_bytes() == files["p.gpkg"]
    assert not scene_map.is_map_of(path, model, wide_stack, settings=MapSettings(confidence=True), run=Run())
    with pytest.raises(SettingsError, match=r"`min_area`: needs the whole map, and this is a part\. Join the parts"):
        MapSettings(min_area="3px", shard="1/2")


def test_prediction_sets_are_made_once(
    model: Checkpoint, wide_stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, of = [], PredictionSets.of
    monkeypatch.setattr(PredictionSets, "of", lambda *arguments: found.append(of(*arguments)) or found[-1])
    map_scene(model, wide_stack, tmp_path / "map.tif", settings=MapSettings(sets=0.7))
    assert len(found) == 1


def test_probabilities_of_merged_classes_are_added(
    made: Path, model: Checkpoint, wide_stack: Stack, tmp_path: Path
) -> None:
    one, two = model.classes.names[:2]
    settings = MapSettings(
        probabilities=True, probability_type="uint16", merge=(f"both={two},{one}",), rename=("both=a and b",)
    )
    found = read_class_map(map_scene(model, wide_stack, tmp_path / "map.tif", settings=settings))
    before = read_class_map(made)
    assert found.legend.names == ("a and b", *model.classes.names[2:])
    assert found.probabilities is not None
    assert before.probabilities is not None
    there = found.codes > 0
    p = before.probabilities[:, there].astype(int)
    assert np.abs(found.probabilities[0, there] - (p[0] + p[1])).max() <= 2
    assert np.array_equal(found.probabilities[1:, there], p[2:])
    assert np.array_equal(
        np.take_along_axis(found.probabilities[:, there], found.codes[there][None].astype(int) - 1, axis=0)[0],
        found.probabilities[:, there].max(axis=0),
    )
    assert json.loads(Path(f"{tmp_path / 'map.tif'}.json").read_text())["merge"] == list(settings.merge)
    with pytest.raises(SettingsError, match="`sets`: are not known for classes that are merged after the training"):
        map_scene(model, wide_stack, tmp_path / "other.tif", settings=replace(settings, sets=0.9))


def test_prediction_sets_need_judged_labels(model: Checkpoint, wide_stack: Stack, tmp_path: Path) -> None:
    alone, settings = replace(model, left_out=None), MapSettings(sets=0.9)
    with pytest.raises(CheckpointError, match=r"trained without folds, which prediction sets need\. Train it with"):
        map_scene(alone, wide_stack, tmp_path / "map.tif", settings=settings)


def test_classes_have_names_and_colours(made: Path, model: Checkpoint) -> None:
    with rasterio.open(made) as dataset:
        table = dataset.colormap(1)
    for entry in model.classes.entries:
        assert table[entry.code][:3] == entry.color
        assert entry.name in Path(f"{made}.aux.xml").read_text(encoding="utf-8")
        assert entry.name in made.with_suffix(".qml").read_text(encoding="utf-8")


def test_the_record_says_what_the_map_was_made_of(made: Path, model: Checkpoint) -> None:
    values = json.loads(Path(f"{made}.json").read_text(encoding="utf-8"))
    assert values["training"]["pixels"] == model.provenance["training"]["pixels"]
    assert (values["recipe"]["training"]["steps"], values["seed"]) == (4, 0)


def test_a_map_equals_the_reference_computed_window_by_window(made: Path, model: Checkpoint, wide_stack: Stack) -> None:
    """Windows of every second row and column with data that look like the pixel; 12 × 12 pixels.

    Their means, the means of the surroundings, and the pixel's own probabilities are multiplied.
    """
    classifier = Classifier(replace(model, temperature=1.0), Run())
    viewer: Viewer = classifier.viewer
    block = viewer.read(wide_stack, (0, 128))
    seen = viewer.see(block)
    experts, shares = classifier.experts, classifier.shares
    with torch.no_grad():
        corner = (x[..., 30:58, 20:48] for x in (seen.spec, seen.sar, seen.dif))
        group = apply_windows(experts.fusion, *corner, stride=2)
        assert experts.context is not None
        around = experts.context(seen.around[..., 30:50:2, 20:40:2])
        assert experts.pixel is not None
        own = experts.pixel(seen.own[..., 34:46, 24:36])
        of_windows, of_around, of_pixel = (torch.softmax(z, dim=1)[0].numpy() for z in (group + around, around, own))
    inset, sar_bands = viewer.recipe.halo_px - 4, len(viewer.scaling.sar_mean)
    valid = block.seen.valid[inset + 30 : inset + 50, inset + 20 : inset + 40]
    spectra = seen.own[0, sar_bands:, 30:50, 20:40].double().numpy()
    inside = valid[4:16, 4:16]
    spread = 2 * classifier.similar * float(viewer.scaling.adjacent[0])
    expected = np.zeros((len(of_pixel), 12, 12))
    for row, col in np.argwhere(inside):
        nine = tuple(slice((at + 1) // 2, at // 2 + 5) for at in (row, col))  # five rows, or four between them
        down, across = (np.array([1, 1, 1, 1] if at % 2 else [0.5, 1, 1, 1, 0.5]) for at in (row, col))
        unlike = ((spectra[:, ::2, ::2][:, *nine] - spectra[:, row + 4, col + 4][:, None, None]) ** 2).sum(0)
        weights = valid[::2, ::2][nine] * np.outer(down, across) * (np.exp(-unlike / spread) + 1e-4)
        means = [(p[:, *nine] * weights).sum((1, 2)) / weights.sum() for p in (of_windows, of_around)]
        log_p = [np.log(np.maximum(p, 1e-3)) for p in (*means, of_pixel[:, row, col])]
        together = np.exp(sum(share * each for share, each in zip(shares, log_p, strict=True)))
        expected[:, row, col] = together / together.sum()
    found = classifier.probabilities([block])[0, :, 30:42, 20:32].numpy()
    np.testing.assert_allclose(np.where(inside, found, 0), expected, atol=1e-4)
    with rasterio.open(made) as dataset:
        assert np.array_equal(dataset.read(1)[30:42, 148:160], np.where(inside, expected.argmax(0) + 1, 0))


def short_of_memory(monkeypatch: pytest.MonkeyPatch, *, blocks: int) -> None:
    """As on a GPU that holds that many blocks."""
    classified, made = Classifier._classified, Classifier.__init__

    def on_gpu(self: Classifier, *arguments: object, **options: object) -> None:
        made(self, *arguments, **options)  # type: ignore[arg-type]
        self.batch = 7

    def within(self: Classifier, batch: list[Block]) -> list[Classified]:
        if len(batch) > blocks:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return classified(self, batch)

    monkeypatch.setattr(Classifier, "__init__", on_gpu)
    monkeypatch.setattr(Classifier, "_classified", within)


def test_too_little_gpu_memory_for_a_batch_halves_it_and_gives_the_same_map(
    model: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A scene of two whole blocks, which make one batch."""
    files = write_scene(simulate((256, 128), seed=6), tmp_path, seed=6)
    even, settings = align(files.spectral, files.sar), MapSettings(confidence=True)
    one_by_one = map_scene(model, even, tmp_path / "a.tif", settings=settings)
    caplog.set_level("INFO")
    for blocks in (7, 1):
        with monkeypatch.context() as patch:
            short_of_memory(patch, blocks=blocks)
            again = map_scene(model, even, tmp_path / "b.tif", settings=settings, overwrite=True)
        assert again.read_bytes() == one_by_one.read_bytes()
        assert layer_path(again, "confidence").read_bytes() == layer_path(one_by_one, "confidence").read_bytes()
        assert ("out of memory" in caplog.text) is (blocks == 1)


def test_a_novel_scene_and_too_little_gpu_memory_for_one_block_are_reported(
    model: Checkpoint, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    short_of_memory(monkeypatch, blocks=0)
    with pytest.raises(ResourceError, match="a block of 128 × 128 pixels does not fit into"):
        map_scene(
            model, replace(stack, spectral_offset=20_000.0), tmp_path / "map.tif", settings=MapSettings(force=True)
        )
    assert "of the pixels have spectral values unlike all that the model was trained on" in caplog.text


def test_a_finished_map_is_not_made_again_unless_it_is_another(
    made: Path, model: Checkpoint, wide_stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    state = made.stat()
    with caplog.at_level("INFO"):
        assert map_scene(model, wide_stack, made, settings=MADE, resume=True) == made
    assert caplog.messages[-1] == f"{made}: already complete, skipped"
    for stack, settings in (
        (replace(wide_stack, spectral_offset=1.0), MADE),
        (wide_stack, MapSettings()),
    ):
        with pytest.raises(OutputError, match="exists already, so there is nothing to resume"):
            map_scene(model, stack, made, settings=settings, resume=True)
    assert made.stat() == state


def test_unsuitable_outputs_and_models_are_refused_before_mapping(
    made: Path, model: Checkpoint, denoiser: Checkpoint, wide_stack: Stack
) -> None:
    with pytest.raises(OutputError, match="exists already"):
        map_scene(model, wide_stack, made)
    with pytest.raises(CheckpointError, match="a denoiser was given"):
        map_scene(denoiser, wide_stack, made, overwrite=True)


def test_an_image_replaced_during_mapping_gives_no_map(
    model: Checkpoint, scene_files: SceneFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sar, compute = tmp_path / "sar.tif", scene_map.compute_map

    def replaced(begun: scene_map.BegunMap) -> list[str]:
        said = compute(begun)
        os.replace(shutil.copy(scene_files.sar, tmp_path / "other.tif"), sar)
        return said

    shutil.copy(scene_files.sar, sar)
    monkeypatch.setattr(scene_map, "compute_map", replaced)
    with pytest.raises(RasterError, match=r"sar\.tif: was modified while it was being read"):
        map_scene(model, align(scene_files.spectral, sar), tmp_path / "map.tif")
    assert sorted(os.listdir(tmp_path)) == ["map.tif.partial", "sar.tif"]


def test_a_resumed_map_equals_an_uninterrupted_one(
    made: Path, model: Checkpoint, wide_stack: Stack, tmp_path: Path, ctrl_c: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    settings, path = replace(MADE, tile_px=128), tmp_path / made.name
    add = PartialMap.add
    monkeypatch.setattr(PartialMap, "add", lambda *arguments: (add(*arguments), ctrl_c()))
    with pytest.raises(KeyboardInterrupt):
        map_scene(model, wide_stack, path, settings=settings)
    monkeypatch.undo()
    assert "continue with `resume`" in caplog.text
    assert not path.exists()
    with pytest.raises(OutputError, match="was left by an interrupted run"):
        map_scene(model, wide_stack, path, settings=settings)
    map_scene(model, wide_stack, path, settings=settings, resume=True)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        file.name: file.read_bytes() for file in made.parent.iterdir()
    }


def test_a_map_with_a_missing_sensor(
    made: Path, with_alone: Checkpoint, wide_stack: Stack, tmp_path: Path, ctrl_c: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """Resumed or not, in tiles of any size: all pixels of either sensor; those of both are as without this option."""
    settings, path, other = replace(MADE, missing="any", force=True), tmp_path / "a" / "m.tif", tmp_path / "b" / "m.tif"
    path.parent.mkdir()
    other.parent.mkdir()
    caplog.set_level("INFO")
    map_scene(with_alone, wide_stack, path, settings=settings, run=Run(threads=1))
    assert "pixels are mapped by: both sensors 9" in caplog.text
    found, usual = read_class_map(path), read_class_map(made)
    seen = replace(wide_stack, missing="any").read(next(wide_stack.grid.tiles(4096))).condition
    assert found.condition is not None
    assert np.array_equal(found.condition, seen)
    assert {*np.unique(seen)} == {0, 1, 2, 3} - ({0} if seen.all() else set())
    assert np.array_equal(found.codes > 0, seen > 0)
    for name in ("codes", "confidence", "novelty", "probabilities", "sets", "entropy"):
        assert np.array_equal(getattr(found, name)[..., seen == 1], getattr(usual, name)[..., seen == 1]), name
    record = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
    assert record["conditions"] == {"both": (seen == 1).sum(), "spectral": (seen == 2).sum(), "sar": (seen == 3).sum()}
    assert record["missing"] == "any"
    with monkeypatch.context() as patch:
        add = PartialMap.add
        patch.setattr(PartialMap, "add", lambda *arguments: (add(*arguments), ctrl_c()))
        with pytest.raises(KeyboardInterrupt):
            map_scene(with_alone, wide_stack, other, settings=replace(settings, tile_px=128))
    with pytest.raises(OutputError, match="other images, mask"):
        map_scene(with_alone, wide_stack, other, settings=replace(settings, tile_px=128, missing="sar"), resume=True)
    map_scene(with_alone, wide_stack, other, settings=replace(settings, tile_px=128), run=Run(threads=3), resume=True)
    assert {file.name: file.read_bytes() for file in other.parent.iterdir()} == {
        file.name: file.read_bytes() for file in path.parent.iterdir()
    }


def test_a_scene_without_sar_is_mapped_by_the_spectral_image_alone(
    model: Checkpoint, with_alone: Checkpoint, wide_stack: Stack, tmp_path: Path
) -> None:
    """Where both saw a pixel, as if the SAR were there and masked."""
    stack = align(wide_stack.spectral.paths[0], None)
    path = map_scene(with_alone, stack, tmp_path / "m.tif", settings=MapSettings(force=True))
    found = read_class_map(path)
    assert found.condition is not None
    assert {*np.unique(found.condition)} == {0, 2}
    assert np.array_equal(found.codes > 0, stack.read_valid(next(stack.grid.tiles(4096))))
    with pytest.raises(CheckpointError, match=r"^the model: has no network for the spectral image alone\. "):
        map_scene(model, stack, tmp_path / "other.tif")
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match=r"m\.safetensors: has no network for the SAR image alone\. Train it"):
        map_scene(tmp_path / "m.safetensors", wide_stack, tmp_path / "o.tif", settings=MapSettings(missing="sar"))


def limited(stack: Stack, folder: Path, **settings: object) -> Stack:
    """The same images within a triangle of some blocks, given in pixels, and with a mask of some of its pixels."""
    triangle = shapely.Polygon([(20, 140), (150, 150), (90, 290)])
    t = stack.grid.transform
    on_ground = shapely.transform(triangle, lambda xy: xy * (t.a, t.e) + (t.c, t.f))
    geopandas.GeoDataFrame(geometry=[on_ground], crs=stack.grid.crs).to_file(folder / "aoi.gpkg")
    with pytest.MonkeyPatch.context() as patch:  # it takes a second, and moves nothing here
        patch.setattr("landcover_bdgf.scene.alignment.estimate_shift", lambda *_, **__: None)
        return align(stack.spectral.paths[0], stack.sar.paths, settings=AlignSettings(**settings))  # type: ignore[arg-type]


def read_all(path: Path) -> list[np.ndarray]:
    """Codes and layers of a map."""
    arrays = []
    for file in (path, layer_path(path, "confidence"), layer_path(path, "novelty")):
        with rasterio.open(file) as dataset:
            arrays.append(dataset.read(1))
    return arrays


@pytest.fixture(scope="module")
def whole_map(model: Checkpoint, wide_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    """The map of the whole scene, by the fixtures' model."""
    path = tmp_path_factory.mktemp("whole") / "map.tif"
    map_scene(model, wide_stack, path, settings=MapSettings(confidence=True, novelty=True))
    return read_all(path)


@pytest.mark.parametrize(
    "how", [{"tile_px": 128}, {"tile_px": 512}, {"shard": "1/2"}], ids=["small tiles", "large tiles", "shards"]
)
def test_a_map_of_an_area_is_that_of_the_whole_scene_there(
    how: dict[str, object], model: Checkpoint, wide_stack: Stack, whole_map: list[np.ndarray], tmp_path: Path
) -> None:
    stack, path = limited(wide_stack, tmp_path, aoi=str(tmp_path / "aoi.gpkg")), tmp_path / "map.tif"
    assert stack.grid.shape_hw == (172, 200)
    (row, col), (height, width) = stack.origin_rc, stack.grid.shape_hw
    inside = stack.read_inside(Window(0, 0, width, height))
    settings = MapSettings(confidence=True, novelty=True, **how)  # type: ignore[arg-type]
    made = map_scene(model, stack, path, settings=settings)
    if "shard" in how:
        other = map_scene(model, stack, path, settings=replace(settings, shard="2/2"))
        mosaic([made, other], path)
    for found, expected, nodata in zip(read_all(path), whole_map, (0, 255, 255), strict=True):
        there = expected[row : row + height, col : col + width]
        assert np.array_equal(found[inside], there[inside])
        assert (found[~inside] == nodata).all()
    with rasterio.open(path) as dataset:
        assert dataset.transform == stack.grid.transform
    record = json.loads(path.with_name("map.tif.json").read_text())
    assert record["area"] == {"file": "aoi.gpkg", "pixels": int(inside.sum()), "share": inside.sum() / 60_000}


def test_an_interrupted_map_of_an_area_is_resumed(
    model: Checkpoint, wide_stack: Stack, tmp_path: Path, ctrl_c: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, path = limited(wide_stack, tmp_path, aoi=str(tmp_path / "aoi.gpkg")), tmp_path / "map.tif"
    settings, add = MapSettings(tile_px=128), PartialMap.add
    monkeypatch.setattr(PartialMap, "add", lambda *arguments: (add(*arguments), ctrl_c()))
    with pytest.raises(KeyboardInterrupt):
        map_scene(model, stack, path, settings=settings)
    monkeypatch.undo()
    with pytest.raises(OutputError, match="belongs to another run: other images, mask, area or alignment"):
        map_scene(model, wide_stack, path, settings=settings, resume=True)
    map_scene(model, stack, path, settings=settings, resume=True)
    map_scene(model, stack, tmp_path / "again.tif", settings=settings)
    assert path.read_bytes() == (tmp_path / "again.tif").read_bytes()


def test_blocks_outside_the_area_are_not_computed(
    model: Checkpoint, wide_stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    see = Classifier.see
    monkeypatch.setattr(
        Classifier, "see", lambda self, *blocks: (seen.extend((b.row, b.col) for b in blocks), see(self, *blocks))[1]
    )
    map_scene(model, limited(wide_stack, tmp_path, aoi=str(tmp_path / "aoi.gpkg")), tmp_path / "map.tif")
    assert seen == [(128, 0), (128, 128), (256, 0)]  # not (256, 128)


def test_masked_pixels_are_0_unless_they_are_asked_for(
    model: Checkpoint, wide_stack: Stack, whole_map: list[np.ndarray], tmp_path: Path
) -> None:
    clouds = np.zeros((300, 200), np.uint8)
    clouds[40:90, 60:110] = 8
    with rasterio.open(
        tmp_path / "scl.tif", "w", driver="GTiff", count=1, height=300, width=200, dtype="uint8",
        crs=wide_stack.grid.crs, transform=wide_stack.grid.transform,
    ) as file:  # fmt: skip
        file.write(clouds, 1)
    stack = limited(wide_stack, tmp_path, mask=(f"{tmp_path / 'scl.tif'}:8",))
    for mapped in (False, True):
        settings = MapSettings(confidence=True, novelty=True, map_masked=mapped)
        path = tmp_path / f"map_{mapped}.tif"
        map_scene(model, stack, path, settings=settings)
        codes = read_all(path)[0]
        assert np.array_equal(codes == 0, (whole_map[0] == 0) | ((clouds == 8) & (not mapped)))
        record = json.loads(Path(f"{path}.json").read_text())
        share = (clouds == 8).mean()
        files = [{"file": "scl.tif", "share": share, "classes": {"cloud": share}}]
        assert record["masked"] == {"share": share, "files": files, "mapped": mapped}
        assert scene_map.is_map_of(path, model, stack, settings=settings, run=Run())
        if mapped:
            assert all(np.array_equal(a, b) for a, b in zip(read_all(path), whole_map, strict=True))


def test_a_mask_and_an_area_are_not_overwritten(model: Checkpoint, wide_stack: Stack, tmp_path: Path) -> None:
    stack = limited(wide_stack, tmp_path, aoi=str(tmp_path / "aoi.gpkg"))
    stack = replace(stack, area=replace(stack.area, states={tmp_path / "map.tif": None}))  # type: ignore[type-var]
    (tmp_path / "map.tif").touch()
    with pytest.raises(OutputError, match=r"map\.tif: is one of the inputs"):
        map_scene(model, stack, tmp_path / "map.tif", overwrite=True)


def test_the_record_has_the_warnings_of_all_steps_and_parts(
    stranger: Checkpoint, wide_stack: Stack, tmp_path: Path
) -> None:
    """Of the alignment and of each part; those of the training are with the model."""
    stack = replace(wide_stack, warnings=("s1.tif: is shifted",))
    model = stranger.warned(["water has 2 training px", "water has 2 training px"])
    parts = [map_scene(model, stack, tmp_path / "m.tif", settings=MapSettings(shard=f"{i}/2")) for i in (2, 1)]
    found = json.loads(Path(f"{mosaic(parts, tmp_path / 'm.tif')}.json").read_text(encoding="utf-8"))
    assert found["warnings"][0] == "s1.tif: is shifted"
    assert len(found["warnings"]) == len(set(found["warnings"])) == 2
    assert found["model"]["warnings"] == ["water has 2 training px"]
    assert found["novelty"]["compared_px"] > 0


def test_the_record_names_the_images(made: Path, wide_stack: Stack) -> None:
    spectral, radar = json.loads(Path(f"{made}.json").read_text(encoding="utf-8"))["images"]
    assert (spectral["role"], radar["role"]) == ("spectral", "SAR")
    assert spectral["files"][0]["file"] == wide_stack.spectral.paths[0].name
    assert len(spectral["files"][0]["sha256"]) == 64
    assert radar["bands"] == list(wide_stack.sar.names)
    assert radar["unit"] == {"db": "dB", "power": "linear power"}[wide_stack.sar_unit]
