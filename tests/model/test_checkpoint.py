"""A checkpoint comes back as it was saved, and refuses what does not fit with the difference."""

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from landcover_bdgf.errors import CheckpointError, OutputError
from landcover_bdgf.model import checkpoint
from landcover_bdgf.model.checkpoint import BandName, Checkpoint, load_checkpoint
from landcover_bdgf.model.compatibility import fit_stack, match_stack
from landcover_bdgf.scene.bands import BandText, band_names, band_wavelengths_nm
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.storage.tensors import read_tensors, write_tensors


@pytest.fixture
def saved(model: Checkpoint, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    model.save(path)
    return path


def test_all_comes_back(model: Checkpoint, saved: Path) -> None:
    loaded = load_checkpoint(saved, "model")
    assert all(np.array_equal(loaded.weights[k], v) for k, v in model.weights.items())
    for name in ("kind", "recipe", "bands", "sar_bands", "sar_unit", "legend", "history", "provenance"):
        assert getattr(loaded, name) == getattr(model, name), name
    assert all(np.array_equal(v, loaded.scaling.arrays()[k]) for k, v in model.scaling.arrays().items())


def test_the_same_model_gives_the_same_bytes(model: Checkpoint, saved: Path, tmp_path: Path) -> None:
    model.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()


def test_an_old_file_stays_unless_told(model: Checkpoint, saved: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(OutputError, match="exists"):
        model.save(saved)
    assert saved.read_bytes() == before


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"weights": [1, 2]}))


def foreign(path: Path) -> None:
    save_file({"x": np.zeros(3, np.float32)}, path)


def newer(path: Path) -> None:
    found = load_checkpoint(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "FORMAT", 99)
        found.save(path, overwrite=True)


def huge_header(path: Path) -> None:
    path.write_bytes((2**62).to_bytes(8, "little") + b"{" * 64)


@pytest.mark.parametrize(("spoil", "message"), [
    (lambda path: path.unlink(), "there is no such file"),
    (lambda path: path.write_bytes(b""), "not a safetensors file"),
    (cut, "not a safetensors file, or it is cut off"),
    (flip, "is damaged"),
    (pickled, "is a pickle, .* is not opened"),
    (newer, "has format 99, this version reads 5"),
    (foreign, "not one written by bdgf"),
    (huge_header, "not a safetensors file"),
])  # fmt: skip
def test_a_damaged_file_is_refused(spoil: Callable[[Path], None], message: str, saved: Path) -> None:
    spoil(saved)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(saved)


@pytest.mark.parametrize(("change", "message"), [
    ({"kind": "potato"}, "kind: Input should be 'denoiser' or 'model', found 'potato'"),
    ({"bands": [{"name": 5}]}, "bands.0.name: Input should be a valid string, found 5"),
    ({"bands": [{"name": "B02", "wavelength_nm": -1}]},
     "bands.0.wavelength_nm: Input should be greater than or equal to 0, found -1"),
    ({"sar_unit": 3}, "sar_unit: Input should be 'power' or 'signed', found 3"),
    ({"recipe": {"nam": "x"}}, "recipe.nam: Extra inputs are not permitted, found 'x'"),
    ({"legend": []}, "legend: it is empty or names a class twice, found []"),
    ({"temperature": 0}, "temperature: Input should be greater than 0, found 0"),
    ({"provenance": []}, "provenance: Input should be an object, found []"),
    ({"provenance": {"seed": "x"}}, "provenance.seed: Input should be a valid integer, found 'x'"),
    ({"provenance": {"pixels_m": [10.0, 0]}}, "provenance.pixels_m.1: Input should be greater than 0, found 0"),
    ({"more": 1}, "more: Extra inputs are not permitted, found 1"),
])  # fmt: skip
def test_a_description_of_something_else_is_refused(change: dict[str, Any], message: str, saved: Path) -> None:
    """As another version might write it."""
    arrays, text = read_tensors(saved)
    write_tensors(saved, arrays, json.dumps(json.loads(text) | change), overwrite=True)
    with pytest.raises(CheckpointError) as told:
        load_checkpoint(saved)
    assert str(told.value) == f"{saved}: its description is incomplete or wrong ({message}). Train again."


@pytest.mark.parametrize(("name", "message"), [
    ("scaling.speckled", r"scaling.speckled is float32 \(1,\), float32 \(2,\) is needed"),
    ("history.loss", "its loss history is incomplete"),
])  # fmt: skip
def test_arrays_of_other_shapes_are_refused(name: str, message: str, saved: Path) -> None:
    arrays, text = read_tensors(saved)
    write_tensors(saved, arrays | {name: arrays[name][:1]}, text, overwrite=True)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(saved)


