"""The paper's four data sets from the MATLAB files they were published in, versions 5 and 7.3."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.windows import Window

from landcover_bdgf.errors import LabelError, RasterError, SettingsError
from landcover_bdgf.geo import Grid, RasterProfile, check_packing, read_in_worker, write_raster
from landcover_bdgf.progress import log
from landcover_bdgf.storage import digest

try:
    import h5py
except ImportError:
    h5py = None

# MATLAB files have no georeference. Rasters made from them get this one, and a tag that says so.
NOWHERE = CRS.from_epsg(32632)
HDF5 = b"\x89HDF\r\n\x1a\n"
HDF5_AT = 512  # after MATLAB's own header


@dataclass(frozen=True)
class Published:
    """A published data set: its files, shape and bands (section 4.1 of the paper), and labelled pixels (Table 1)."""

    spectral: str
    sar: str
    shape_hw: tuple[int, int]
    bands: int
    sar_bands: int
    pixel_m: float
    classes: Mapping[int, str]
    counts: tuple[int, ...]  # labelled pixels of each class
    place: str  # where it is published
    train: str = "TrainImage"
    test: str = "TestImage"

    @property
    def files(self) -> tuple[str, ...]:
        """Names without ``.mat``; each file contains one array of the same name."""
        return (self.spectral, self.sar, self.train, self.test)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of the array in each file."""
        images = (*self.shape_hw, self.bands), (*self.shape_hw, self.sar_bands)
        return dict(zip(self.files, (*images, self.shape_hw, self.shape_hw), strict=True))

    def layout(self) -> str:
        """Files and their sizes in pixels and bands, and where they are published."""
        files = ", ".join(f"{name}.mat ({_size(shape)})" for name, shape in self.shapes.items())
        return f"{files} in one folder; published by {self.place}"


def _size(shape: Iterable[int]) -> str:
    return " × ".join(map(str, shape))


def _classes(text: str) -> dict[int, str]:
    return dict(enumerate(text.split(", "), 1))


_S2FL = "Hong et al. 2021, https://github.com/danfenghong/ISPRS_S2FL"
PUBLISHED = {
    "augsburg": Published(
        "data_HS_LR", "data_SAR_HR", (332, 485), 180, 4, 30,
        _classes("Forest, Residential Area, Industrial Area, Low Plants, Allotment, Commercial Area, Water"),
        (13_507, 30_329, 3_851, 26_857, 575, 1_645, 1_530), _S2FL,
    ),
    # 1723 × 476, not the 797 × 220 that the paper prints: that has fewer pixels than labels
    "berlin": Published(
        "data_HS_LR", "data_SAR_HR", (1723, 476), 244, 4, 30,
        _classes("Forest, Residential Area, Industrial Area, Low Plants, Soil, Allotment, Commercial Area, Water"),
        (54_954, 268_642, 19_566, 59_282, 17_426, 13_305, 24_824, 6_672), _S2FL,
    ),
    # Two SAR bands: so the costs of the paper and of MSFMamba imply (decision 25)
    "yellow-river": Published(
        "data_HS_LR", "data_SAR_HR", (960, 1170), 166, 2, 30,
        _classes("Spartina Alterniflora, Suaeda Salsa, Tamarix Forest, Tidal Creek, Mudflat"),
        (39_784, 118_213, 35_216, 15_673, 24_592),
        "Gao et al. 2022, probably doi:10.3390/rs14040850, without an address that we know; the paper's authors say "
        "that their data are at https://github.com/HaoLiu-XDU/BDGF",
    ),
    "lcz-hk": Published(
        "LCZ_MS", "LCZ_SAR", (529, 528), 10, 4, 100,
        _classes(
            "Compact High-rise, Compact Mid-rise, Compact Low-rise, Open High-rise, Open Mid-rise, Open Low-rise, "
            "Large Low-rise, Heavy Industry, Dense Trees, Scattered Trees, Bush and Scrub, Low Plants, Water"
        ),
        (631, 179, 326, 673, 126, 120, 137, 219, 1_616, 540, 691, 985, 2_603),
        "Hong et al. 2020, doi:10.1109/TGRS.2020.3016820, who send it on request",
    ),
}  # fmt: skip


