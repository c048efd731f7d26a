"""Labelled scenes are read as described; data sets, keys and label rasters that do not fit are refused."""

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from conftest import WriteTif

from landcover_bdgf.bench.datasets import open_dataset
from landcover_bdgf.errors import LabelError, SettingsError
from landcover_bdgf.scene.simulation import SceneFiles


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


def test_unknown_data_sets_and_keys_are_refused(tmp_path: Path, scene_files: SceneFiles) -> None:
    with pytest.raises(SettingsError, match=r'`dataset="augsberg"`: .* Did you mean augsburg\?'):
        open_dataset("augsberg", None, tmp_path)
    with pytest.raises(SettingsError, match="needs `data`"):
        open_dataset("berlin", None, tmp_path)
    with pytest.raises(SettingsError, match="key 'colour'"):
        open_dataset(str(described(scene_files, tmp_path, "x.tif", "colour = 1")), None, tmp_path)