def test_weights_that_are_not_finite_are_refused(model: Checkpoint, tmp_path: Path) -> None:
    name = next(iter(model.weights))
    broken = {**model.weights, name: np.full_like(model.weights[name], np.nan)}
    replace(model, weights=broken).save(tmp_path / "nan.safetensors")
    with pytest.raises(CheckpointError, match="not finite"):
        load_checkpoint(tmp_path / "nan.safetensors")


def test_a_denoiser_is_no_model(denoiser: Checkpoint, tmp_path: Path) -> None:
    denoiser.save(tmp_path / "denoiser.safetensors")
    with pytest.raises(CheckpointError, match="is a denoiser, a model is needed: bdgf train makes a model"):
        load_checkpoint(tmp_path / "denoiser.safetensors", "model")


def reordered(stack: Stack, order: list[int]) -> Stack:
    bands = tuple(stack.spectral.bands[i] for i in order)
    return replace(stack, spectral=replace(stack.spectral, bands=bands))


def test_bands_are_put_in_order_by_name(model: Checkpoint, stack: Stack) -> None:
    shuffled = reordered(stack, [3, 1, 0, 2, 9, 8, 7, 6, 5, 4])
    assert fit_stack(model, shuffled).spectral.names == stack.spectral.names


def test_bands_are_found_by_wavelength(model: Checkpoint, stack: Stack) -> None:
    renamed = tuple(replace(b, name=f"x{i}") for i, b in enumerate(stack.spectral.bands))
    found = fit_stack(model, replace(stack, spectral=replace(stack.spectral, bands=renamed[::-1])))
    assert found.spectral.names == tuple(f"x{i}" for i in range(10))


def test_a_band_of_unknown_wavelength_is_not_taken_for_one_of_that_name(model: Checkpoint, stack: Stack) -> None:
    plain = tuple(replace(b, wavelength_nm=None) for b in stack.spectral.bands)
    with pytest.raises(CheckpointError, match=r"not found: B02 \(492 nm\), B03 \(560 nm\), "):
        fit_stack(model, replace(stack, spectral=replace(stack.spectral, bands=plain)))
    nameless = replace(model, bands=tuple(BandName(b.name) for b in model.bands))
    with pytest.raises(CheckpointError, match=r"not found: B02, B03, "):
        fit_stack(nameless, stack)


def test_bands_of_an_older_landsat_are_found_by_wavelength_or_refused(model: Checkpoint, stack: Stack) -> None:
    def read(*names: str) -> tuple[BandName, ...]:
        texts = [BandText("export", False, name) for name in names]
        return tuple(BandName(*pair) for pair in zip(band_names(texts), band_wavelengths_nm(texts), strict=True))

    older = read("SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B7")
    newer = read("SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7")
    bands = tuple(
        replace(stack.spectral.bands[0], name=band.name, wavelength_nm=band.wavelength_nm, index=at)
        for at, band in enumerate(newer, 1)
    )
    image = replace(stack, spectral=replace(stack.spectral, bands=bands))
    assert match_stack(image, older[:2], model.sar_bands, name="model").spectral.names == ("B2", "B3")
    with pytest.raises(CheckpointError, match=r"not found: B3 \(660 nm\), B4 \(835 nm\)"):
        match_stack(image, older, model.sar_bands, name="model")


def named(stack: Stack, *names: str, wavelength_nm: float | None = None) -> Stack:
    """The stack with its first bands under other names."""
    bands = (replace(b, name=n, wavelength_nm=wavelength_nm) for b, n in zip(stack.spectral.bands, names, strict=False))
    return replace(stack, spectral=replace(stack.spectral, bands=tuple(bands)))


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
    more = replace(image, spectral=replace(image.spectral, bands=(*image.spectral.bands, extra)))
    assert fit_stack(red, more).spectral.names == ("B4",)


def test_missing_bands_are_listed(model: Checkpoint, stack: Stack) -> None:
    with pytest.raises(CheckpointError, match=r"expected B02, B03, .*; the image has B02, B03, B04; not found: B05"):
        fit_stack(model, reordered(stack, [0, 1, 2]))


def test_bands_without_names_are_taken_in_order_and_counted(model: Checkpoint, stack: Stack) -> None:
    plain = replace(model, bands=tuple(BandName(f"band {i + 1}") for i in range(10)))
    assert fit_stack(plain, stack).spectral.names == stack.spectral.names
    with pytest.raises(CheckpointError, match="expected 10 unnamed bands, the image has 3"):
        fit_stack(plain, reordered(stack, [0, 1, 2]))


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
        fit_stack(model, replace(stack, sar_unit="signed"))
