"""MATLAB files of both versions are read as published; errors name missing, mismatched and damaged files."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from conftest import Bdgf
from numpy.typing import NDArray
from rasterio.windows import Window
from scipy.io import loadmat, savemat

from landcover_bdgf.bench.datasets import open_dataset
from landcover_bdgf.bench.matlab import PUBLISHED, published_files, read_matlab
from landcover_bdgf.errors import LabelError, RasterError

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
    files = r"data_HS_LR.mat \(332 × 485 × 180\), data_SAR_HR.mat \(332 × 485 × 4\), TrainImage.mat"
    with pytest.raises(RasterError, match=f"data_SAR_HR.mat: is missing. Files: {files}"):
        open_dataset("augsburg", tmp_path, tmp_path / "work")
    write_v73(tmp_path, {"data_SAR_HR": small["data_SAR_HR"][:-1]})
    with pytest.raises(RasterError, match=r"data_SAR_HR.mat: is 89 × 80 px, its labels 90 × 80"):
        open_dataset("augsburg", tmp_path, tmp_path / "work")
    assert "90 × 80 px; published were 332 × 485. Results are not comparable with the paper" in caplog.text
    write_v73(tmp_path, {"TrainImage": small["TrainImage"][:-1]})
    with pytest.raises(LabelError, match="They must have the same shape"):
        open_dataset("augsburg", tmp_path, tmp_path / "work")


def test_the_folder_alone_says_what_is_there(
    tmp_path: Path, augsburg: Arrays, bdgf: Bdgf, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of all four data sets; each file is read, and the labels are counted."""
    (tmp_path / "augsburg").mkdir()
    write_v5(tmp_path / "augsburg", augsburg)
    (tmp_path / "augsburg/data_SAR_HR.mat").write_bytes(b"MATLAB" * 30)
    found = {one.dataset: one for one in published_files(tmp_path)}
    assert [*found["augsburg"].files.values()][::3] == ["is 332 × 485 × 6", None]
    assert "cannot be read" in str(found["augsburg"].files[str(tmp_path / "augsburg/data_SAR_HR.mat")])
    assert found["augsburg"].labels is None
    assert set(found["lcz-hk"].files.values()) == {"is missing"}
    write_v5(tmp_path / "augsburg", {"TrainImage": np.where(augsburg["TrainImage"] == 7, 0, augsburg["TrainImage"])})
    assert bdgf("bench", "--data", "augsburg") == 0
    said = capsys.readouterr().out
    assert "augsburg: published by Hong et al. 2021, https://github.com/danfenghong/ISPRS_S2FL" in said
    assert "TestImage.mat, 332 × 485: as published" in said
    assert "berlin" not in said, "a folder of one data set"
    assert re.search(r"  \d+ labels of Water; published were 1530", said)
    assert bdgf("bench", "-o", "out") == 2
    assert "--dataset: is missing" in capsys.readouterr().err
    assert bdgf("bench", "--dataset", "augsburg") == 2
    assert "--output: is missing" in capsys.readouterr().err


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_the_manual_names_the_files_and_their_sizes(name: str) -> None:
    """And where each data set is published, as the message about a missing file does."""
    text = (Path(__file__).parents[2] / "docs/howto/bench.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
    scene = PUBLISHED[name]
    side = " × ".join(map(str, scene.shape_hw))
    assert f"`{scene.spectral}.mat`: {side} × {scene.bands}, `{scene.sar}.mat`: {side} × {scene.sar_bands}," in row
    assert f"`{scene.train}.mat`, `{scene.test}.mat`: {side} |" in row
    assert scene.layout().split("published by ")[1][:18] in row or "as Augsburg" in row


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
