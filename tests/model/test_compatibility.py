"""Bands are matched or refused; a scene outside the training range of a checkpoint gives a warning."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from affine import Affine
from rasterio.crs import CRS

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.geo.grid import Grid, ground_pixel_side_m
from landcover_bdgf.model.checkpoint import BandName, Checkpoint
from landcover_bdgf.model.compatibility import fit_stack, match_stack, warn_of_novel_scene
from landcover_bdgf.model.scaling_fit import fit_scaling
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.band_reader import Band
from landcover_bdgf.scene.bands import BandText, band_names, band_wavelengths_nm
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


def test_a_different_unit_is_reported(denoiser: Checkpoint, stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    in_unit = with_bands(stack, (replace(band, scale=1e-4) for band in stack.spectral.bands))
    assert warnings(denoiser, in_unit, caplog) == [
        "novel scene: 100 % of the spectral values are outside the range that the denoiser was pre-trained on "
        "(different unit, offset or landscape?). Use an image with the same unit and offset, or pre-train on this scene"
    ]


def with_bands(stack: Stack, bands: Iterable[Band]) -> Stack:
    return replace(stack, spectral=replace(stack.spectral, bands=tuple(bands)))


def named(stack: Stack, *names: str, wavelength_nm: float | None = None) -> Stack:
    """The stack with its first bands under other names."""
    pairs = zip(stack.spectral.bands, names, strict=False)
    return with_bands(stack, (replace(b, name=n, wavelength_nm=wavelength_nm) for b, n in pairs))


def test_bands_are_put_in_order_by_name_and_missing_ones_are_listed(model: Checkpoint, stack: Stack) -> None:
    bands = stack.spectral.bands
    assert fit_stack(model, with_bands(stack, bands[::-1])).spectral.names == stack.spectral.names
    with pytest.raises(CheckpointError, match=r"expected B02, B03, .*; the image has B02, B03, B04; not found: B05"):
        fit_stack(model, with_bands(stack, bands[:3]))


def test_bands_are_found_by_wavelength(model: Checkpoint, stack: Stack) -> None:
    renamed = tuple(replace(b, name=f"x{i}") for i, b in enumerate(stack.spectral.bands))
    assert fit_stack(model, with_bands(stack, renamed[::-1])).spectral.names == tuple(f"x{i}" for i in range(10))


def test_a_band_of_unknown_wavelength_is_not_taken_for_one_of_that_name(model: Checkpoint, stack: Stack) -> None:
    plain = (replace(b, wavelength_nm=None) for b in stack.spectral.bands)
    with pytest.raises(CheckpointError, match=r"not found: B02 \(492 nm\), B03 \(560 nm\), "):
        fit_stack(model, with_bands(stack, plain))
    nameless = replace(model, bands=tuple(BandName(b.name) for b in model.bands))
    with pytest.raises(CheckpointError, match=r"not found: B02, B03, "):
        fit_stack(nameless, stack)


def test_bands_of_an_older_landsat_are_found_by_wavelength_or_refused(model: Checkpoint, stack: Stack) -> None:
    def read(*numbers: int) -> tuple[BandName, ...]:
        texts = [BandText("export", False, f"SR_B{number}") for number in numbers]
        return tuple(BandName(*pair) for pair in zip(band_names(texts), band_wavelengths_nm(texts), strict=True))

    older, newer = read(1, 2, 3, 4, 5, 7), read(1, 2, 3, 4, 5, 6, 7)
    first = stack.spectral.bands[0]
    image = with_bands(stack, (replace(first, name=b.name, wavelength_nm=b.wavelength_nm) for b in newer))
    assert match_stack(image, older[:2], model.sar_bands, name="model").spectral.names == ("B2", "B3")
    with pytest.raises(CheckpointError, match=r"not found: B3 \(660 nm\), B4 \(835 nm\)"):
        match_stack(image, older, model.sar_bands, name="model")


def test_bare_numbers_are_not_taken_for_those_of_a_sensor_with_more_of_them(model: Checkpoint, stack: Stack) -> None:
    landsat_5, landsat_8 = ("B1", "B2", "B3", "B4", "B5", "B7"), ("b1", "B2", "B3", "B4", "B5", "B6", "B7")
    bare = replace(model, bands=tuple(map(BandName, landsat_5)))
    with pytest.raises(CheckpointError) as told:
        fit_stack(bare, named(stack, *landsat_8), name="the model")
    assert str(told.value) == (
        "the model: spectral bands differ: expected B1, B2, B3, B4, B5, B7; the image has b1, B2, B3, B4, B5, B6, B7; "
        "without wavelengths these names may belong to a different sensor. Use an image with exactly these bands, or "
        "train and map with files whose band names or wavelengths identify the sensor."
    )
    with pytest.raises(CheckpointError, match="not found: B7"):
        fit_stack(bare, named(stack, *landsat_8[:-1]))
    assert fit_stack(bare, named(stack, *landsat_5[::-1])).spectral.names == landsat_5
    assert fit_stack(bare, named(stack, *landsat_5, "slope")).spectral.names == landsat_5


def test_more_bands_of_known_wavelengths_are_left_out(model: Checkpoint, stack: Stack) -> None:
    red = replace(model, bands=(BandName("B4", 654.5),))
    extra = replace(stack.spectral.bands[1], name="B5", wavelength_nm=865.0)
    image = named(stack, "B4", wavelength_nm=654.5)
    assert fit_stack(red, with_bands(image, (*image.spectral.bands, extra))).spectral.names == ("B4",)


def test_bands_without_names_are_taken_in_order_and_counted(model: Checkpoint, stack: Stack) -> None:
    plain = replace(model, bands=tuple(BandName(f"band {i + 1}") for i in range(10)))
    assert fit_stack(plain, stack).spectral.names == stack.spectral.names
    with pytest.raises(CheckpointError, match="expected 10 unnamed bands, the image has 3"):
        fit_stack(plain, with_bands(stack, stack.spectral.bands[:3]))


def test_bands_without_names_have_the_same_numbers_or_are_refused(
    model: Checkpoint, stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    """An empty band is left out, and the others keep their numbers."""
    numbers = [f"band {i}" for i in range(1, 10)]
    plain = replace(model, bands=tuple(map(BandName, numbers[:-1])))
    assert fit_stack(plain, named(stack, *numbers[:-1])).spectral.names == tuple(numbers[:-1])
    assert not caplog.records
    with pytest.raises(CheckpointError) as told:
        fit_stack(plain, named(stack, *numbers[1:]), name="the model")
    assert str(told.value) == (
        "the model: spectral bands differ: bands are numbered, not named; missing: band 1; not in the training image: "
        "band 9. Use an image with data in the same bands, or name the bands and train again."
    )
    with pytest.raises(CheckpointError, match="missing: none; not in the training image: band 9"):
        fit_stack(plain, named(stack, *numbers))
    assert fit_stack(plain, named(stack, *"abcdefgh")).spectral.names == tuple("abcdefgh")
    assert "have no names and are matched by file order" in caplog.text


def test_another_kind_of_sar_is_refused(model: Checkpoint, stack: Stack) -> None:
    with pytest.raises(CheckpointError, match="SAR in power, this SAR is signed"):
        fit_stack(model, replace(stack, plain_names=("VH",)))
