"""The files that a step writes: declared once, checked before any work, locked, published whole."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from landcover_bdgf.errors import OutputError, opening
from landcover_bdgf.storage.atomic import draft_folder, drafts, publish, remove_abandoned, short_name
from landcover_bdgf.storage.paths import PathLike
from landcover_bdgf.text import printable

# What is written, by its extension; and extensions by which users and programs know other formats.
WRITTEN = {".tif": "GeoTIFF", ".gpkg": "GeoPackage", ".safetensors": "safetensors file", ".csv": "CSV file"}
_OTHERS_TEXT = """
    .tif .tiff .gpkg .safetensors .png .jpg .jpeg .jp2 .j2k .jxl .gif .bmp .webp .svg .pdf .img .ige .dat .raw .bsq .bil
    .bip .hdr .ers .pix .rst .vrt .nc .nc4 .h5 .hdf .hdf5 .he5 .grd .grb .grib .grib2 .asc .xyz .dem .ecw .sid .mbtiles
    .zarr .npy .npz .mat .shp .shx .dbf .prj .geojson .json .xml .kml .kmz .gml .gpx .fgb .parquet .gdb .sqlite .db .csv
    .txt .xls .xlsx .html .htm .qgz .qgs .qml .zip .gz .tgz .tar .7z .py .ipynb .toml
"""
_OTHERS = frozenset(_OTHERS_TEXT.split())


@dataclass(frozen=True)
class Product:
    """An output and its companion files; declared by the package that writes it.

    Attributes
    ----------
    path : Path
        The file or folder that the user names.
    companions : tuple of Path
        Files published together with it.
    scratch : tuple of Path
        Files that exist while it is written, and remain after an interrupted run.
    contents : tuple of str
        If it is a folder: names of its files, the main one first.
    extension : str
        The usual one of its format, a key of ``WRITTEN``; extensions of other formats are refused, and for a GeoTIFF
        all but ``.tif`` and ``.tiff``. Any if empty.
    shared : bool
        Whether several runs may write it at the same time, each with its own scratch files: parts of a map.
    """

    path: Path
    companions: tuple[Path, ...] = ()
    scratch: tuple[Path, ...] = ()
    contents: tuple[str, ...] = ()
    extension: str = ""
    shared: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that may be written."""
        return (self.path, *self.companions, *self.scratch, *(self.path / name for name in self.contents))

    @property
    def begun(self) -> bool:
        """Whether an interrupted run left scratch files, or a folder without its main file."""
        if self.contents:
            return not _exists(self.path / self.contents[0])
        return any(_exists(file) for file in self.scratch)


@opening(OutputError)
def check(*products: Product, inputs: Iterable[PathLike] = (), overwrite: bool = False, resume: bool = False) -> None:
    """Refuse outputs that cannot be written, before any work is done.

    Parameters
    ----------
    products : Product
        All outputs of a command.
    inputs : iterable of paths
        Files that the command reads. They must not be written, not even through a link.
    overwrite : bool
        Whether existing files may be replaced.
    resume : bool
        Whether scratch files, and all others but the main one, may be replaced after an interrupted run.

    Raises
    ------
    OutputError
        A file exists, is an input, a device or a pipe, or belongs to two products; its folder is missing or
        read-only; its name is too long, not in UTF-8, or that of another format; a folder contains other files.
    """
    files = [file for product in products for file in product.files]
    for file in files:
        if files.count(file) > 1:
            raise OutputError(file, "is also the name of a companion file that bdgf writes", "Use another extension.")
    read = [Path(file) for file in inputs if os.path.isfile(file)]
    for product in products:
        os.fspath(product.path).encode()  # GDAL needs UTF-8, and would fail only at the end
        _check_extension(product)
        _check_regular(product.path)
        if product.contents:
            _check_folder(product, overwrite or (resume and product.begun))
        elif product.path.is_dir():
            raise OutputError(product.path, "is a folder", "Give the name of a file.")
        else:
            _check_parent(product.path, product.path.parent)
            _check_ending(product)
        begun = resume and product.begun
        for file in filter(_exists, product.files):
            _check_regular(file)
            if file.is_dir() and file not in (product.path, *product.scratch):
                problem = "is a folder, but a file of this name belongs to the output"
                raise OutputError(file, problem, "Rename one of them.")
            if any(file.exists() and file.samefile(other) for other in read):
                raise OutputError(file, "is one of the inputs", "Choose another name.")
            if overwrite or product.contents or (begun and file != product.path):
                continue
            if file in product.scratch:
                remedy = "Continue it with `resume` if it was this run; else choose another name, or `overwrite` it."
                raise OutputError(file, "was left by an interrupted run", remedy)
            problem = "exists already" + (", so there is nothing to resume" if resume and not begun else "")
            raise OutputError(file, problem, "Choose another name, or allow it with `overwrite`.")


def _check_extension(product: Product) -> None:
    """Refuse names by which other programs would take the output for another format."""
    path, extension = product.path, product.path.suffix.lower()
    own = {product.extension, ".tiff" if product.extension == ".tif" else ""}
    if product.contents and extension in _OTHERS and not path.exists():
        raise OutputError(
            path, f"a folder is written, and {extension} is the extension of a file", f"Name it {path.stem}."
        )
    if product.extension and extension in _OTHERS - own:
        problem = f"a {WRITTEN[product.extension]} is written, and {extension} is the extension of another format"
        raise OutputError(path, problem, f"Name it {path.stem}{product.extension}.")


