"""Checks of raster files before pixels are read: format, size, and whether the file is complete.

GDAL opens truncated files, and small files that declare gigabytes of pixels; errors would appear hours later or never.
The limits are far above any scene.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from rasterio.enums import Interleaving
from rasterio.io import DatasetReader

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.other_formats import HEAD_BYTES, described
from landcover_bdgf.progress import log
from landcover_bdgf.storage import check_exists

MAX_SIDE_PX = 1_000_000
MAX_BANDS = 4096
MAX_BLOCK_BYTES = 1 << 30  # GDAL decodes whole blocks
# Largest compression ratio (Deflate reaches 1032); images below the least size are always accepted.
MAX_PACKED, LEAST_PACKED_BYTES = 1100, 1 << 28
MOST_BLOCKS = 200_000  # checked per file, evenly spread

MOST_TEXT_BYTES = 1 << 20  # read from an ENVI header or .aux.xml
_AUX_SAYS = {b"<SRS": "CRS", b"<NoDataValue": "nodata", b"<Scale>": "scale", b"<Offset>": "offset"}

_MAGIC = {
    b"II*\x00": "GTiff", b"MM\x00*": "GTiff", b"II+\x00": "GTiff", b"MM\x00+": "GTiff",
    b"\x00\x00\x00\x0c": "JP2OpenJPEG", b"\xff\x4f\xff\x51": "JP2OpenJPEG",
}  # fmt: skip
_ENVI_COMPRESSION = re.compile(r"file[\s_]+compression[\s_]*=(.*)", re.IGNORECASE)
_CODESTREAM, _END_OF_CODESTREAM = b"\xff\x4f\xff\x51", b"\xff\xd9"  # ISO/IEC 15444-1, A.4


def begins_as_raster(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a GeoTIFF or JPEG 2000; ENVI has no signature."""
    return head[:4] in _MAGIC


def raster_driver(path: Path) -> str:
    """The format of a raster file, by its first bytes or its ENVI header; RasterError if there is none."""
    _check_regular(path)
    try:
        with path.open("rb") as file:
            begin = file.read(HEAD_BYTES)
    except OSError as error:
        raise RasterError(path, f"cannot be read, {error.strerror}", "Check its permissions.") from error
    head = begin[:4]
    if not head:
        raise RasterError(path, "is empty (0 bytes)", "Copy or download it again.")
    header = None if head in _MAGIC else envi_header(path)
    driver = _MAGIC.get(head) or ("ENVI" if header else None)
    if driver is None:
        raise RasterError(path, *described(path, begin))
    if header:
        _check_uncompressed(path, _begin(header).decode("utf-8", "replace"))
    if driver == "JP2OpenJPEG":
        _check_jpeg_2000(path)
    _check_no_mask(path, driver)
    return driver


def _check_no_mask(path: Path, driver: str) -> None:
    """Refuse a mask file next to a raster: GDAL would read it for ENVI, but not here for other formats."""
    masks = [mask for suffix in ("msk", "MSK") if (mask := Path(f"{path}.{suffix}")).exists()]
    if masks and driver == "ENVI":
        problem = f"{masks[0].name} next to it would replace its nodata"
        raise RasterError(path, problem, "Remove it, or write nodata values.")
    if masks:
        raise RasterError(
            path,
            f"has its mask in {masks[0].name}, which is not read",
            "Write it into the file with gdal_translate --config GDAL_TIFF_INTERNAL_MASK YES, or as nodata with "
            "gdalwarp -dstnodata; remove it if it does not belong to this image.",
        )


def envi_header(path: Path) -> Path | None:
    """The header of an ENVI image, if there is one."""
    names = [f"{name}.{suffix}" for name in (path.name, path.stem) for suffix in ("hdr", "HDR")]  # in GDAL's order
    headers = [header for name in names if (header := path.with_name(name)).is_file() and header != path]
    texts = {header: text for header in headers if (text := _begin(header)).startswith(b"ENVI")}
    if len(set(texts.values())) > 1:
        listed = " and ".join(header.name for header in texts)
        raise RasterError(path, f"has headers that differ, {listed}", "Remove those that do not belong to it.")
    return next(iter(texts), None)


