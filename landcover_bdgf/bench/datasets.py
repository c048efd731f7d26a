"""Scenes with labels to measure accuracy on: a folder described by a TOML file, or the paper's MATLAB files."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from landcover_bdgf.bench.matlab import PUBLISHED, published_scene
from landcover_bdgf.bench.simulated import NAME, class_names, simulated_sar, simulated_scene
from landcover_bdgf.errors import LabelError, SettingsError
from landcover_bdgf.geo import Grid, grid_of, is_south_up, open_raster, read_band
from landcover_bdgf.labels import MAX_CLASSES, Legend, read_labels
from landcover_bdgf.scene import AlignSettings, Stack, align
from landcover_bdgf.storage import read_toml

DESCRIPTION = "dataset.toml"
_READ_PX = 512


class Description(BaseModel):
    """What ``dataset.toml`` says. Paths are relative to it.

    Attributes
    ----------
    spectral, sar : str or list of str
        As the first two arguments of ``bdgf map``. Without ``sar``, one is simulated from the spectral image.
    labels : str
        A raster of class codes on the grid of the spectral image, 0 = none; or polygons or points with ``field``.
    names : dict
        Code, as text, to name.
    ignore : list
        Codes, or values of the field, that are no class to learn.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spectral: str | list[str]
    sar: str | list[str] | None = None
    labels: str
    field: str | None = None
    names: dict[str, str] = {}
    ignore: tuple[int | str, ...] = ()
    spectral_offset: float = 0.0
    simulated: bool = False


@dataclass(frozen=True, eq=False)
class Dataset:
    """A scene and what is known of its classes.

    Attributes
    ----------
    name : str
    stack : Stack
    truth : uint16 (h, w)
        Codes of the legend; 0 where there is no label, or no data.
    legend : Legend
    simulated : {"", "scene", "SAR"}
        What of it is made by formula.
    """

    name: str
    stack: Stack
    truth: NDArray[np.uint16]
    legend: Legend
    simulated: str = ""

    def fingerprint(self) -> str:
        """sha256 of all that a result on it depends on."""
        total = hashlib.sha256(self.stack.fingerprint().encode())
        total.update(self.truth.tobytes())
        total.update("\0".join(self.legend.names).encode())
        return total.hexdigest()


def open_dataset(name: str, data: Path | None, work: Path) -> Dataset:
    """A data set by the name it was published under, or by a folder or file of one's own.

    Parameters
    ----------
    name : str
        ``augsburg``, ``berlin``, ``yellow-river``, ``lcz-hk``, ``simulated``, a folder with ``dataset.toml``, or such
        a file.
    data : Path, optional
        Where the published MATLAB files lie, in one folder for each; or, for ``simulated``, real labels and spectra.
    work : Path
        Where MATLAB files become rasters.

    Raises
    ------
    SettingsError
        There is none of that name, or its description is wrong.
    RasterError, LabelError
        Its files are missing, damaged or do not fit together.
    """
    if name in PUBLISHED:
        spectral, sar, truth = published_scene(name, data, work)
        names = {str(code): text for code, text in PUBLISHED[name].classes.items()}
        return _dataset(name, align(spectral, sar), truth, names)
    if name == NAME:
        spectral, sar, truth = simulated_scene(data, work)
        return _dataset(name, align(spectral, sar), truth, class_names(), simulated="scene")
    return _described(_description(name), work)


def check_dataset(name: str) -> None:
    """Refuse a name that is none, before anything is written; SettingsError."""
    if name not in (*PUBLISHED, NAME):
        _description(name)


def _description(name: str) -> Path:
    path = Path(name)
    path = path / DESCRIPTION if path.is_dir() else path
    if not path.is_file():
        near = difflib.get_close_matches(name, PUBLISHED, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise SettingsError(
            f"--dataset {name}",
            f"is none of {', '.join([*PUBLISHED, NAME])}, and no folder with a {DESCRIPTION}.{hint}",
        )
    return path


def read_description(path: Path) -> Description:
    """What ``dataset.toml`` says; SettingsError if it is no TOML, or says anything else."""
    return read_toml(Description, path)


def read_label_raster(path: Path, grid: Grid) -> NDArray[np.uint16]:
    """Class codes (h, w) of a label raster on that grid; 0 where it has none.

    Raises
    ------
    RasterError
        The file is damaged.
    LabelError
        It lies on another grid, or holds no codes.
    """
    with open_raster(path) as dataset:
        own = grid_of(dataset)
        if not own.same_as(grid):
            raise LabelError(
                path,
                f"lies on another grid than the spectral image ({own.describe()}; the image: {grid.describe()})",
                "Warp it with gdalwarp -r near, or give polygons.",
            )
        codes = read_band(dataset, masked=True)[:: -1 if is_south_up(dataset) else 1]
    if codes.dtype.kind not in "iu":
        raise LabelError(path, f"holds {codes.dtype}, class codes are whole numbers", "Convert it.")
    labels = np.maximum(np.ma.filled(codes, 0), 0)
    if labels.max() > MAX_CLASSES:
        raise LabelError(
            path,
            f"holds class {labels.max()}, codes go up to {MAX_CLASSES}",
            "Number them anew, or declare it as nodata if it is none.",
        )
    return labels.astype(np.uint16)


def _described(path: Path, work: Path) -> Dataset:
    description = read_description(path)
    settings = AlignSettings(spectral_offset=description.spectral_offset)
    name = path.parent.name if path.name == DESCRIPTION else path.stem
    spectral = _beside(path, description.spectral)
    if description.sar is None:
        sar: Path | list[Path] = simulated_sar(spectral, work / f"{name}_sar.tif")
    else:
        sar = _beside(path, description.sar)
    stack = align(spectral, sar, settings=settings)
    labels, ignore = path.parent / description.labels, [str(value) for value in description.ignore]
    if description.field:
        pixels = read_labels(labels, description.field, stack.grid, ignore=ignore)
        truth = np.zeros(stack.grid.shape_hw, np.uint16)
        truth[pixels.rows, pixels.cols] = pixels.codes
        names = {str(entry.code): entry.name for entry in pixels.legend.entries}
    else:
        truth, names = read_label_raster(labels, stack.grid), description.names
        truth[np.isin(truth, [int(code) for code in ignore if code.isdecimal()])] = 0
    simulated = "scene" if description.simulated else "SAR" if description.sar is None else ""
    return _dataset(name, stack, truth, names, simulated=simulated)


def _beside(path: Path, source: str | list[str]) -> Path | list[Path]:
    return path.parent / source if isinstance(source, str) else [path.parent / one for one in source]


def _dataset(
    name: str, stack: Stack, codes: NDArray[np.uint16], names: Mapping[str, str], *, simulated: str = ""
) -> Dataset:
    """With classes counted from 1, and no label where a sensor has no data."""
    valid = np.zeros(stack.grid.shape_hw, bool)
    for window in stack.grid.tiles(_READ_PX):
        valid[window.toslices()] = stack.read_valid(window)
    present = np.unique(codes[valid & (codes > 0)])
    if len(present) < 2:
        raise LabelError(name, f"has labels of {len(present)} classes where both images have data, two are needed")
    legend = Legend.from_values(present.tolist(), names)
    truth = np.where(valid & (codes > 0), np.searchsorted(present, codes) + 1, 0).astype(np.uint16)
    return Dataset(name, stack, truth, legend, simulated)