def _check_ending(product: Product) -> None:
    """Refuse a GeoTIFF without its usual extension, by which QGIS and the names of companion files go."""
    path = product.path
    if product.extension == ".tif" and path.suffix.lower() not in (".tif", ".tiff"):
        raise OutputError(path, "does not end in .tif or .tiff", f"Name it {path.name}.tif.")


def _check_regular(file: Path) -> None:
    """Refuse devices, pipes and streams, which root could replace."""
    if (_exists(file) and file.exists() and not (file.is_file() or file.is_dir())) or _is_stream(file):
        raise OutputError(file, "is not a regular file but a device or pipe", "Give the name of a file.")


def _is_stream(path: Path) -> bool:
    """Whether a path is an open file of the process, such as /dev/stdout or /dev/fd/3."""
    leads_to = os.readlink(path) if path.is_symlink() else ""
    return any(place.startswith("/proc/") for place in (leads_to, os.path.realpath(path.parent) + "/"))


def _check_parent(path: Path, home: Path) -> None:
    """Check that ``home`` is a folder in which files can be created."""
    if not path.parent.is_dir():
        raise OutputError(path, f"the folder {path.parent} does not exist", "Create it first.")
    if not os.access(home, os.W_OK | os.X_OK):
        raise OutputError(path, f"the folder {home} is read-only", "Choose another.")


def _check_folder(product: Product, overwrite: bool) -> None:
    path = product.path.absolute()
    if os.path.lexists(path) and not path.is_dir():
        raise OutputError(path, "is a file, a report is a folder", "Choose another name.")
    _check_parent(path, path if path.is_dir() else path.parent)
    names = sorted(child.name for child in path.iterdir()) if path.is_dir() else []
    names = [name for name in names if not name.startswith(f".{product.contents[0]}.")]  # drafts and locks
    foreign = [name for name in names if name not in product.contents]
    if foreign:
        raise OutputError(
            path, f"contains other files ({printable(foreign[0])})", "Choose a folder for the report alone."
        )
    if names and not overwrite:
        raise OutputError(path, "already contains a report", "Choose another name, or allow it with `overwrite`.")


def _exists(path: Path) -> bool:
    """Whether there is a file or a link, even a broken one; OSError for a name that is too long."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


@contextmanager
def reserved(*products: Product) -> Iterator[None]:
    """Lock outputs during the block, and remove drafts of killed runs; OutputError if another run writes one."""
    files = [file for p in products for file in (p.scratch if p.shared else (p.path, *p.companions, *p.scratch))]
    with ExitStack() as stack:
        for file in dict.fromkeys(files):
            stack.enter_context(_locked(file))
            remove_abandoned(file)
        yield


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    place = path.absolute()
    lock = FileLock(place.parent / f".{short_name(place)}.lock", timeout=0, mode=0o666)  # other users may open it too
    try:
        if place.parent.is_dir() and not _is_stream(path):  # filelock would create it; `check` refuses both
            lock.acquire()
    except Timeout:
        raise OutputError(path, "another run is writing it", "Wait for it, or choose another name.") from None
    except (OSError, NotImplementedError):  # no locks on this file system, or a read-only folder
        pass
    try:
        yield
    finally:
        with suppress(OSError):
            os.unlink(lock.lock_file)
        lock.release()


@contextmanager
def atomic_output(path: PathLike, *, overwrite: bool = False, begun: bool = False) -> Iterator[Path]:
    """Write a file and its companions into a hidden folder; publish them when all are complete and synced.

    Yields ``path`` in that folder. Files written next to it there are published next to ``path``. They replace files
    only with ``overwrite``, or with ``begun``: an interrupted run of the same output may have published them. ``path``
    is published last, so if it is new, all files are. If the block fails, older files are untouched; a crash while
    several files are replaced can leave a mixture, which the checksums in the record reveal. The next run that writes
    the same output removes the hidden folder of a killed run. OutputError as :func:`check`, and when the disk is full.

    Examples
    --------
    >>> with atomic_output("notes.txt") as draft:
    ...     draft.write_text("all or nothing")
    """
    path = Path(path)
    check(Product(path), overwrite=overwrite)
    with draft_folder(path) as folder:
        yield folder / path.name
        for file in drafts(folder):  # another program may have created one in the meantime
            check(Product(path.with_name(file.name)), overwrite=overwrite or (begun and file.name != path.name))
        publish(folder, path.parent, last=path.name)


@contextmanager
def atomic_folder(product: Product, *, overwrite: bool = False) -> Iterator[Path]:
    """Fill a hidden folder; publish its files into the folder of a product when all are complete, the main one last.

    The hidden folder is inside the final one if that exists, because it may be on another disk. OutputError as
    :func:`check`, and when the disk is full.
    """
    check(product, overwrite=overwrite)
    path, main = product.path.absolute(), product.contents[0]
    with draft_folder(path / main if path.is_dir() else path) as folder:
        yield folder
        check(product, overwrite=overwrite)  # another program may have created it in the meantime
        path.mkdir(exist_ok=True)
        publish(folder, path, last=main)
