"""A scene outside the training range of a checkpoint gives a warning; others do not."""

from dataclasses import replace
from pathlib import Path

import pytest
from affine import Affine
from rasterio.crs import CRS

from landcover_bdgf.geo.grid import Grid, ground_pixel_side_m
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.compatibility import warn_of_novel_scene
from landcover_bdgf.model.scaling_fit import fit_scaling
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.stack import Stack


def warnings(checkpoint: Checkpoint, stack: Stack, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.clear()
    warn_of_novel_scene(checkpoint, stack, seed=0)
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(("crs", "x", "y", "pixel", "side_m"), [
    (32633, 500_000, 5_000_000, 10.0, 10.0),
    (32633, 500_000, 5_000_000, 0.1, 0.1),
    (4326, 11.0, 60.0, 1e-4, 7.87),  # 11.14 m high, 5.58 m wide
    (3857, 0, 8_399_738, 20.0, 10.0),  # at 60 degrees north
    (2225, 6_000_000, 2_000_000, 32.8084, 10.0),  # in feet
])  # fmt: skip
def test_pixels_are_measured_on_the_ground(crs: int, x: float, y: float, pixel: float, side_m: float) -> None:
    grid = Grid(CRS.from_epsg(crs), Affine(pixel, 0, x, 0, -pixel, y), (60, 80))
    assert ground_pixel_side_m(grid) == pytest.approx(side_m, rel=5e-3)


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
    assert warnings(replace(model, scaling=wider), stack, caplog) == []


def test_real_scenes_in_power_are_not_taken_for_amplitude(
    shared_data: Path, denoiser: Checkpoint, caplog: pytest.LogCaptureFixture
) -> None:
    folders = [shared_data / "s1s2_chile", shared_data / "s1s2_denmark"]
    scenes = [align(folder / "s2_l2a.tif", folder / "s1_rtc_db.tif") for folder in folders]
    for here, there in (scenes, scenes[::-1]):
        made = replace(denoiser, scaling=fit_scaling([here], denoiser.recipe.spectral, exclude=None, seed=0))
        assert not any("amplitude" in line for line in warnings(made, there, caplog))
        assert any("amplitude" in line for line in warnings(made, in_amplitude(here), caplog))