def published_scene(name: str, data: Path | None, work: Path) -> tuple[Path, Path, NDArray[np.uint16]]:
    """Write the two images as rasters to ``work``; returns them with all labels, training and test together.

    Returns
    -------
    spectral, sar : Path
        GeoTIFFs without a real georeference.
    labels : uint16 (h, w)
        Classes from 1 in the order of Table 1; 0 = none.

    Raises
    ------
    SettingsError
        ``data`` is None.
    RasterError, LabelError
        A file is missing, cannot be read, or is not of the published shape.
    """
    published = PUBLISHED[name]
    if data is None:
        remedy = f"Files: {published.layout()}."
        raise SettingsError(f"`dataset={name}`", f"needs `data`, the folder of {name} or the one above it", remedy)
    folder = _folder(name, data)
    arrays = {stem: _array(folder, stem, published) for stem in published.files}
    labels = _labels(folder, published, arrays[published.train], arrays[published.test])
    if problem := _unlike(published, labels):
        log.warning("%s: %s. Results are not comparable with the paper", folder, problem)
    images = []
    for stem, bands in ((published.spectral, published.bands), (published.sar, published.sar_bands)):
        cube = arrays[stem] if arrays[stem].ndim == 3 else arrays[stem][..., None]
        if cube.shape[2] != bands:
            log.warning("%s: %d bands, published were %d", folder / f"{stem}.mat", cube.shape[2], bands)
        if cube.shape[:2] != labels.shape:
            raise RasterError(
                f"{folder / stem}.mat",
                f"is {cube.shape[0]} × {cube.shape[1]} px, its labels {labels.shape[0]} × {labels.shape[1]}",
                "Take all files from one data set.",
            )
        images.append(_as_raster(cube, work / name / f"{stem}.tif", published.pixel_m))
    return images[0], images[1], labels


@dataclass(frozen=True)
class PublishedFiles:
    """The files of a published data set in a folder.

    ``files`` are their paths, with what is wrong with each, None if it is as published; ``labels`` is what is wrong
    with the numbers of labels, if both files of labels can be read.
    """

    dataset: str
    place: str
    files: dict[str, str | None]
    labels: str | None

    def lines(self) -> list[str]:
        """Text for a terminal."""
        published = PUBLISHED[self.dataset]
        sizes = map(_size, published.shapes.values())
        files = [
            f"  {path}, {size}: {problem or 'as published'}"
            for (path, problem), size in zip(self.files.items(), sizes, strict=True)
        ]
        return [f"{self.dataset}: published by {self.place}", *files, *([f"  {self.labels}"] if self.labels else [])]


def published_files(data: Path) -> list[PublishedFiles]:
    """Look for all published data sets in a folder, and read their files; or for that whose files it has itself."""
    found = [_published_files(name, _folder(name, data)) for name in PUBLISHED]
    itself = [one for one in found if None in one.files.values()]  # as published
    return found if any((data / name).is_dir() for name in PUBLISHED) else itself or found


def _published_files(name: str, folder: Path) -> PublishedFiles:
    published, files, labels, problem = PUBLISHED[name], {}, [], None
    for stem, shape in published.shapes.items():
        said = None
        try:
            found = _array(folder, stem, published)
        except RasterError as error:
            said = error.problem
        else:
            if found.shape not in (shape, (*shape, 1)):
                said = f"is {_size(found.shape)}"
            if stem in (published.train, published.test):
                labels.append(found)
        files[str(folder / f"{stem}.mat")] = said
    if len(labels) == 2:
        try:
            problem = _unlike(published, _labels(folder, published, *labels))
        except LabelError as error:
            problem = error.problem
    return PublishedFiles(name, published.place, files, problem)


def _folder(name: str, data: Path) -> Path:
    """``data/name``; or ``data`` if it has files of that data set itself."""
    itself = any((data / f"{stem}.mat").is_file() for stem in PUBLISHED[name].files)
    return data if itself and not (data / name).is_dir() else data / name


