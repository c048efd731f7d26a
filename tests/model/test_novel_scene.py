"""A scene with other values, another order of bands or other pixels than in training gives a warning that says so."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.model.checkpoint import BandName, Checkpoint
from landcover_bdgf.model.novel_scene import warn_of_novel_scene
from landcover_bdgf.model.recipe import SpectralRecipe
from landcover_bdgf.model.scaling_fit import fit_scaling
from landcover_bdgf.model.training_values import fit_training_values
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.settings import AlignSettings
from landcover_bdgf.scene.simulation import simulate, write_scene
from landcover_bdgf.scene.stack import Stack, Tile

Change = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def warnings(checkpoint: Checkpoint, stack: Stack, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.clear()
    warn_of_novel_scene(checkpoint, stack, seed=0)
    return [record.getMessage() for record in caplog.records]


def test_a_different_pixel_size_is_reported(
    denoiser: Checkpoint, model: Checkpoint, stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    where = stack.spectral.paths[0]
    for made, name, verb in ((denoiser, "denoiser", "pre-train"), (model, "model", "train")):
        assert made.provenance["pixels_m"] == [10.0]
        assert warnings(made, stack, caplog) == []
        coarse = replace(made, provenance=made.provenance | {"pixels_m": [30.0, None]})
        assert warnings(coarse, stack, caplog) == [
            f"{where}: pixels are 10 m wide on the ground; the {name} was {verb}ed on 30 m. Resample the image to "
            f"about 30 m, or {verb} on this scene"
        ]
    for sides in ([3.0, 14.0], [None], []):
        assert warnings(replace(model, provenance=model.provenance | {"pixels_m": sides}), stack, caplog) == []
    older = {key: value for key, value in model.provenance.items() if key != "pixels_m"}
    assert warnings(replace(model, provenance=older), stack, caplog) == []


def test_a_few_pixels_are_not_compared(
    model: Checkpoint, wide_stack: Stack, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    left, _, _, top = wide_stack.grid.bounds
    field = shapely.box(left, top - 300, left + 300, top)
    geopandas.GeoDataFrame(geometry=[field], crs=wide_stack.grid.crs).to_file(tmp_path / "aoi.gpkg")
    settings = AlignSettings(aoi=str(tmp_path / "aoi.gpkg"))
    stack = align(wide_stack.spectral.paths, wide_stack.sar.paths, settings=settings)
    caplog.set_level("INFO")
    said = warnings(model, replace(stack, spectral_offset=20_000.0), caplog)
    (few,) = said[1:]  # after that of the progress
    assert few.endswith(" px have data, too few to compare their values with those in training.")


def in_amplitude(stack: Stack) -> Stack:
    """SAR with half of its dB values."""
    assert stack.sar_unit == "db"
    bands = tuple(replace(band, scale=0.5) for band in stack.sar.bands)
    return replace(stack, sar=replace(stack.sar, bands=bands))


def test_amplitude_instead_of_power_is_reported(
    model: Checkpoint, wide_stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    assert warnings(model, wide_stack, caplog) == []
    assert warnings(model, in_amplitude(wide_stack), caplog) == [
        f"{wide_stack.sar.paths[0]}: seems to be amplitude, the model was trained on power. Square its values, or set "
        '`sar_unit="db"` if they are in dB'
    ]


def test_a_darker_scene_of_low_contrast_is_not_amplitude(
    model: Checkpoint, stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    """SAR with half the spread, and a mean that squaring would move farther away."""
    scaling = model.scaling
    wider = replace(scaling, sar_mean=scaling.sar_mean + 2 * scaling.sar_std, sar_std=2 * scaling.sar_std)
    values = fit_training_values([stack], wider, exclude=None, seed=0)
    assert warnings(replace(model, scaling=wider, values=values), stack, caplog) == []


def knowing(made: Checkpoint, *scenes: Stack) -> Checkpoint:
    """A checkpoint that was trained on these scenes, as far as values go."""
    scaling = fit_scaling(scenes, SpectralRecipe(), exclude=None, seed=0)
    return replace(made, scaling=scaling, values=fit_training_values(scenes, scaling, exclude=None, seed=0))


def test_real_scenes_in_power_are_not_taken_for_amplitude(
    shared_data: Path, denoiser: Checkpoint, caplog: pytest.LogCaptureFixture
) -> None:
    folders = [shared_data / "s1s2_chile", shared_data / "s1s2_denmark"]
    scenes = [align(folder / "s2_l2a.tif", folder / "s1_rtc_db.tif") for folder in folders]
    for here, there in (scenes, scenes[::-1]):
        made = knowing(denoiser, here)
        assert not any("amplitude" in line for line in warnings(made, there, caplog))
        assert any("amplitude" in line for line in warnings(made, in_amplitude(here), caplog))


def changed(stack: Stack, spectral: Change) -> Stack:
    """The stack with other spectral values."""

    class Changed(Stack):
        def read(self, window: Window) -> Tile:
            tile = super().read(window)
            return Tile(spectral(tile.spectral) * tile.valid, tile.sar, tile.valid)

    return Changed(**{name: getattr(stack, name) for name in stack.__dataclass_fields__})


@pytest.mark.parametrize(("change", "says"), [
    (lambda a: a + 1000, "pixels have spectral values unlike all"),
    (lambda a: 0.5 * a, "vary only 0.5 times as much"),
    (lambda a: 1e-4 * a, "vary only 0.0001 times as much"),
    (lambda a: a[[0, 1, 2, 3, 4, 5, 6, 7, 9, 8]], '"B11" looks like B12, "B12" looks like B11'),
    (lambda a: np.where(np.arange(10)[:, None, None] == 5, np.minimum(a, 1500), a), "B07 (1500 in"),
    (lambda a: a, None),
    (lambda a: 0.95 * a + 20, None),
])  # fmt: skip
def test_other_values_are_told_once(
    change: Change, says: str | None, model: Checkpoint, wide_stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    told = warnings(knowing(model, wide_stack), changed(wide_stack, change), caplog)
    assert len(told) == (says is not None), told
    assert says is None or says in told[0]


def test_one_value_in_some_pixels_does_not_hide_an_offset_of_all(
    denoiser: Checkpoint, wide_stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    def spoiled(a: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.where(np.arange(10)[:, None, None] == 5, np.minimum(a, 2500), a) + 2000

    repeated, offset = warnings(knowing(denoiser, wide_stack), changed(wide_stack, spoiled), caplog)
    assert "B07 (4500 in" in repeated
    assert offset.startswith("novel scene: ")


def test_the_kind_of_checkpoint_decides_the_remedy(
    denoiser: Checkpoint, wide_stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    assert warnings(knowing(denoiser, wide_stack), changed(wide_stack, lambda a: 0.1 * a), caplog) == [
        "novel scene: all spectral values vary only 0.1 times as much as those that the denoiser was pre-trained on "
        "(different unit or scale?). Use an image with the same unit and offset, or pre-train on this scene"
    ]


def test_parts_of_a_scene_are_not_novel_and_landscapes_that_it_lacks_are(
    denoiser: Checkpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A lake varies little, and is far from the mean of the scene."""
    scene = simulate((160, 160), seed=6)
    water = scene.classes == 1
    files = write_scene(scene, tmp_path, seed=6)
    stack = align(files.spectral, files.sar)

    class Part(Stack):
        chosen = water

        def read(self, window: Window) -> Tile:
            tile = super().read(window)
            rows, cols = window.toslices()
            return Tile(tile.spectral, tile.sar, tile.valid & self.chosen[rows, cols])

    class Rest(Part):
        chosen = ~water

    lake, land = (kind(**{name: getattr(stack, name) for name in stack.__dataclass_fields__}) for kind in (Part, Rest))
    assert warnings(knowing(denoiser, stack), lake, caplog) == []
    told = warnings(knowing(denoiser, land), lake, caplog)
    assert any("SAR values unlike all" in line for line in told), told


