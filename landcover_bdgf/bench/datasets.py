"""Labelled scenes: a folder with a TOML description, or the MATLAB files of the paper."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from landcover_bdgf.bench.matlab import PUBLISHED, published_scene
from landcover_bdgf.bench.simulated import NAME, THIN, simulated_sar, simulated_scene, thin_scene
from landcover_bdgf.errors import LabelError, SettingsError
from landcover_bdgf.geo import Grid, grid_of, is_south_up, open_raster, read_band
from landcover_bdgf.labels import MAX_CLASSES, Legend, ReadSettings, read_labels
from landcover_bdgf.scene import AlignSettings, Stack, align
from landcover_bdgf.storage import read_toml

DESCRIPTION = "dataset.toml"
_READ_PX = 512


class Description(BaseModel):
    """Contents of ``dataset.toml``. Paths are relative to it.

    Attributes
    ----------
    spectral, sar : str or list of str
        As in :func:`~landcover_bdgf.scene.align`. Without ``sar``, a SAR image is simulated from the spectral image.
    labels : str
        A raster of class codes on the grid of the spectral image, 0 = no label; or polygons or points with ``field``.
    names : dict
        Class names by code (as text).
    ignore : list
        Codes, or values of the field, to leave out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spectral: str | list[str]
    sar: str | list[str] | None = None
    labels: str
    field: str | None = None
    names: dict[str, str] = {}
    ignore: tuple[int | str, ...] = ()
    spectral_offset: float | None = None
    simulated: bool = False


@dataclass(frozen=True, eq=False)
class Dataset:
    """A labelled scene. ``truth`` (h, w) has codes of the legend; 0 without label, or without data in both images.

    ``stream_px`` (h, w), if known, is the width of a stream on its centre line, and 0 elsewhere.
    """

    name: str
    stack: Stack
    truth: NDArray[np.uint16]
    legend: Legend
    simulated: str = ""  # the simulated part, "scene" or "SAR"
    published: bool = False  # whether it is one of the paper
    stream_px: NDArray[np.uint8] | None = None

    def fingerprint(self) -> str:
        """sha256 of images, labels, class names and streams."""
        total = hashlib.sha256(self.stack.fingerprint().encode())
        total.update(self.truth.tobytes())
        total.update("\0".join(self.legend.names).encode())
        total.update(b"" if self.stream_px is None else self.stream_px.tobytes())
        return total.hexdigest()


def open_dataset(name: str, data: Path | None, work: Path) -> Dataset:
    """Open a published data set by its name, or your own by its folder or file.

    Parameters
    ----------
    name : str
        ``augsburg``, ``berlin``, ``yellow-river``, ``lcz-hk``, ``simulated``, ``thin``, a folder with
        ``dataset.toml``, or a TOML file.
    data : Path, optional
        Folder of the published MATLAB files, one folder for each data set; for ``simulated``, real labels and spectra.
    work : Path
        Folder for rasters converted from MATLAB files.

    Raises
    ------
    SettingsError
        The name is unknown, or the description is invalid.
    RasterError, LabelError
        Files are missing, damaged or do not belong together.
    """
    path = check_dataset(name)
    if path is not None:
        return _described(path, work)
    if name == THIN:
        scene = thin_scene(work)
        made = _dataset(name, align(scene.spectral, scene.sar), scene.classes, scene.names, simulated="scene")
        return replace(made, stream_px=scene.stream_px)
    simulated = name == NAME
    spectral, sar, truth = simulated_scene(data, work) if simulated else published_scene(name, data, work)
    classes = PUBLISHED["augsburg" if simulated else name].classes
    names = {str(code): text for code, text in classes.items()}
    made = _dataset(name, align(spectral, sar), truth, names, simulated="scene" if simulated else "")
    return replace(made, published=not simulated)


