"""In Python, arrays and GeoDataFrames give what files give, and objects show themselves in a few lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import rioxarray
from rasterio.windows import Window

import landcover_bdgf as bdgf
from landcover_bdgf.errors import LabelError, SettingsError
from landcover_bdgf.labels.layers import layer_path
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.scene.simulation import SceneFiles
from landcover_bdgf.scene.stack import Stack


@pytest.fixture(scope="module")
def of_arrays(scene_files: SceneFiles) -> Stack:
    """The simulated scene out of DataArrays, the spectral one with NaN for no data."""
    spectral = rioxarray.open_rasterio(scene_files.spectral, masked=True)
    return bdgf.align(spectral, rioxarray.open_rasterio(scene_files.sar))


@pytest.fixture(scope="module")
def polygons(scene_files: SceneFiles) -> geopandas.GeoDataFrame:
    return geopandas.read_file(scene_files.labels)


@pytest.fixture(scope="module")
def in_memory(model: Checkpoint, stack: Stack) -> bdgf.ClassMap:
    return bdgf.map_scene(model, stack, settings=bdgf.MapSettings(confidence=True, novelty=True))


@pytest.fixture(scope="module")
def in_a_file(model: Checkpoint, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("map")
    model.save(folder / "model.safetensors")
    settings = bdgf.MapSettings(confidence=True, novelty=True)
    return bdgf.map_scene(folder / "model.safetensors", stack, folder / "landcover.tif", settings=settings)


def test_data_arrays_give_the_same_tiles_as_files(of_arrays: Stack, stack: Stack) -> None:
    assert of_arrays.grid == stack.grid
    assert of_arrays.spectral.names == stack.spectral.names
    assert [b.wavelength_nm for b in of_arrays.spectral.bands] == [b.wavelength_nm for b in stack.spectral.bands]
    height, width = stack.grid.shape_hw
    one, other = (each.read(Window(0, 0, width, height)) for each in (of_arrays, stack))
    for name in ("spectral", "sar", "valid"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_a_geodataframe_gives_the_same_samples_as_its_file(
    of_arrays: Stack, polygons: geopandas.GeoDataFrame, samples: bdgf.Samples
) -> None:
    shuffled = polygons.set_index(polygons.index[::-1]).rename_geometry("shape")
    drawn = bdgf.sample(of_arrays, shuffled, field="class", settings=bdgf.SampleSettings(split="polygon"))
    assert drawn.same_as(samples)
    assert drawn.legend == samples.legend


def test_a_geodataframe_gives_the_same_accuracy_as_its_file(
    in_a_file: Path, polygons: geopandas.GeoDataFrame, scene_files: SceneFiles
) -> None:
    with pytest.raises(LabelError, match=r"^GeoDataFrame: the reference has none of the map's classes"):
        bdgf.assess(in_a_file, polygons.assign(other=[f"{i} ha" for i in range(len(polygons))]), field="other")
    of_frame = bdgf.assess(in_a_file, polygons, field="class")
    assert np.array_equal(of_frame.matrix, bdgf.assess(in_a_file, scene_files.labels, field="class").matrix)
    assert of_frame.sample.startswith("GeoDataFrame, field class: ")


def test_a_map_in_memory_has_the_pixels_of_the_file(in_memory: bdgf.ClassMap, in_a_file: Path) -> None:
    layers = {
        in_a_file: in_memory.codes,
        layer_path(in_a_file, "confidence"): in_memory.confidence,
        layer_path(in_a_file, "novelty"): in_memory.novelty,
    }
    for path, pixels in layers.items():
        with rasterio.open(path) as dataset:
            np.testing.assert_array_equal(pixels, dataset.read(1), err_msg=path.name)
            assert (in_memory.transform, in_memory.crs) == (dataset.transform, dataset.crs)


def test_a_map_becomes_a_dataset_with_its_place_and_classes(in_memory: bdgf.ClassMap) -> None:
    data = in_memory.to_xarray()
    np.testing.assert_array_equal(data["landcover"], in_memory.codes)
    assert list(data.data_vars) == ["landcover", "confidence", "novelty"]
    assert (data.rio.crs, data.rio.transform(recalc=True)) == (in_memory.crs, in_memory.transform)
    assert (data["landcover"].rio.nodata, data["confidence"].rio.nodata) == (0, 255)
    assert data["landcover"].attrs["flag_meanings"].split()[0] == "bare_soil"
    assert data["landcover"].attrs["flag_values"].tolist() == list(in_memory.legend.codes)


def test_a_map_in_memory_has_no_parts(model: Checkpoint, stack: Stack) -> None:
    with pytest.raises(SettingsError, match="`output`: is needed for `resume`, `shard`, `polygons` and `stac`"):
        bdgf.map_scene(model, stack, settings=bdgf.MapSettings(shard="1/2"))
    with pytest.raises(SettingsError, match="Name a file"):
        bdgf.map_scene(model, stack, resume=True)


def test_a_stopped_map_in_memory_does_not_mention_resume(
    model: Checkpoint, stack: Stack, monkeypatch: pytest.MonkeyPatch, ctrl_c: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr("landcover_bdgf.mapping.partial_map.PartialMap.add", lambda *_: ctrl_c())
    with pytest.raises(KeyboardInterrupt):
        bdgf.map_scene(model, stack)
    assert "map stopped" in caplog.messages


def test_objects_show_themselves_in_a_few_lines_and_as_html(
    of_arrays: Stack, samples: bdgf.Samples, model: Checkpoint, in_memory: bdgf.ClassMap, in_a_file: Path
) -> None:
    result = bdgf.assess(in_a_file, samples)
    diffusion = "diffusion.width=0.0625, diffusion.steps=3, diffusion.batch=4"
    fusion = "fusion.d=8, fusion.attention_channels=8, fusion.mamba_channels=4, fusion.mamba_states=2"
    fusion += ", fusion.group_channels=4"
    recipe = f"Recipe('laptop', {diffusion}, {fusion}, training.steps=4, training.batch=16)"
    classes = "1 bare soil, 2 built area, 3 crops, 4 grassland, 5 trees, 6 water"
    grid = "120 × 104 px of 10 m, EPSG:32633"
    names = ", ".join(of_arrays.spectral.names)
    shown = {
        of_arrays.grid: f"Grid({grid})",
        of_arrays.spectral: f"Image(10 bands of DataArray 'msi.tif': {names}; {grid})",
        samples.legend: f"Legend({classes})",
        model.recipe: recipe,
        bdgf.load_recipe("base"): "Recipe('base')",
    }
    for each, text in shown.items():
        assert repr(each) == text
    assert repr(samples) == "Samples(6 classes, 719 training px, 498 test px, split by polygon)"
    assert repr(model) == f"Checkpoint(model, 10 spectral and 2 SAR bands, 6 classes, {recipe})"
    assert repr(in_memory) == f"ClassMap({grid}; 94 % mapped; Legend({classes}))"
    assert repr(result).startswith(f"Accuracy(overall {100 * result.overall:.1f} %, average ")
    assert repr(of_arrays).splitlines()[:2] == ["Stack", "  spectral: 10 bands of DataArray 'msi.tif'; Sentinel-2"]
    assert "<td>VV, VH</td>" in of_arrays._repr_html_()
    assert "B02 (492 nm)" in of_arrays._repr_html_()
    assert result._repr_html_().count("<tr>") == 1 + len(samples.legend.entries)
    assert "<td>bare soil</td>" in samples._repr_html_()
    assert '<img src="data:image/png;base64,' in in_memory._repr_html_()