@pytest.mark.parametrize("here", ["chile", "denmark", "kenya"])
def test_real_scenes_are_not_novel_to_themselves_and_wrong_values_are_told(
    here: str, shared_data: Path, denoiser: Checkpoint, caplog: pytest.LogCaptureFixture
) -> None:
    folder = shared_data / f"s1s2_{here}"
    stack = align(folder / "s2_l2a.tif", folder / "s1_rtc_db.tif")
    made = knowing(denoiser, stack)
    made = replace(made, bands=tuple(BandName(b.name, b.wavelength_nm) for b in stack.spectral.bands))
    assert warnings(made, stack, caplog) == []
    assert any("different order" in line for line in warnings(made, changed(stack, lambda a: a[::-1]), caplog))
    assert any("0.5 times" in line for line in warnings(made, changed(stack, lambda a: 0.5 * a), caplog))
    assert any("unlike all" in line for line in warnings(made, changed(stack, lambda a: a + 1000), caplog))


@pytest.mark.parametrize(("share", "refused"), [(0.0, False), (0.34, False), (0.8, True)])
def test_a_scene_of_mostly_foreign_values_needs_force(
    share: float, refused: bool, model: Checkpoint, wide_stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    """A haze over a third of the scene is told; over most of it, the scene is refused."""
    made = knowing(model, wide_stack)
    width = wide_stack.grid.shape_hw[1]

    class Hazy(Stack):
        def read(self, window: Window) -> Tile:
            tile = super().read(window)
            hazy = np.arange(window.col_off, window.col_off + window.width) < share * width
            return Tile(tile.spectral + 4000 * np.float32(hazy), tile.sar, tile.valid)

    scene = Hazy(**{name: getattr(wide_stack, name) for name in wide_stack.__dataclass_fields__})
    told = warnings(made, scene, caplog)
    assert any("unlike all" in line for line in told) == (share > 0.1)
    expected = "% of the pixels have spectral values unlike all that the model was trained on"
    with pytest.raises(RasterError, match=expected) if refused else nullcontext():
        warn_of_novel_scene(made, scene, seed=0, force=False)