def check_dataset(name: str) -> Path | None:
    """The description of a data set; None for the published and simulated ones; SettingsError for an unknown name."""
    if name in (*PUBLISHED, NAME, THIN):
        return None
    path = Path(name)
    path = path / DESCRIPTION if path.is_dir() else path
    if not path.is_file():
        near = difflib.get_close_matches(name, PUBLISHED, 1)
        known = f"Use {', '.join([*PUBLISHED, NAME, THIN])}, a folder with {DESCRIPTION} or a TOML file."
        raise SettingsError(
            f'`dataset="{name}"`', "is unknown and not a file", f"Did you mean {near[0]}?" if near else known
        )
    return path


def read_description(path: Path) -> Description:
    """Read ``dataset.toml``; SettingsError if it is not TOML or has unknown or invalid keys."""
    return read_toml(Description, path)


def read_label_raster(path: Path, grid: Grid) -> NDArray[np.uint16]:
    """Class codes (h, w) of a label raster on that grid; 0 where there is no label.

    Raises
    ------
    RasterError
        The file is damaged.
    LabelError
        It is on a different grid, or not a raster of class codes.
    """
    with open_raster(path) as dataset:
        own = grid_of(dataset)
        if not own.same_as(grid):
            raise LabelError(
                path,
                f"is not on the grid of the spectral image ({own.describe()}; the image: {grid.describe()})",
                "Warp it with gdalwarp -r near, or use polygons.",
            )
        codes = read_band(dataset, masked=True)[:: -1 if is_south_up(dataset) else 1]
    if codes.dtype.kind not in "iu":
        raise LabelError(path, f"has pixels of {codes.dtype}, expected integer class codes", "Convert it to integers.")
    labels = np.maximum(np.ma.filled(codes, 0), 0)
    if labels.max() > MAX_CLASSES:
        raise LabelError(
            path,
            f"has class code {labels.max()}, the largest allowed is {MAX_CLASSES}",
            "Renumber the classes, or declare this value as nodata.",
        )
    return labels.astype(np.uint16)


def _described(path: Path, work: Path) -> Dataset:
    description = read_description(path)
    settings = AlignSettings(spectral_offset=description.spectral_offset)
    name = path.parent.name if path.name == DESCRIPTION else path.stem
    spectral = _relative(path, description.spectral)
    if description.sar is None:
        sar: Path | list[Path] = simulated_sar(spectral, work / f"{name}_sar.tif")
    else:
        sar = _relative(path, description.sar)
    stack = align(spectral, sar, settings=settings)
    labels, ignore = path.parent / description.labels, tuple(str(value) for value in description.ignore)
    if description.field:
        pixels = read_labels(labels, description.field, stack.grid, ReadSettings(ignore_class=ignore))
        truth = np.zeros(stack.grid.shape_hw, np.uint16)
        truth[pixels.rows, pixels.cols] = pixels.codes
        names = {str(entry.code): entry.name for entry in pixels.legend.entries}
    else:
        truth, names = read_label_raster(labels, stack.grid), description.names
        truth[np.isin(truth, [int(code) for code in ignore if code.isdecimal()])] = 0
    simulated = "scene" if description.simulated else "SAR" if description.sar is None else ""
    return _dataset(name, stack, truth, names, simulated=simulated)


def _relative(path: Path, source: str | list[str]) -> Path | list[Path]:
    return path.parent / source if isinstance(source, str) else [path.parent / one for one in source]


def _dataset(
    name: str, stack: Stack, codes: NDArray[np.uint16], names: Mapping[str, str], *, simulated: str = ""
) -> Dataset:
    """Build a data set with codes from 1; labels without data in both images are dropped."""
    valid = np.zeros(stack.grid.shape_hw, bool)
    for window in stack.grid.tiles(_READ_PX):
        valid[window.toslices()] = stack.read_valid(window)
    present = np.unique(codes[valid & (codes > 0)])
    if len(present) < 2:
        raise LabelError(
            name,
            f"has labels of {len(present)} classes where both images have data, expected two or more",
            "Check the labels, and the overlap of the images.",
        )
    legend = Legend.from_values(present.tolist(), names)
    truth = np.where(valid & (codes > 0), np.searchsorted(present, codes) + 1, 0).astype(np.uint16)
    return Dataset(name, stack, truth, legend, simulated)
