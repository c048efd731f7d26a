"""A model of several scenes: the same as of one if there is one; no label is judged by a model that saw its place."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from conftest import SHORT_OPTIONS
from rasterio.windows import Window

from landcover_bdgf import align, load_checkpoint, pretrain, sample, train
from landcover_bdgf.labels import LabelledScene, LeftOut, sample_scenes
from landcover_bdgf.model import Checkpoint, changed
from landcover_bdgf.scene import Stack
from landcover_bdgf.scene.simulation import SceneFiles, simulate, write_scene

QUICK = ("training.folds=3", "training.steps=1")
SIDE_M = 10
Bdgf = Callable[..., int]


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Stack], Path]:
    """Two scenes of 104 × 120 px: the second shows the same ground, shifted by half; and the labels of both."""
    folder = tmp_path_factory.mktemp("halves")
    files = write_scene(simulate((104, 180), seed=5), folder, seed=5)
    whole = align(files.spectral, files.sar)
    whole.write_sar(folder / "sar_on_grid.tif")
    return [_part(files, folder, col) for col in (0, 60)], files.labels


def _part(files: SceneFiles, folder: Path, col: int) -> Stack:
    paths = []
    for source in (files.spectral, folder / "sar_on_grid.tif"):
        path = folder / f"{col}" / Path(source).name
        path.parent.mkdir(exist_ok=True)
        with rasterio.open(source) as dataset:
            window = Window(col, 0, 120, 104)
            profile = dataset.profile | {"width": 120, "transform": dataset.window_transform(window)}
            with rasterio.open(path, "w", **profile) as out:
                out.write(dataset.read(window=window))
                out.update_tags(**dataset.tags())
                for band, name in enumerate(dataset.descriptions, 1):
                    out.set_band_description(band, name or "")
        paths.append(path)
    return align(*paths)


def places_m(left_out: LeftOut, stacks: list[Stack]) -> np.ndarray:
    """Coordinates (n, 2) of judged labels, by the grid of their scene."""
    xy = np.empty((len(left_out), 2))
    for i, stack in enumerate(stacks):
        own = (left_out.scene if left_out.scene is not None else np.zeros(len(left_out))) == i
        xy[own] = np.stack(stack.grid.xy(left_out.rows[own], left_out.cols[own]), axis=1)
    return xy


@pytest.mark.parametrize("split", ["one call", "each scene by itself"])
def test_no_label_is_judged_by_a_model_that_saw_its_place(
    halves: tuple[list[Stack], Path], denoiser: Checkpoint, split: str
) -> None:
    stacks, labels = halves
    given = [LabelledScene(stack, labels, "class") for stack in stacks]
    alone = [sample(stack, labels, field="class") for stack in stacks]
    samples = sample_scenes(given) if split == "one call" else alone
    recipe = changed(denoiser.recipe, QUICK)
    model = train(stacks, samples, denoiser=denoiser, recipe=recipe)
    judged = model.left_out
    assert judged is not None
    assert judged.scene is not None
    assert judged.elsewhere is None, "two scenes are too few to leave one out"
    assert set(judged.scene.tolist()) == {0, 1}
    at = places_m(judged, stacks)
    twice = 0
    for fold in np.unique(judged.fold):
        own, others = at[judged.fold == fold], at[judged.fold != fold]
        nearest = np.abs(own[:, None] - others[None]).max(axis=2).min(axis=1)
        assert nearest.min() > SIDE_M / 2, "the same place, seen in the other scene"
        twice += len(own) - len(np.unique(own, axis=0))
    assert twice > 100, "many labels lie in both scenes"
    assert judged.distance_px.min() >= 1


def test_test_pixels_are_hidden_from_the_other_scene_too(halves: tuple[list[Stack], Path]) -> None:
    """Of a split with a test part, no training pixel of either scene lies within the buffer of a test pixel."""
    from landcover_bdgf.labels import SampleSettings

    stacks, labels = halves
    settings = SampleSettings(split="polygon", buffer_px=5)
    joined = sample_scenes([LabelledScene(stack, labels, "class") for stack in stacks], settings)
    parts = np.concatenate([each.parts for each in joined.scenes])
    xy = np.concatenate([np.stack(each.grid.xy(each.rows, each.cols), axis=1) for each in joined.scenes])
    train_m, test_m = xy[parts == 0], xy[parts == 1]
    assert len(train_m) > 50
    assert len(test_m) > 50
    assert np.abs(train_m[:, None] - test_m[None]).max(axis=2).min() >= 5 * SIDE_M
    in_both = {tuple(place) for place in train_m.round().tolist()} & {tuple(place) for place in test_m.round().tolist()}
    assert not in_both


def test_one_scene_in_a_list_gives_the_same_bytes(
    stack: Stack, denoiser: Checkpoint, scene_files: SceneFiles, tmp_path: Path
) -> None:
    recipe = changed(denoiser.recipe, QUICK)
    alone = sample(stack, scene_files.labels, field="class")
    listed = sample_scenes([LabelledScene(stack, scene_files.labels, "class")])
    assert listed.scenes[0].same_as(alone)
    train(stack, alone, denoiser=denoiser, recipe=recipe).save(tmp_path / "one.safetensors")
    train([stack], listed, denoiser=denoiser, recipe=recipe).save(tmp_path / "list.safetensors")
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "list.safetensors").read_bytes()
    assert (
        pretrain([stack], denoiser.recipe, samples=[alone]).digest()
        == pretrain(stack, denoiser.recipe, samples=alone).digest()
    )


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three scenes apart, a table of them, and one in which the third has no labels."""
    folder = tmp_path_factory.mktemp("three")
    rows = ["hsi,sar,output,labels,field"]
    for i, name in enumerate(("north", "middle", "south")):
        files = write_scene(simulate((104, 120), seed=6 + i), _new(folder / name), seed=6 + i)
        _move(files, 20_000 * i)
        rows.append(f"{name}/{files.spectral.name},{name}/{files.sar.name},{name},{name}/{files.labels.name},class")
    (folder / "scenes.csv").write_text("\n".join(rows))
    (folder / "two.csv").write_text("\n".join([*rows[:3], rows[3].rsplit(",", 2)[0] + ",,"]))
    return folder


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _move(files: SceneFiles, north_m: float) -> None:
    import geopandas
    from affine import Affine

    for path in (files.spectral, files.sar):
        with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
            dataset.transform = Affine.translation(0, north_m) * dataset.transform
    labels = geopandas.read_file(files.labels)
    labels.geometry = labels.geometry.translate(0, north_m)
    labels.to_file(files.labels)


