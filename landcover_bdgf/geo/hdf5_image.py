"""Hyperspectral products in HDF5 and netCDF-4: PRISMA level 2D and EMIT, read with h5py on a north-up grid.

GDAL's HDF5 and netCDF drivers are not used: links and external storage in such a file would let them read other files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, Interleaving, MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.other_formats import HEAD_BYTES, described
from landcover_bdgf.geo.raster_checks import check_packing, check_proportions

HDF5 = b"\x89HDF\r\n\x1a\n"
PRISMA, L2D = "HDFEOS/SWATHS", "PRS_L2D_HCO"
PRISMA_PIXEL_M, PRISMA_STEPS = 30.0, 65535  # of reflectance between the minimum and the maximum of a cube
BLOCK_ROWS = 64  # read at once to estimate memory
DAMAGED = "Copy or download it again."


@dataclass
class Hdf5Image:
    """An image with those properties of rasterio's datasets that the program uses; tags as in an ENVI header."""

    name: str
    file: Any  # h5py.File
    crs: CRS
    transform: Affine
    shape: tuple[int, int]
    wavelengths_nm: Sequence[float]
    good: Sequence[bool]
    descriptions: tuple[str, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    dtype: str
    nodata: float | None
    day: str
    read_part: Callable[[Window], NDArray[Any]]  # (bands, h, w)
    mask_part: Callable[[Window], NDArray[np.bool_]] | None = None  # (h, w)
    driver = "HDF5"
    interleaving = Interleaving.pixel
    gcps: tuple[tuple[()], None] = ((), None)
    rpcs = None
    subdatasets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.height, self.width = self.shape
        self.count = len(self.wavelengths_nm)
        self.indexes = tuple(range(1, self.count + 1))
        self.files = [self.name]
        self.dtypes, self.nodatavals = (self.dtype,) * self.count, (self.nodata,) * self.count
        self.units, self.colorinterp = ("",) * self.count, (ColorInterp.undefined,) * self.count
        self.block_shapes = [(min(BLOCK_ROWS, self.height), self.width)] * self.count
        flag = MaskFlags.per_dataset if self.mask_part else MaskFlags.all_valid
        self.mask_flag_enums = ((flag,),) * self.count

    def tags(self, index: int = 0, ns: str | None = None) -> dict[str, str]:
        """Wavelengths, and bands that are good, in the words of ENVI headers."""
        if index or ns:
            return {}
        listed = ", ".join(f"{nm:.7g}" for nm in self.wavelengths_nm)
        good = ", ".join(str(int(one)) for one in self.good)
        tags = {"wavelength": f"{{{listed}}}", "wavelength_units": "Nanometers", "bbl": f"{{{good}}}"}
        return tags | ({"acquisition_date": self.day} if self.day else {})

    def read(self, indexes: Sequence[int], *, window: Window) -> NDArray[Any]:
        """Values (bands, h, w) of a window."""
        return np.ascontiguousarray(self._part(self.read_part, window)[np.array(indexes) - 1])

    def read_masks(self, indexes: Sequence[int], *, window: Window) -> NDArray[Any]:
        """Masks (bands, h, w) of a window."""
        assert self.mask_part is not None  # by mask_flag_enums
        mask = self._part(self.mask_part, window).astype(np.uint8) * np.uint8(255)
        return np.broadcast_to(mask, (len(indexes), *mask.shape))

    def _part(self, read: Callable[[Window], NDArray[Any]], window: Window) -> NDArray[Any]:
        try:
            return read(window)
        except (OSError, ValueError, IndexError) as error:
            raise RasterError(self.name, f"is damaged near row {window.row_off}", DAMAGED) from error

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def __enter__(self) -> Hdf5Image:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def is_hdf5(path: Path) -> bool:
    """Whether a file begins as HDF5."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(HDF5)) == HDF5


def open_hdf5(path: Path) -> DatasetReader:
    """Open a product of PRISMA or EMIT.

    Raises
    ------
    RasterError
        If the file is of another product or level, or damaged; or if h5py is missing.
    """
    try:
        import h5py
    except ImportError as error:
        raise RasterError(path, "is HDF5, which needs h5py", "Install it with pip install h5py.") from error
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise RasterError(path, "is a damaged HDF5 file", DAMAGED) from error
    try:
        image = _product(path, file)
        check_proportions(cast(DatasetReader, image), str(path))
    except Exception as error:
        file.close()
        if isinstance(error, RasterError):
            raise
        # h5py raises many types for files that lack something
        raise RasterError(path, f"lacks a part of its product ({error})", DAMAGED) from error
    return cast(DatasetReader, image)


def _product(path: Path, file: Any) -> Hdf5Image:
    swaths = list(_inside(path, file, PRISMA)) if "HDFEOS" in file and PRISMA in file else []
    if L2D in swaths:
        return _prisma(path, file)
    if level := next((name[4:7].strip("_") for name in swaths if name.startswith("PRS_L")), None):
        remedy = "Give the level 2D product, which is orthorectified."
        raise RasterError(path, f"is PRISMA level {level.removeprefix('L')}, which is on no map grid", remedy)
    if {"location", "reflectance"} <= set(file) and "geotransform" in file.attrs:
        return _emit(path, file)
    if "location" in file and "geotransform" in file.attrs:
        problem = f"is an EMIT product without reflectance, but {', '.join(list(file)[:5])}"
        raise RasterError(path, problem, "Give its L2A file EMIT_L2A_RFL_….nc.")
    with path.open("rb") as begin:
        raise RasterError(path, *described(path, begin.read(HEAD_BYTES)))


def _inside(path: Path, file: Any, place: str) -> Any:
    """A group or dataset that is in the file itself, where the first one is not a link to another file."""
    import h5py

    found = file
    for name in place.split("/"):
        if not isinstance(found.get(name, getlink=True), h5py.HardLink):
            raise RasterError(path, f"has no {place} of its own", DAMAGED)
        found = found[name]
    if isinstance(found, h5py.Dataset):
        if found.external or found.is_virtual:
            raise RasterError(path, f"keeps its {place} in other files", "Give a product as delivered.")
        check_packing(str(path), found.nbytes, path.stat().st_size, "h5repack")
    return found


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _prisma(path: Path, file: Any) -> Hdf5Image:
    """PRISMA L2D: cubes of (row, band, column) with descending wavelengths, 16-bit steps between two reflectances."""
    cubes = {kind: _inside(path, file, f"{PRISMA}/{L2D}/Data Fields/{kind.upper()}_Cube") for kind in ("Vnir", "Swir")}
    bands = [  # wavelength, whether it is good, cube, place in the cube
        (float(nm), bool(flag) and nm > 0, kind, at)
        for kind in cubes
        for at, (nm, flag) in enumerate(
            zip(file.attrs[f"List_Cw_{kind}"], file.attrs[f"List_Cw_{kind}_Flags"], strict=True)
        )
    ]
    rows, columns = cubes["Vnir"].shape[0], cubes["Vnir"].shape[2]
    counts = {kind: sum(band[2] == kind for band in bands) for kind in cubes}
    if any(cube.shape != (rows, counts[kind], columns) for kind, cube in cubes.items()):
        shapes = " and ".join(str(cube.shape) for cube in cubes.values())
        raise RasterError(path, f"has cubes of {shapes}, expected (row, band, column) of one size", DAMAGED)
    _check_rows_run_south(path, file)
    places = [at + (counts["Vnir"] if kind == "Swir" else 0) for *_, kind, at in bands]
    order = sorted(range(len(bands)), key=lambda number: bands[number][0])
    stored = np.array([places[number] for number in order])
    ends = {kind: [float(file.attrs[f"L2Scale{kind}{end}"]) for end in ("Min", "Max")] for kind in cubes}
    kinds = [bands[number][2] for number in order]

    def read(window: Window) -> NDArray[Any]:
        part = (window.toslices()[0], slice(None), window.toslices()[1])
        both = np.concatenate([cubes["Vnir"][part], cubes["Swir"][part]], axis=1)
        return both.transpose(1, 0, 2)[stored]

    def inside(window: Window) -> NDArray[np.bool_]:  # outside the strip all bands are 0; in shadow, some may be
        row, column = window.toslices()
        return np.asarray((cubes["Vnir"][row, :, column] != 0).any(axis=1))

    return Hdf5Image(
        name=str(path),
        file=file,
        crs=CRS.from_epsg(int(file.attrs["Epsg_Code"])),
        transform=_prisma_transform(path, file, (rows, columns)),
        shape=(rows, columns),
        wavelengths_nm=[bands[number][0] for number in order],
        good=[bands[number][1] for number in order],
        descriptions=tuple(f"{bands[number][2].upper()} {bands[number][3] + 1}" for number in order),
        scales=tuple((ends[kind][1] - ends[kind][0]) / PRISMA_STEPS for kind in kinds),
        offsets=tuple(ends[kind][0] for kind in kinds),
        dtype=cubes["Vnir"].dtype.name,
        nodata=None,
        day=_text(file.attrs.get("Product_StartTime", b""))[:10],
        read_part=read,
        mask_part=inside,
    )


def _check_rows_run_south(path: Path, file: Any) -> None:
    """Refuse a cube whose rows are not those of the map, by the latitude of its pixels."""
    latitude = _inside(path, file, f"{PRISMA}/{L2D}/Geolocation Fields/Latitude")
    middle = latitude.shape[1] // 2
    if not latitude[0, middle] > latitude[-1, middle]:
        problem = "its rows do not run from north to south"
        raise RasterError(path, problem, "Convert it to GeoTIFF with the EnMAP-Box of QGIS.")


def _prisma_transform(path: Path, file: Any, shape_hw: tuple[int, int]) -> Affine:
    """Pixels of 30 m from the upper left corner; the corners are those of the image, or centres of its outer pixels."""
    east, north = (
        [float(file.attrs[f"Product_{at}corner_{axis}ing"]) for at in ("UL", "LR")] for axis in ("east", "north")
    )
    across = [(east[1] - east[0]) / PRISMA_PIXEL_M, (north[0] - north[1]) / PRISMA_PIXEL_M]
    missing = [size - steps for size, steps in zip(reversed(shape_hw), across, strict=True)]
    if max(abs(each - round(each)) for each in missing) > 0.01 or {round(each) for each in missing} not in ({0}, {1}):
        problem = f"its corners are {across[0]:.6g} × {across[1]:.6g} pixels of 30 m apart, it has {shape_hw[::-1]}"
        raise RasterError(path, problem, "Convert it to GeoTIFF with the EnMAP-Box of QGIS.")
    half = PRISMA_PIXEL_M / 2 * round(missing[0])
    return Affine(PRISMA_PIXEL_M, 0, east[0] - half, 0, -PRISMA_PIXEL_M, north[0] + half)


def _emit(path: Path, file: Any) -> Hdf5Image:
    """EMIT L2A: a swath (row, column, band), and for each pixel of a map grid its row and column, from 1, or 0."""
    swath, rows, columns = (_inside(path, file, place) for place in ("reflectance", "location/glt_y", "location/glt_x"))
    wavelengths, good = (
        _inside(path, file, f"sensor_band_parameters/{word}")[()] for word in ("wavelengths", "good_wavelengths")
    )
    left, step_x, turn_x, top, turn_y, step_y = map(float, file.attrs["geotransform"])
    nodata = float(np.ravel(swath.attrs.get("_FillValue", -9999))[0])

    def read(window: Window) -> NDArray[Any]:
        row, column = (table[window.toslices()].astype(np.int64) - 1 for table in (rows, columns))
        seen = (row >= 0) & (column >= 0)
        values = np.full((len(wavelengths), *seen.shape), nodata, swath.dtype)
        if seen.any():
            row, column = row[seen], column[seen]
            part = swath[row.min() : row.max() + 1, column.min() : column.max() + 1]
            values[:, seen] = part[row - row.min(), column - column.min()].T
        return values

    return Hdf5Image(
        name=str(path),
        file=file,
        crs=CRS.from_user_input(_text(file.attrs["spatial_ref"])),
        transform=Affine(step_x, turn_x, left, turn_y, step_y, top),
        shape=rows.shape,
        wavelengths_nm=[float(nm) for nm in wavelengths],
        good=[bool(one) for one in good],
        descriptions=tuple(f"band {number}" for number in range(1, len(wavelengths) + 1)),
        scales=(1.0,) * len(wavelengths),
        offsets=(0.0,) * len(wavelengths),
        dtype=swath.dtype.name,
        nodata=nodata,
        day=_text(file.attrs.get("time_coverage_start", b""))[:10],
        read_part=read,
    )
