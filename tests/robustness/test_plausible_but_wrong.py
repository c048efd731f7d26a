"""Well-formed scenes with wrong values: bdgf map says what is wrong with each, and nothing about their right likes."""

from __future__ import annotations

import fnmatch
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from conftest import Bdgf
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.model.checkpoint import BandName, Checkpoint
from landcover_bdgf.scene.simulation import NODATA, SceneFiles, simulate, write_scene

Pixels = NDArray[np.float64]
Change = Callable[[Pixels], Pixels]

MODEL = "the model was trained on"
CHECK_MAP = "Check the map, or train on this scene"
SHORT_WAVES = np.exp(-np.arange(10) / 2.5)[:, None, None]


@dataclass(frozen=True)
class Case:
    """How the values are wrong, in which image, and the warning; none for a right scene."""

    name: str
    change: Change
    says: str = ""
    image: str = "msi.tif"


def quarter(a: Pixels, bands: slice, value: float) -> Pixels:
    """One value in a quarter of the scene."""
    a = a.copy()
    a[bands, : a.shape[1] // 2, : a.shape[2] // 2] = value
    return a


def clouded(a: Pixels) -> Pixels:
    """Thin cloud over a third."""
    veil = np.arange(a.shape[2]) < a.shape[2] // 3
    return np.where(veil, 0.6 * a + 2400, a)


def around_mean(a: Pixels, factor: float) -> Pixels:
    mean = a[:, 20:].mean((1, 2), keepdims=True)
    return mean + factor * (a - mean)


def noisy(a: Pixels) -> Pixels:
    return a + 0.05 * a.std((1, 2), keepdims=True) * np.random.default_rng(0).standard_normal(a.shape)


# fmt: off
CASES = [
    Case("an offset", lambda a: a + 700, f"novel scene: * % of the pixels have spectral values unlike all that {MODEL} (different unit, offset or landscape, haze or clouds?); most different: B* (mean *, in training *), B*. {CHECK_MAP}"),
    Case("haze", lambda a: a + 1200 * SHORT_WAVES, f"novel scene: * % of the pixels have spectral values *; most different: B02 (mean *, in training *), B03 *. {CHECK_MAP}"),
    Case("thin cloud", clouded, f"novel scene: * % of the pixels have spectral values *. {CHECK_MAP}"),
    Case("half the values", lambda a: a / 2, f"novel scene: all spectral values vary only 0.5 times as much as those that {MODEL} (different unit or scale?). {CHECK_MAP}"),
    Case("a tenth of the values", lambda a: a / 10, f"novel scene: all spectral values vary only 0.1 times as much as those that {MODEL} *"),
    Case("shrunk to the middle", lambda a: around_mean(a, 0.3), f"novel scene: all spectral values vary only 0.3 times as much as those that {MODEL} *"),
    Case("saturated", lambda a: quarter(a, slice(0, 3), 16_000), f"msi.tif: many pixels have one value (saturated or missing?), unlike the images that {MODEL}: B02 (16000 in * %, in training no value in over * %), B03 *, B04 *. Declare missing values as nodata, or check the map there"),
    Case("a band of zeros", lambda a: quarter(a, slice(4, 5), 0), f"msi.tif: many pixels have one value (saturated or missing?), unlike the images that {MODEL}: B06 (0 in * %, in training no value in over * %). *"),
    Case("another order", lambda a: a[[2, 1, 0, *range(3, 10)]], 'msi.tif: its bands seem to be in a different order from that in training: "B02" looks like B04, "B04" looks like B02. Check the order or the names of the bands'),
    Case("reversed", lambda a: a[::-1], "msi.tif: its bands seem to be in a different order from that in training: *, * and 7 more. Check the order or the names of the bands"),
    Case("VV and VH swapped", lambda a: a[::-1], 'sar_db.tif: its bands seem to be in a different order from that in training: "VV" looks like VH, "VH" looks like VV. Check the order or the names of the bands', "sar_db.tif"),
    Case("SAR × 10", lambda a: a + 10, f"novel scene: * % of the pixels have SAR values unlike all that {MODEL} (different unit, calibration or landscape?); most different: V*. {CHECK_MAP}", "sar_db.tif"),
    Case("the training scene", lambda a: a),
    Case("the offset of Sentinel-2, which is removed", lambda a: a + 1000),
    Case("noise", noisy),
    Case("brighter by a tenth", lambda a: 1.1 * a),
]
# fmt: on


def rewrite(path: Path, change: Change) -> None:
    """Change the values that are not nodata."""
    with rasterio.open(path) as file:
        pixels, profile, names, tags = file.read(), file.profile, file.descriptions, file.tags()
    missing = (pixels == NODATA).all(axis=0)
    changed = np.where(missing, pixels, change(np.where(missing, 0, pixels).astype(np.float64)))
    with rasterio.open(path, "w", **profile) as file:
        file.write(changed.astype(pixels.dtype))
        file.descriptions = names
        file.update_tags(**tags)


def warnings_of_map(bdgf: Bdgf, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    words = ["msi.tif", "sar_db.tif", "--model", "model.safetensors", "-o", "map.tif", "--overwrite", "--force"]
    assert bdgf("map", *words) == 0
    start = "bdgf: warning: "
    told = [line.removeprefix(start) for line in capsys.readouterr().err.splitlines() if line.startswith(start)]
    return [line for line in told if "of the pixels are novel" not in line]  # what the networks see of it


@pytest.fixture
def scene(scene_files: SceneFiles, tmp_path: Path) -> Path:
    """A folder with the training scene."""
    for file in (scene_files.spectral, scene_files.sar):
        shutil.copy(file, tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_wrong_values_are_told_and_right_ones_are_not(
    case: Case, scene: Path, model: Checkpoint, bdgf: Bdgf, capsys: pytest.CaptureFixture[str]
) -> None:
    model.save(scene / "model.safetensors")
    rewrite(scene / case.image, case.change)
    found = warnings_of_map(bdgf, capsys)
    if case.says:
        assert fnmatch.filter(found, case.says.replace("[", "[[]")), found
    # said of the image, without a model
    own = [line for line in found if "offset is not removed" not in line and "VH is above VV" not in line]
    assert len(own) == bool(case.says), found


def test_nameless_bands_in_another_order_are_told(
    scene: Path, model: Checkpoint, bdgf: Bdgf, capsys: pytest.CaptureFixture[str]
) -> None:
    nameless = tuple(BandName(f"band {i}") for i in range(1, 11))
    replace(model, bands=nameless).save(scene / "model.safetensors")
    for order, says in (
        (range(10), []),
        ([0, 1, 7, 3, 4, 5, 6, 2, 8, 9], ['"band 3" looks like band 8, "band 8" looks like band 3']),
    ):
        rewrite(scene / "msi.tif", lambda a, order=list(order): a[order])
        with rasterio.open(scene / "msi.tif", "r+") as file:
            file.descriptions = (None,) * 10
        found = [line.split("in training: ")[-1].split(". Check")[0] for line in warnings_of_map(bdgf, capsys)]
        assert found == says


def test_a_part_of_the_scene_and_another_of_its_kind_are_not_novel(
    scene: Path, model: Checkpoint, bdgf: Bdgf, capsys: pytest.CaptureFixture[str]
) -> None:
    model.save(scene / "model.safetensors")
    with rasterio.open(scene / "msi.tif") as file:
        pixels, profile, names = file.read(window=Window(0, 0, 60, 104)), file.profile, file.descriptions
    with rasterio.open(scene / "msi.tif", "w", **(profile | {"width": 60})) as file:
        file.write(pixels)
        file.descriptions = names
    assert [line for line in warnings_of_map(bdgf, capsys) if "no data in one" not in line] == []
    write_scene(simulate((104, 120), seed=9), scene, overwrite=True, seed=9)
    assert warnings_of_map(bdgf, capsys) == []