def _check_uncompressed(path: Path, header: str) -> None:
    """Refuse compressed ENVI images: their size is unknown, and GDAL writes a file next to them."""
    if any(value.strip() != "0" for value in _ENVI_COMPRESSION.findall(header)):
        problem = "is compressed according to its header (file compression)"
        raise RasterError(path, problem, "Convert it: gdal_translate -of GTiff.")


def _begin(text: Path) -> bytes:
    with text.open("rb") as file:
        return file.read(MOST_TEXT_BYTES)


def check_whole(dataset: DatasetReader, path: Path) -> None:
    """RasterError if a local file is truncated, or an image without pixels or with too many."""
    size = path.stat().st_size
    check_proportions(dataset, str(path), size)
    try:
        _ = dataset.descriptions, dataset.units
    except UnicodeDecodeError as error:
        raise RasterError(
            path,
            "has band names in another encoding than UTF-8",
            "Save its header as UTF-8, or convert it with gdal_translate.",
        ) from error
    ends = {"GTiff": _tiff_end, "ENVI": _envi_end}  # of JPEG 2000, raster_driver has checked the end
    if dataset.driver in ends and size < (end := ends[dataset.driver](dataset)):
        raise RasterError(path, f"is cut off, {size} of at least {end} bytes are there", "Copy or download it again.")


def position_beside(dataset: DatasetReader) -> str:
    """Text about files next to a raster that have its position, but are not read."""
    return _beside(Path(dataset.name), (".tfw", ".tifw", ".wld"), b"<GeoTransform", "is not read")


def unreadable_crs_beside(dataset: DatasetReader) -> str:
    """Text about files next to a raster that should have its CRS, but do not tell it."""
    return _beside(Path(dataset.name), (".prj",), b"<SRS", "tells none")


def _beside(path: Path, suffixes: tuple[str, ...], tag: bytes, what: str) -> str:
    files = [file for suffix in suffixes if (file := path.with_suffix(suffix)).exists()]
    aux_xml = Path(f"{path}.aux.xml")
    files += [aux_xml] if aux_xml.exists() and tag in _begin(aux_xml) else []
    return f" in the file; {', '.join(file.name for file in files)} next to it {what}" if files else ""


def warn_of_aux_xml(path: Path, *, has_crs: bool) -> None:
    """Warn of an ``.aux.xml`` with a CRS, nodata, scale or offset: only the CRS of a file without one is read."""
    aux = Path(f"{path}.aux.xml")
    try:
        if not aux.is_file():  # reading a pipe would not end
            return
        text = _begin(aux)
    except OSError:  # it is not read anyway
        return
    if found := [word for tag, word in _AUX_SAYS.items() if tag in text and (has_crs or word != "CRS")]:
        log.warning(
            "%s: %s contains its %s, which is not read. If it is right, write it into the file: gdal_edit.py, "
            "or gdal_translate to a new one.",
            path, aux.name, ", ".join(found),
        )  # fmt: skip


def check_proportions(dataset: DatasetReader, name: str, size: int | None = None) -> None:
    """RasterError if an image has no pixels or too many; ``size`` is that of the file in bytes, if known."""
    height, width = dataset.shape
    if min(dataset.count, width, height) < 1:
        raise RasterError(name, f"has no pixels ({dataset.count} bands, {width} × {height})")
    if max(width, height) > MAX_SIDE_PX or dataset.count > MAX_BANDS:
        raise RasterError(
            name,
            f"declares {width} × {height} pixels in {dataset.count} band(s); at most {MAX_BANDS} bands and "
            f"{MAX_SIDE_PX} pixels a side are read",
            "Extract the part you need with gdal_translate.",
        )
    block = block_bytes(dataset)
    if block > MAX_BLOCK_BYTES:
        raise RasterError(
            name,
            f"has blocks of {block / 1e9:.1f} GB, which must be decoded at once",
            "Rewrite it in tiles: gdal_translate -co TILED=YES.",
        )
    if size:
        check_packing(name, height * width * sum(pixel_dtype(dtype).itemsize for dtype in dataset.dtypes), size)


