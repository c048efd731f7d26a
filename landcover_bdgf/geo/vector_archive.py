"""A zip archive with one vector file, unpacked into a temporary folder."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo.archive import extract, members, opened
from landcover_bdgf.text import listed

_VECTORS = (".shp", ".gpkg", ".geojson", ".geojsonl", ".fgb", ".kml", ".sqlite")
_PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The one vector file in a zip archive, with the other files of a Shapefile; removed at the end of the block.

    Raises
    ------
    LabelError
        If the archive is damaged, or holds no vector file or several. Errors within the block about the unpacked file
        are raised as errors of the archive.
    """
    with tempfile.TemporaryDirectory() as folder:
        with opened(path, LabelError) as archive:
            file = _unpack(path, archive, Path(folder))
        try:
            yield file
        except LabelError as error:
            if error.path is None or not Path(error.path).is_relative_to(folder):
                raise
            raise LabelError(path, f"{Path(error.path).name} in it: {error.problem}", error.remedy) from error


def _unpack(path: Path, archive: zipfile.ZipFile, folder: Path) -> Path:
    files = members(archive)
    found = {name: [name] for name in (m.filename for m in files) if _suffix(name) in _VECTORS}
    for member in files:
        if _suffix(member.filename) == ".gdbtable":
            home = PurePosixPath(member.filename).parent
            found[f"{home}/"] = [m.filename for m in files if PurePosixPath(m.filename).parent == home]
    if not found:  # with others, it may be a description of them
        found = {m.filename: [m.filename] for m in files if _suffix(m.filename) == ".json"}
    if not found:
        raise LabelError(path, "is an archive without a vector file", "Give a file of labels.")
    if len(found) > 1:
        raise LabelError(
            path, f"is an archive of {len(found)} vector files, {listed(sorted(found))}", "Unpack it and give one."
        )
    chosen, taken = next(iter(found.items()))
    if _suffix(chosen) == ".shp":
        taken = [m.filename for m in files if m.filename[:-4] == chosen[:-4] and _suffix(m.filename) in _PARTS]
    if chosen == "./":  # a File Geodatabase without its folder, which GDAL knows by its ending
        folder /= f"{path.stem}.gdb"
        folder.mkdir()
    written = extract(path, archive, [m for m in files if m.filename in taken], folder, LabelError)
    if chosen.endswith("/"):
        return written[0].parent
    return next(file for file in written if file.name == PurePosixPath(chosen).name)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