def read_matlab(path: Path, name: str) -> NDArray[Any]:
    """The array of that name in a MATLAB file of version 5 or 7.3, or its only array.

    Raises
    ------
    RasterError
        The file cannot be read, or lacks the array.
    """
    if not _is_hdf5(path):
        return _read_mat5(path, name)
    try:
        arrays = _read_hdf5(path)
    except RasterError:
        raise
    except Exception as error:  # h5py raises many kinds of errors for damaged files
        raise _unreadable(path, str(error)) from error
    numbers = {key: value for key, value in arrays.items() if value.ndim >= 2 and value.dtype.kind in "iuf"}
    if name in numbers:
        return numbers[name]
    if len(numbers) != 1:
        raise _no_array(path, name, numbers)
    return next(iter(numbers.values()))


def _read_mat5(path: Path, name: str) -> NDArray[Any]:
    about, arrays = read_in_worker(
        path, "matlab", RasterError, "Save only the array that is needed.", name=os.fspath(path), array=name
    )
    if "error" in about:
        raise _unreadable(path, about["error"][1])
    if not arrays:
        raise _no_array(path, name, about["names"])
    return arrays[0]


def _unreadable(path: Path, said: str) -> RasterError:
    return RasterError(path, f"cannot be read as a MATLAB file: {said}", "Copy it again.")


def _no_array(path: Path, name: str, names: Iterable[str]) -> RasterError:
    return RasterError(path, f"has no array {name}, found {', '.join(sorted(names)) or 'none'}", "Rename it.")


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(HDF5_AT + len(HDF5))
    return HDF5 in (head[: len(HDF5)], head[HDF5_AT:])


def _read_hdf5(path: Path) -> dict[str, NDArray[Any]]:
    if h5py is None:
        raise RasterError(path, "is of MATLAB 7.3, which needs h5py: pip install h5py")
    with h5py.File(path, "r") as file:  # MATLAB stores axes in reverse order
        own = (key for key in file if isinstance(file.get(key, getlink=True), h5py.HardLink))
        found = {key: file[key] for key in own if isinstance(file[key], h5py.Dataset)}
        # Links and external data sets would read other files.
        within = {key: value for key, value in found.items() if not (value.external or value.is_virtual)}
        declared = sum(value.nbytes for value in within.values())
        check_packing(str(path), declared, path.stat().st_size, "MATLAB")
        return {key: value[()].T for key, value in within.items()}


def _array(folder: Path, stem: str, published: Published) -> NDArray[Any]:
    path = folder / f"{stem}.mat"
    if not path.is_file():
        raise RasterError(path, "is missing", f"Files: {published.layout()}.")
    return read_matlab(path, stem)


def _labels(folder: Path, published: Published, train: NDArray[Any], test: NDArray[Any]) -> NDArray[np.uint16]:
    if train.shape != test.shape or train.ndim != 2:
        raise LabelError(
            folder,
            f"{published.train}.mat is {train.shape}, {published.test}.mat {test.shape}",
            "They must have the same shape.",
        )
    labels = np.maximum(train, test)
    if len(strange := np.setdiff1d(labels, [0, *published.classes])):
        raise LabelError(folder, f"has class {strange[0]:g}, the data set has 1 to {len(published.classes)}")
    return labels.astype(np.uint16)


def _unlike(published: Published, labels: NDArray[np.uint16]) -> str | None:
    """In which way labels differ from those of Table 1."""
    if labels.shape != published.shape_hw:
        return f"{_size(labels.shape)} px; published were {_size(published.shape_hw)}"
    counts = np.bincount(labels.ravel(), minlength=len(published.counts) + 1)[1:]
    for (_, name), count, known in zip(published.classes.items(), counts, published.counts, strict=True):
        if count != known:
            return f"{count} labels of {name}; published were {known}"
    return None


def _as_raster(cube: NDArray[Any], path: Path, pixel_m: float) -> Path:
    """Write (h, w, bands) as a GeoTIFF, unless it exists."""
    pixels = np.ascontiguousarray(cube.transpose(2, 0, 1), np.float32)
    mark = digest({"pixels": pixels})
    path = path.with_name(f"{path.stem}_{mark[:12]}.tif")
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        grid = Grid(NOWHERE, Affine(pixel_m, 0, 500_000, 0, -pixel_m, 5_000_000), cube.shape[:2])
        tags = {"GEOREFERENCE": "none, made from a MATLAB file"}
        profile = RasterProfile("float32", len(pixels), overviews="average", tags=tags)
        write_raster(path, grid, [(Window(0, 0, cube.shape[1], cube.shape[0]), pixels)], profile=profile)
    return path
