"""The files that a step writes: declared once, checked before any work, kept to one run, published whole."""

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


@dataclass(frozen=True)
class Product:
    """An output and the files that come with it; declared by the package that writes it.

    Attributes
    ----------
    path : Path
        The file, or the folder, that a user names.
    companions : tuple of Path
        Files that appear together with it.
    scratch : tuple of Path
        Files that exist while it is made, and stay when a run is interrupted.
    contents : tuple of str
        Names of the files in it if it is a folder, the main one first.
    shared : bool
        Whether several runs may make it at the same time, each with its own scratch files: shards of a map.
    """

    path: Path
    companions: tuple[Path, ...] = ()
    scratch: tuple[Path, ...] = ()
    contents: tuple[str, ...] = ()
    shared: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that may be written."""
        return (self.path, *self.companions, *self.scratch, *(self.path / name for name in self.contents))

    @property
    def begun(self) -> bool:
        """Whether an interrupted run began it, and may have published companions."""
        return any(_exists(file) for file in self.scratch)


@opening(OutputError)
def check(*products: Product, inputs: Iterable[PathLike] = (), overwrite: bool = False, resume: bool = False) -> None:
    """Refuse outputs that cannot be written, before any work is done.

    Parameters
    ----------
    products : Product
        All outputs of a command.
    inputs : iterable of paths
        Files that are read meanwhile. None may be written, not even through a link.
    overwrite : bool
        Whether existing files may be replaced.
    resume : bool
        Whether companions and scratch files of an interrupted run may be replaced.

    Raises
    ------
    OutputError
        A file exists, is an input, or belongs to two products; its folder is missing or read-only; its name is too
        long or not in UTF-8; a folder holds other files.
    """
    files = [file for product in products for file in product.files]
    for file in files:
        if files.count(file) > 1:
            raise OutputError(file, "is the name of what is written beside it, too", "Choose another ending.")
    read = [Path(file) for file in inputs if os.path.isfile(file)]
    for product in products:
        os.fspath(product.path).encode()  # GDAL takes no other names, and would say so when all is done
        if product.contents:
            _check_folder(product, overwrite)
        else:
            _check_place(product.path)
        begun = resume and product.begun
        for file in filter(_exists, product.files):
            if any(file.exists() and file.samefile(other) for other in read):
                raise OutputError(file, "is one of the inputs", "Choose another name.")
            if overwrite or product.contents or (begun and file != product.path):
                continue
            if file in product.scratch:
                remedy = "Go on with `resume`, or start over with `overwrite`."
                raise OutputError(file, "was left by an interrupted run", remedy)
            raise OutputError(file, "exists already", "Choose another name, or allow it with `overwrite`.")


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise OutputError(path, "is a folder", "Give the name of a file.")
    _check_parent(path, path.parent)


def _check_parent(path: Path, home: Path) -> None:
    """``home`` is the folder that must take new files."""
    if not path.parent.is_dir():
        raise OutputError(path, f"the folder {path.parent} does not exist", "Make it first.")
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
        raise OutputError(path, f"holds other files ({printable(foreign[0])})", "Choose a folder for the report alone.")
    if names and not overwrite:
        raise OutputError(path, "holds a report already", "Choose another name, or allow it with `overwrite`.")


def _exists(path: Path) -> bool:
    """Whether there is a file, or a link even to nowhere; OSError for a name that is too long."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


@contextmanager
def reserved(*products: Product) -> Iterator[None]:
    """Keep outputs to this run for as long as the block lasts, and remove drafts of them that killed runs left.

    Raises
    ------
    OutputError
        Another run is writing one of them.
    """
    files = [file for p in products for file in (p.scratch if p.shared else (p.path, *p.companions, *p.scratch))]
    with ExitStack() as stack:
        for file in dict.fromkeys(files):
            stack.enter_context(_locked(file))
            remove_abandoned(file)
        yield


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    place = path.absolute()
    lock = FileLock(place.parent / f".{short_name(place)}.lock", timeout=0, mode=0o666)  # other users open it, too
    try:
        if place.parent.is_dir():  # filelock would make it
            lock.acquire()
    except Timeout:
        raise OutputError(path, "another run is writing it", "Wait for it, or choose another name.") from None
    except (OSError, NotImplementedError):  # no locks here, or a folder of which `check` says what is wrong
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
    comes last, so that where it is new, all are. If the block fails, older files are untouched; a crash while several
    are replaced can leave some of both, which a record of checksums tells. A hidden folder that a killed run left is
    removed by the next run that writes the same output.

    Raises
    ------
    OutputError
        As :func:`check`; also when the disk is full.

    Examples
    --------
    >>> with atomic_output("notes.txt") as draft:
    ...     draft.write_text("whole or not at all")
    """
    path = Path(path)
    check(Product(path), overwrite=overwrite)
    with draft_folder(path) as folder:
        yield folder / path.name
        for file in drafts(folder):  # any may have appeared meanwhile
            check(Product(path.with_name(file.name)), overwrite=overwrite or (begun and file.name != path.name))
        publish(folder, path.parent, last=path.name)


@contextmanager
def atomic_folder(product: Product, *, overwrite: bool = False) -> Iterator[Path]:
    """Fill a hidden folder; publish its files into the folder of a product when all are complete, the main one last.

    The hidden folder lies in the final one if that exists, because it may be on another disk.

    Raises
    ------
    OutputError
        As :func:`check`; also when the disk is full.
    """
    check(product, overwrite=overwrite)
    path, main = product.path.absolute(), product.contents[0]
    with draft_folder(path / main if path.is_dir() else path) as folder:
        yield folder
        check(product, overwrite=overwrite)  # something may have appeared meanwhile
        path.mkdir(exist_ok=True)
        publish(folder, path, last=main)
