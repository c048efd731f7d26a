"""In one simulated scene each sensor separates classes that the other does not; simulated SAR images use no labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import WriteTif
from numpy.typing import NDArray
from rasterio.windows import Window
from scipy.ndimage import binary_erosion, uniform_filter

from landcover_bdgf.bench.datasets import Dataset, open_dataset
from landcover_bdgf.bench.matlab import PUBLISHED
from landcover_bdgf.scene.simulation import SceneFiles


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


@pytest.mark.usefixtures("no_shift")
def test_the_scene_with_thin_objects_is_a_data_set_with_streams(tmp_path: Path) -> None:
    dataset = open_dataset("thin", None, tmp_path)
    assert (dataset.simulated, dataset.legend.names[0], dataset.truth.shape) == ("scene", "water", (256, 256))
    assert dataset.stream_px is not None
    assert set(np.unique(dataset.stream_px)) == {0, 1, 2, 3, 5}
    assert set(np.unique(dataset.truth[dataset.stream_px > 0])) <= {0, 1}
    assert open_dataset("thin", None, tmp_path).fingerprint() == dataset.fingerprint()


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
