"""A scene that is unlike that of a checkpoint is told by what differs; one that is like it is not."""

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


def told(checkpoint: Checkpoint, stack: Stack, caplog: pytest.LogCaptureFixture) -> list[str]:
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


def test_pixels_of_another_size_are_told(
    denoiser: Checkpoint, model: Checkpoint, stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    where = stack.spectral.paths[0]
    for made, name, verb in ((denoiser, "denoiser", "pre-train"), (model, "model", "train")):
        assert made.provenance["pixels_m"] == [10.0]
        assert told(made, stack, caplog) == []
        coarse = replace(made, provenance=made.provenance | {"pixels_m": [30.0, None]})
        assert told(coarse, stack, caplog) == [
            f"{where}: pixels are 10 m wide on the ground; the {name} was {verb}ed on 30 m. Resample the image to "
            f"about 30 m, or {verb} on this scene"
        ]
    for sides in ([3.0, 14.0], [None], []):
        assert told(replace(model, provenance=model.provenance | {"pixels_m": sides}), stack, caplog) == []
    older = {key: value for key, value in model.provenance.items() if key != "pixels_m"}
    assert told(replace(model, provenance=older), stack, caplog) == []


def in_amplitude(stack: Stack) -> Stack:
    """With SAR of half the dB."""
    assert stack.sar_unit == "db"
    bands = tuple(replace(band, scale=0.5) for band in stack.sar.bands)
    return replace(stack, sar=replace(stack.sar, bands=bands))


def test_amplitude_in_the_place_of_power_is_told(
    model: Checkpoint, wide_stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    assert told(model, wide_stack, caplog) == []
    assert told(model, in_amplitude(wide_stack), caplog) == [
        f"{wide_stack.sar.paths[0]}: seems to be amplitude, the model was trained on power. Square its values, or set "
        '`sar_unit="db"` if they are in dB'
    ]


def test_a_flat_scene_that_is_darker_is_no_amplitude(
    model: Checkpoint, stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    """SAR that spreads half as far, about a mean from which squares would lie still farther."""
    scaling = model.scaling
    wider = replace(scaling, sar_mean=scaling.sar_mean + 2 * scaling.sar_std, sar_std=2 * scaling.sar_std)
    assert told(replace(model, scaling=wider), stack, caplog) == []


def test_real_scenes_in_power_are_no_amplitude_to_one_another(
    shared_data: Path, denoiser: Checkpoint, caplog: pytest.LogCaptureFixture
) -> None:
    folders = [shared_data / "s1s2_chile", shared_data / "s1s2_denmark"]
    scenes = [align(folder / "s2_l2a.tif", folder / "s1_rtc_db.tif") for folder in folders]
    for here, there in (scenes, scenes[::-1]):
        made = replace(denoiser, scaling=fit_scaling([here], denoiser.recipe.spectral, exclude=None, seed=0))
        assert not any("amplitude" in line for line in told(made, there, caplog))
        assert any("amplitude" in line for line in told(made, in_amplitude(here), caplog))
