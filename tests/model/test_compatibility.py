"""Bands are matched or refused."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.model.checkpoint import BandName, Checkpoint
from landcover_bdgf.model.compatibility import fit_stack, match_stack
from landcover_bdgf.scene.band_reader import Band
from landcover_bdgf.scene.bands import BandText, band_names, band_wavelengths_nm
from landcover_bdgf.scene.stack import Stack


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
