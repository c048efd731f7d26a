"""Labelled scenes are read as described or as published; errors name missing and mismatched files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from affine import Affine
from conftest import WriteTif
from numpy.typing import NDArray
from rasterio.windows import Window
from scipy.io import loadmat, savemat
from scipy.ndimage import binary_erosion, uniform_filter

from landcover_bdgf.bench.datasets import Dataset, open_dataset
from landcover_bdgf.bench.matlab import PUBLISHED, read_matlab
from landcover_bdgf.errors import LabelError, RasterError, SettingsError
from landcover_bdgf.scene.simulation import SceneFiles

Arrays = dict[str, NDArray[Any]]


def write_v5(folder: Path, arrays: Arrays) -> None:
    for name, array in arrays.items():
        savemat(folder / f"{name}.mat", {name: array})


def write_v73(folder: Path, arrays: Arrays) -> None:
    """As MATLAB writes it: HDF5 after a header of 512 bytes, axes reversed."""
    for name, array in arrays.items():
        with h5py.File(folder / f"{name}.mat", "w", userblock_size=512) as file:
            file.create_dataset(name, data=array.T)
        with (folder / f"{name}.mat").open("r+b") as raw:
            raw.write(b"MATLAB 7.3 MAT-file".ljust(124))


@pytest.fixture(scope="module")
def augsburg(shared_data: Path) -> Arrays:
    """The published labels of Augsburg; images of the published layout, with fewer bands, by formula."""
    train, test = (loadmat(shared_data / f"augsburg_labels/{n}.mat")[n] for n in ("TrainImage", "TestImage"))
    rng = np.random.default_rng(0)
    classes = np.maximum(train, test).astype(int)
    spectra, backscatter = rng.uniform(500, 4000, (8, 6)), rng.uniform(0.02, 0.4, (8, 2))
    return {
        "data_HS_LR": (spectra[classes] + rng.normal(0, 50, (*classes.shape, 6))).astype(np.float32),
        "data_SAR_HR": (backscatter[classes] * rng.gamma(4, 0.25, (*classes.shape, 2))).astype(np.float32),
        "TrainImage": train,
        "TestImage": test,
    }


@pytest.mark.parametrize("write", [write_v5, write_v73])
def test_published_data_sets_are_read_in_both_matlab_versions(
    tmp_path: Path, augsburg: Arrays, write: Callable[[Path, Arrays], None]
) -> None:
    (tmp_path / "augsburg").mkdir()
    write(tmp_path / "augsburg", augsburg)
    dataset = open_dataset("augsburg", tmp_path, tmp_path / "work")
    assert dataset.legend.names == tuple(PUBLISHED["augsburg"].classes.values())
    counts = np.bincount(dataset.truth.ravel())[1:].tolist()
    assert counts == [13507, 30329, 3851, 26857, 575, 1645, 1530]  # Table 1
    tile = dataset.stack.read(Window(0, 0, 485, 332))
    assert np.array_equal(tile.spectral, augsburg["data_HS_LR"].transpose(2, 0, 1))
    assert np.array_equal(tile.sar, np.maximum(augsburg["data_SAR_HR"].transpose(2, 0, 1), np.float32(1e-6)))


def test_missing_files_and_other_shapes_are_reported(
    tmp_path: Path, augsburg: Arrays, caplog: pytest.LogCaptureFixture
) -> None:
    small = {name: array[:90, :80] for name, array in augsburg.items()}
    write_v73(tmp_path, {name: array for name, array in small.items() if name != "data_SAR_HR"})
    with pytest.raises(RasterError, match=r"data_SAR_HR.mat: is missing. The published layout is data_HS_LR.mat, data"):
        open_dataset("augsburg", tmp_path, tmp_path / "work")
    write_v73(tmp_path, {"data_SAR_HR": small["data_SAR_HR"][:-1]})
    with pytest.raises(RasterError, match=r"data_SAR_HR.mat: is 89 × 80 px, its labels 90 × 80"):
        open_dataset("augsburg", tmp_path, tmp_path / "work")
    assert "published were 332 × 485 with 78294" in caplog.text
    write_v73(tmp_path, {"TrainImage": small["TrainImage"][:-1]})
    with pytest.raises(LabelError, match="They must have the same shape"):
        open_dataset("augsburg", tmp_path, tmp_path / "work")


def test_damaged_matlab_files_and_missing_arrays_are_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "b.mat", {"x": np.eye(3), "y": np.eye(3)})
    with pytest.raises(RasterError, match=r"b.mat: has no array b, found x, y"):
        read_matlab(tmp_path / "b.mat", "b")
    whole = (tmp_path / "b.mat").read_bytes()
    for content in (b"GIF89a" * 200, whole[: len(whole) // 2]):
        (tmp_path / "b.mat").write_bytes(content)
        with pytest.raises(RasterError, match="cannot be read as a MATLAB file"):
            read_matlab(tmp_path / "b.mat", "x")


def test_a_highly_compressed_matlab_file_of_labels_is_read(tmp_path: Path) -> None:
    labels = np.zeros((3000, 3000), np.uint8)
    labels[:2, :2] = 3
    savemat(tmp_path / "c.mat", {"c": labels}, do_compression=True)
    assert (tmp_path / "c.mat").stat().st_size < 15_000
    assert np.array_equal(read_matlab(tmp_path / "c.mat", "c"), labels)


def described(scene: SceneFiles, folder: Path, labels: Path | str, *more: str) -> Path:
    path = folder / "place.toml"
    lines = [f'spectral = "{scene.spectral}"', f'sar = "{scene.sar}"', f'labels = "{labels}"', *more]
    path.write_text("\n".join(lines))
    return path


def test_polygons_are_read_as_labels(tmp_path: Path, scene_files: SceneFiles) -> None:
    path = described(scene_files, tmp_path, scene_files.labels, 'field = "class"', 'ignore = ["water"]')
    dataset = open_dataset(str(path), None, tmp_path)
    assert dataset.name == "place"
    assert "water" not in dataset.legend.names
    assert "trees" in dataset.legend.names
    assert set(np.unique(dataset.truth)) == {0, *dataset.legend.codes}


def test_a_raster_is_read_as_labels(tmp_path: Path, scene_files: SceneFiles, write_tif: WriteTif) -> None:
    codes = np.full((104, 120), 7, np.uint8)
    codes[:50], codes[:, :3] = 2, 0
    options = {"origin_xy": (399_960.0, 5_800_020.0), "nodata": 0}
    path = described(scene_files, tmp_path, write_tif("t.tif", codes, **options), "[names]", '7 = "wood"')
    dataset = open_dataset(str(path), None, tmp_path)
    assert dataset.legend.names == ("2", "wood")
    assert (dataset.truth[10, 20], dataset.truth[80, 20], dataset.truth[80, 1]) == (1, 2, 0)
    assert dataset.truth[2, -2] == 0, "where a sensor has no data, there is no label"
    south_up = options | {"transform": Affine(10, 0, 399_960, 0, 10, 5_800_020 - 1040)}
    flipped = described(scene_files, tmp_path, write_tif("s.tif", codes[::-1], **south_up), "[names]", '7 = "wood"')
    assert np.array_equal(open_dataset(str(flipped), None, tmp_path).truth, dataset.truth)
    many = described(scene_files, tmp_path, write_tif("m.tif", codes.astype(np.int32) + 65_530, **options))
    with pytest.raises(LabelError, match=r"m.tif: has class code 65537, the largest allowed is 65535"):
        open_dataset(str(many), None, tmp_path)
    elsewhere = described(scene_files, tmp_path, write_tif("u.tif", codes))
    with pytest.raises(LabelError, match="is not on the grid of the spectral image"):
        open_dataset(str(elsewhere), None, tmp_path)


def test_a_missing_sar_image_is_simulated_without_using_labels(
    tmp_path: Path, scene_files: SceneFiles, write_tif: WriteTif
) -> None:
    made = []
    for code in (1, 2):
        codes = np.full((104, 120), code, np.uint8)
        codes[:50] = 3
        truth = write_tif(f"{code}.tif", codes, origin_xy=(399_960.0, 5_800_020.0))
        path = tmp_path / "place.toml"
        path.write_text(f'spectral = "{scene_files.spectral}"\nlabels = "{truth}"')
        dataset = open_dataset(str(path), None, tmp_path)
        assert dataset.simulated == "SAR"
        made.append(dataset.stack.read(Window(0, 0, 120, 104)).sar)
    assert np.array_equal(*made)
    assert made[0].std() > 0.01


def test_unknown_data_sets_and_keys_are_refused(tmp_path: Path, scene_files: SceneFiles) -> None:
    with pytest.raises(SettingsError, match=r'`dataset="augsberg"`: .* Did you mean augsburg\?'):
        open_dataset("augsberg", None, tmp_path)
    with pytest.raises(SettingsError, match="needs `data`"):
        open_dataset("berlin", None, tmp_path)
    with pytest.raises(SettingsError, match="key 'colour'"):
        open_dataset(str(described(scene_files, tmp_path, "x.tif", "colour = 1")), None, tmp_path)


@pytest.fixture(scope="module")
def simulated(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset("simulated", shared_data, tmp_path_factory.mktemp("simulated"))


def test_the_simulated_scene_has_classes_that_only_one_sensor_separates(simulated: Dataset) -> None:
    assert simulated.simulated == "scene"
    assert simulated.legend.names == tuple(PUBLISHED["augsburg"].classes.values())
    tile = simulated.stack.read(Window(0, 0, 485, 332))
    assert tile.valid.all()

    def apart(layers: NDArray[Any], one: int, other: int) -> float:
        """Largest distance of the means of two classes, in standard deviations, over bands."""
        a, b = (layers[:, simulated.truth == code] for code in (one, other))
        return float((np.abs(a.mean(1) - b.mean(1)) / np.sqrt((a.var(1) + b.var(1)) / 2)).max())

    db = 10 * np.log10(tile.sar)
    for one, other in ((2, 3), (4, 5)):
        assert apart(db, one, other) > 0.5 > apart(tile.spectral, one, other)
    for one, other in ((2, 6), (1, 5)):
        assert apart(tile.spectral, one, other) > 0.5 > apart(db, one, other)


def test_the_simulated_speckle_is_as_measured(simulated: Dataset) -> None:
    vv = simulated.stack.read(Window(0, 0, 485, 332)).sar[0].astype(float)
    mean = uniform_filter(vv, 7)
    inside = binary_erosion(simulated.truth == 1, iterations=4)
    assert np.median((mean**2 / (uniform_filter(vv**2, 7) - mean**2))[inside]) == pytest.approx(4.6, abs=0.7)
    away = np.where(inside, vv / mean - 1, np.nan)
    assert np.nanmean(away[:, 1:] * away[:, :-1]) / np.nanmean(away**2) == pytest.approx(0.65, abs=0.08)