def check_packing(name: str, declared: int, size: int, program: str = "gdal_translate") -> None:
    """RasterError if a file of ``size`` bytes declares more bytes of pixels than any codec can compress into it."""
    if declared > max(LEAST_PACKED_BYTES, MAX_PACKED * size):
        raise RasterError(
            name,
            f"declares {declared / 1e9:.1f} GB of pixels but has only {size / 1000:.0f} kB",
            f"If it is that sparse, rewrite it with {program}.",
        )


def pixel_dtype(name: str) -> np.dtype[Any]:
    """NumPy type of a band; complex integers (Sentinel-1 SLC) are read as complex64."""
    return np.dtype("complex64" if name == "complex_int16" else name)


def block_bytes(dataset: DatasetReader) -> int:
    """Bytes of a block of a raster, which GDAL decodes at once."""
    height, width = dataset.block_shapes[0]
    # interleaving of JPEG 2000 is slow to read; its bands are decoded together
    jpeg_2000 = dataset.driver == "JP2OpenJPEG"
    together = dataset.count if jpeg_2000 or dataset.interleaving == Interleaving.pixel else 1
    return int(height * width * pixel_dtype(dataset.dtypes[0]).itemsize * together)


def _check_regular(path: Path) -> None:
    if path.is_dir():
        raise RasterError(path, "is a folder, expected a raster", "Give one of its files.")
    check_exists(path, RasterError)
    if not path.is_file():
        raise RasterError(path, "is not a regular file but a device or pipe", "Give a raster file.")


def _tiff_end(dataset: DatasetReader) -> int:
    """End of the last block in bytes; blocks of nodata may be missing."""
    height, width = dataset.block_shapes[0]
    down, across = math.ceil(dataset.height / height), math.ceil(dataset.width / width)
    bands = 1 if dataset.interleaving == Interleaving.pixel else dataset.count
    total, end = bands * down * across, 0
    for number in {*range(0, total, math.ceil(total / MOST_BLOCKS)), total - 1}:
        band, place = divmod(number, down * across)
        row, col = divmod(place, across)
        offset, length = (
            dataset.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", bidx=band + 1) for what in ("OFFSET", "SIZE")
        )
        end = max(end, int(offset or 0) + int(length or 0))
    return end


def _envi_end(dataset: DatasetReader) -> int:
    offset = dataset.tags(ns="ENVI").get("header_offset", "0")
    pixels = math.prod(dataset.shape) * dataset.count * pixel_dtype(dataset.dtypes[0]).itemsize
    return pixels + (int(offset) if re.fullmatch("[0-9]{1,18}", offset) else 0)


def _check_jpeg_2000(path: Path) -> None:
    """Refuse a JPEG 2000 file whose boxes or codestream are truncated: decoders accept it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) == _CODESTREAM:
            ends = [size]
        else:
            ends = [end for kind, end in _boxes(file, path, size) if kind == b"jp2c"]
        for end in ends:
            file.seek(end - 2)
            if file.read(2) != _END_OF_CODESTREAM:
                raise RasterError(path, "is cut off, the end of its pixels is missing", "Copy or download it again.")


def _boxes(file: IO[bytes], path: Path, size: int) -> Iterator[tuple[bytes, int]]:
    """Kind and end of each top-level box (ISO/IEC 15444-1, annex I)."""
    place = 0
    while place + 8 <= size:
        file.seek(place)
        head = file.read(16).ljust(16, b"\0")
        length, kind = struct.unpack(">I", head[:4])[0], head[4:8]
        if length == 1:
            length = struct.unpack(">Q", head[8:])[0]
        end = place + length if length else size  # 0: to the end of the file
        if end < place + 8:
            raise RasterError(path, f"is damaged, its box at byte {place} has no size", "Copy or download it again.")
        if end > size:
            raise RasterError(path, f"is cut off, {size} of {end} bytes are there", "Copy or download it again.")
        yield kind, end
        place = end
