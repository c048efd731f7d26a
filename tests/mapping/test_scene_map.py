"""A map is the same bytes for any tile size, thread count and run; every valid pixel has a class, no other has."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
import torch

from landcover_bdgf.app.info import describe
from landcover_bdgf.errors import CheckpointError, OutputError, RasterError, ResourceError, SettingsError
from landcover_bdgf.labels.class_map import layer_path
from landcover_bdgf.mapping import scene_map
from landcover_bdgf.mapping.partial_map import PartialMap
from landcover_bdgf.mapping.scene_map import MapSettings, map_scene
from landcover_bdgf.model.blocks import Block
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.classifier import Classified, Classifier
from landcover_bdgf.model.features import Viewer
from landcover_bdgf.model.networks.fusion import apply_windows
from landcover_bdgf.model.recipe import changed
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.simulation import SceneFiles, simulate, write_scene
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.storage.records import record_path


@pytest.fixture(scope="module")
def made(model: Checkpoint, wide_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map with its confidence, in one tile, by one thread."""
    path = tmp_path_factory.mktemp("map") / "landcover.tif"
    return map_scene(model, wide_stack, path, settings=MapSettings(confidence=True), run=Run(threads=1))


@pytest.mark.parametrize(("tile_px", "threads"), [(100, 3), (4096, 2)])
def test_the_map_does_not_depend_on_tile_size_and_threads(
    tile_px: int, threads: int, made: Path, model: Checkpoint, wide_stack: Stack, tmp_path: Path
) -> None:
    settings = MapSettings(tile_px=tile_px, confidence=True)
    again = map_scene(model, wide_stack, tmp_path / made.name, settings=settings, run=Run(threads=threads))
    assert len(list(made.parent.iterdir())) == 5
    for path in made.parent.iterdir():
        assert (again.parent / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_novelty_layer_has_a_p_value_where_the_map_has_a_class(
    made: Path, model: Checkpoint, wide_stack: Stack, tmp_path: Path
) -> None:
    settings = MapSettings(novelty=True)
    path = map_scene(model, wide_stack, tmp_path / made.name, settings=settings, run=Run())
    assert path.read_bytes() == made.read_bytes()
    assert not layer_path(path, "confidence").exists()
    with rasterio.open(layer_path(path, "novelty")) as dataset, rasterio.open(made) as whole:
        p, codes = dataset.read(1), whole.read(1)
        assert (dataset.nodata, dataset.crs, dataset.transform) == (255, whole.crs, whole.transform)
    assert np.array_equal(p == 255, codes == 0)
    assert p[codes > 0].max() <= 100


def test_undeclared_zeros_are_reported_when_the_whole_scene_is_read(
    model: Checkpoint, wide_stack: Stack, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with rasterio.open(wide_stack.spectral.paths[0]) as dataset:
        pixels, profile, names = dataset.read(), dataset.profile, dataset.descriptions
    pixels[:, :32, :50] = 0
    with rasterio.open(tmp_path / "msi.tif", "w", **profile) as dataset:
        dataset.write(pixels)
        dataset.descriptions = names
    stack = align(tmp_path / "msi.tif", wide_stack.sar.paths[0])
    stack = replace(stack, spectral=replace(stack.spectral, zeros_reported=False))
    caplog.clear()
    map_scene(model, stack, tmp_path / "landcover.tif")
    assert caplog.text.count("of its pixels are 0 in all bands but not declared as nodata") == 1


def test_every_valid_pixel_has_a_class_and_no_other(made: Path, wide_stack: Stack) -> None:
    with rasterio.open(made) as dataset:
        codes = dataset.read(1)
        assert dataset.nodata == 0
        assert (dataset.crs, dataset.shape) == (wide_stack.grid.crs, wide_stack.grid.shape_hw)
        assert dataset.transform == wide_stack.grid.transform
    with rasterio.open(layer_path(made, "confidence")) as dataset:
        percent, nodata = dataset.read(1), dataset.nodata
    valid = wide_stack.read(next(wide_stack.grid.tiles(4096))).valid
    assert not valid.all()
    assert np.array_equal(codes > 0, valid)
    assert codes.max() <= 6
    assert np.array_equal(percent != nodata, valid)
    assert percent[valid].max() <= 100


def test_classes_have_names_and_colours(made: Path, model: Checkpoint) -> None:
    assert model.legend is not None
    with rasterio.open(made) as dataset:
        table = dataset.colormap(1)
    for entry in model.legend.entries:
        assert table[entry.code][:3] == entry.color
        assert entry.name in Path(f"{made}.aux.xml").read_text(encoding="utf-8")
        assert entry.name in made.with_suffix(".qml").read_text(encoding="utf-8")


def test_the_record_says_what_the_map_was_made_of(made: Path, model: Checkpoint) -> None:
    values = json.loads(Path(f"{made}.json").read_text(encoding="utf-8"))
    assert values["training"]["pixels"] == model.provenance["training"]["pixels"]
    assert values["recipe"]["training"]["steps"] == 4
    assert values["seed"] == 0


def test_control_characters_of_a_record_are_not_shown(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made.parent, tmp_path, dirs_exist_ok=True)
    path = tmp_path / made.name
    values = json.loads(record_path(path).read_text(encoding="utf-8"))
    assert describe(path)["trained on"] == f"{values['training']['count']} pixels, split by polygon"
    values["training"] |= {"count": "5\u202e", "split": "column:a\u202eb\x1b[1m"}
    record_path(path).write_text(json.dumps(values), encoding="utf-8")
    assert describe(path)["trained on"] == "5 pixels, split by column:a b [1m"


def test_a_map_equals_the_reference_computed_window_by_window(made: Path, model: Checkpoint, wide_stack: Stack) -> None:
    """Windows of every second row and column, averaged over 9 × 9 px around each pixel of 12 × 12."""
    classifier = Classifier(model, Run())
    viewer: Viewer = classifier.viewer
    block = viewer.read(wide_stack, (0, 128))
    seen = viewer.see(block)
    with torch.no_grad():
        corner = (x[..., 30:58, 20:48] for x in (seen.spec, seen.sar, seen.dif))
        z = apply_windows(classifier.network, *corner, stride=2)
        assert classifier.context is not None
        z = z + classifier.context(seen.around[..., 30:50:2, 20:40:2])
        p = torch.softmax(z, dim=1)[0].numpy()
    assert p.shape[1:] == (10, 10)
    inset = viewer.recipe.halo_px - 4
    valid = block.seen.valid[inset + 30 : inset + 50 : 2, inset + 20 : inset + 40 : 2]
    expected = np.zeros((12, 12))
    for row, col in np.argwhere(block.seen.valid[inset + 34 :, inset + 24 :][:12, :12]):
        nine = tuple(slice((at + 1) // 2, at // 2 + 5) for at in (row, col))  # five rows, or four between them
        down, across = (np.array([1, 1, 1, 1] if at % 2 else [0.5, 1, 1, 1, 0.5]) for at in (row, col))
        expected[row, col] = (p[:, *nine] * valid[nine] * np.outer(down, across)).sum((1, 2)).argmax() + 1
    with rasterio.open(made) as dataset:
        assert np.array_equal(dataset.read(1)[30:42, 128 + 20 : 128 + 32], expected)


def test_a_map_averages_the_windows_around_a_pixel(model: Checkpoint, wide_stack: Stack) -> None:
    """Equals the mean of single windows of every second row and column, without those of pixels without data."""
    model = replace(model, temperature=1.0)
    single, wider = (replace(model, recipe=changed(model.recipe, (f"fusion.average_px={n}",))) for n in (1, 5))
    alone, averaged = Classifier(single, Run()), Classifier(wider, Run())
    whole = np.zeros((len(alone.codes), 300 + 4, 200 + 4))
    valid = np.zeros((300 + 4, 200 + 4))
    for corner in ((r, c) for r in (0, 128, 256) for c in (0, 128)):
        block = alone.viewer.read(wide_stack, corner)
        p = alone.probabilities([block])[0].numpy()
        inside = slice(2 + corner[0], 2 + corner[0] + p.shape[1]), slice(2 + corner[1], 2 + corner[1] + p.shape[2])
        whole[:, *inside], valid[inside] = p, block.seen.valid[17:-17, 17:-17]
    valid[1::2] = 0  # the windows of a block begin two rows above it and two columns to its left
    valid[:, 1::2] = 0
    place = slice(128, 256), slice(0, 128)  # away from the borders below and above, where windows are mirrored
    sums = [
        sum(
            0.5 ** ((i in (0, 4)) + (j in (0, 4))) * layer[place[0].start + i : place[0].stop + i, j : 128 + j]
            for i in range(5)
            for j in range(5)
        )
        for layer in (*(whole * valid), valid)
    ]
    found = averaged.probabilities([averaged.viewer.read(wide_stack, (128, 0))])[0].numpy()
    expected = np.stack(sums[:-1]) / np.maximum(sums[-1], 1)
    inner = (slice(None), slice(None), slice(2, None))  # the first two columns have mirrored neighbours
    np.testing.assert_allclose(found[inner], expected[inner], atol=1e-4)


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


@pytest.fixture(scope="module")
def even_stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A scene of four whole blocks, which make one batch."""
    files = write_scene(simulate((256, 256), seed=6), tmp_path_factory.mktemp("even"), seed=6)
    return align(files.spectral, files.sar)


def test_too_little_gpu_memory_for_a_batch_halves_it_and_gives_the_same_map(
    model: Checkpoint, even_stack: Stack, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    settings = MapSettings(confidence=True)
    one_by_one = map_scene(model, even_stack, tmp_path / "a.tif", settings=settings)
    caplog.set_level("INFO")
    for blocks in (7, 1):
        with monkeypatch.context() as patch:
            short_of_memory(patch, blocks=blocks)
            again = map_scene(model, even_stack, tmp_path / "b.tif", settings=settings, overwrite=True)
        assert again.read_bytes() == one_by_one.read_bytes()
        assert layer_path(again, "confidence").read_bytes() == layer_path(one_by_one, "confidence").read_bytes()
        assert ("out of memory" in caplog.text) is (blocks < 4)


def test_too_little_gpu_memory_for_one_block_is_reported(
    model: Checkpoint, wide_stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_of_memory(monkeypatch, blocks=0)
    with pytest.raises(ResourceError, match="a block of 128 × 128 pixels does not fit into"):
        map_scene(model, wide_stack, tmp_path / "map.tif")


def test_unsuitable_outputs_models_and_tiles_are_refused_before_mapping(
    made: Path, model: Checkpoint, denoiser: Checkpoint, wide_stack: Stack
) -> None:
    with pytest.raises(OutputError, match="exists already"):
        map_scene(model, wide_stack, made)
    with pytest.raises(CheckpointError, match="a denoiser was given"):
        map_scene(denoiser, wide_stack, made, overwrite=True)
    with pytest.raises(SettingsError, match="`tile_px=10`: is smaller than the 21 px"):
        map_scene(model, wide_stack, made.with_name("new.tif"), settings=MapSettings(tile_px=10))
    assert not made.with_name("new.tif").exists()


def test_disk_space_is_checked_before_a_map_is_computed(
    model: Checkpoint, wide_stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene_map, "_compute", lambda *arguments: pytest.fail("it computes"))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=2 * 300 * 200 * 2 - 1))
    with pytest.raises(OutputError, match=r"map\.tif: needs 0\.00024 GB of disk while it is written"):
        map_scene(model, wide_stack, tmp_path / "map.tif", settings=MapSettings(confidence=True))
    assert not os.listdir(tmp_path)


def test_an_image_replaced_during_mapping_gives_no_map(
    model: Checkpoint, scene_files: SceneFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sar, compute = tmp_path / "sar.tif", scene_map._compute

    def replaced(*arguments: object, **settings: bool) -> None:
        compute(*arguments, **settings)  # type: ignore[arg-type]
        os.replace(shutil.copy(scene_files.sar, tmp_path / "other.tif"), sar)

    shutil.copy(scene_files.sar, sar)
    monkeypatch.setattr(scene_map, "_compute", replaced)
    with pytest.raises(RasterError, match=r"sar\.tif: was modified while it was being read"):
        map_scene(model, align(scene_files.spectral, sar), tmp_path / "map.tif")
    assert sorted(os.listdir(tmp_path)) == ["map.tif.partial", "sar.tif"]


def test_a_novel_scene_is_reported(
    model: Checkpoint, stack: Stack, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    map_scene(model, replace(stack, spectral_offset=20_000.0), tmp_path / "novel.tif")
    assert "of the spectral values are outside the range that the model was trained on" in caplog.text


def test_a_resumed_map_equals_an_uninterrupted_one(
    made: Path, model: Checkpoint, wide_stack: Stack, tmp_path: Path, ctrl_c: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """Ctrl-C after the first tile; then the tile is damaged, and there is a draft of a killed run."""
    settings, path = MapSettings(tile_px=128, confidence=True), tmp_path / made.name
    add = PartialMap.add
    monkeypatch.setattr(PartialMap, "add", lambda *arguments: (add(*arguments), ctrl_c()))
    with pytest.raises(KeyboardInterrupt):
        map_scene(model, wide_stack, path, settings=settings)
    monkeypatch.undo()
    assert "continue with `resume`" in caplog.text
    assert not path.exists()
    with pytest.raises(OutputError, match="was left by an interrupted run"):
        map_scene(model, wide_stack, path, settings=settings)
    (strip,) = Path(f"{path}.partial").glob("*.npz")
    strip.write_bytes(strip.read_bytes()[:99])
    strip.with_name(f".{strip.name}.0123abcd.part").mkdir()
    map_scene(model, wide_stack, path, settings=settings, resume=True)
    for one, other in ((path, made), (layer_path(path, "confidence"), layer_path(made, "confidence"))):
        assert one.read_bytes() == other.read_bytes()
    assert not Path(f"{path}.partial").exists()