def test_three_scenes_of_a_table_are_each_judged_by_the_two_others(bdgf: Bdgf, three: Path, tmp_path: Path) -> None:
    options = [*SHORT_OPTIONS, "--set", "training.folds=3"]
    assert bdgf("train", three / "scenes.csv", "-o", "m.safetensors", *options, "-q") == 0
    model = load_checkpoint(tmp_path / "m.safetensors")
    judged = model.left_out
    assert judged is not None
    assert judged.elsewhere is not None
    assert (judged.elsewhere > 0).all()
    training = model.provenance["training"]
    assert [scene["name"] for scene in training["scenes"]] == ["north", "middle", "south"]
    assert sum(scene["count"] for scene in training["scenes"]) == training["count"]
    assert len(model.provenance["pixels_m"]) == 3
    north = [three / "north" / name for name in ("msi.tif", "sar_db.tif")]
    assert bdgf("map", *north, "-o", "north.tif", "--model", "m.safetensors", "--force", "-q") == 0
    assert bdgf("assess", "north.tif", "--reference", "m.safetensors", "-o", "report", "-q") == 0
    figures = json.loads((tmp_path / "report/accuracy.json").read_text())
    assert [row["name"] for row in figures["scenes"]] == ["north", "middle", "south", "all"]
    assert figures["n"] == figures["scenes"][0]["labels_px"] < len(judged), "the headline is that of the mapped scene"
    assert "leave-one-scene-out" in (tmp_path / "report/report.html").read_text(encoding="utf-8")
    assert bdgf("train", three / "two.csv", "-o", "two.safetensors", *options, "-q") == 0
    two = load_checkpoint(tmp_path / "two.safetensors").provenance
    assert len(two["training"]["scenes"]) == 2
    assert len(two["denoiser"]["inputs"]) == 3, "the third serves pre-training"


def test_a_table_that_names_no_labels_is_refused(bdgf: Bdgf, three: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = (three / "two.csv").read_text().splitlines()
    (three / "none.csv").write_text("\n".join([rows[0], rows[3]]))
    assert bdgf("train", three / "none.csv", "-o", "m.safetensors") != 0
    assert "names no labels" in capsys.readouterr().err
