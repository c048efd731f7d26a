"""What a map run has finished so far, in a file that only grows: a run can be killed at any moment and go on.

The first line says in JSON what is being made, with a sha256 of itself. Then come records: a line of JSON with the
window, and the length and CRC-32 of the payload; and the payload, codes and layers of the window, compressed. A
record that was cut short is dropped when the journal is opened again. A finished journal of one shard is the
shard's result.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from rasterio.windows import Window

from landcover_bdgf.errors import OutputError, opening, unwritten
from landcover_bdgf.model import Classified
from landcover_bdgf.storage import hold, json_object, open_regular

MAGIC = "bdgf map journal"
OWN = "sha256 of this line"
MOST_PIXELS, MOST_SHARDS = 1 << 28, 999_999  # of a window, 1 GB with its layers; of a map
LONGEST_HEADER = 64 * 2**20  # the record of a map with a million training pixels fits

Place = tuple[int, int, int, int]  # row, col, height, width


@dataclass
class Journal:
    """An open journal; made by :func:`begin_journal` or :func:`read_journal`.

    Attributes
    ----------
    path : Path
    header : mapping
        ``identity`` holds all that two runs must share to be parts of one map. Where a run goes on, it is the
        run's own, not what the file says.
    places : dict
        Where in the file the payload of each finished window is: offset and length.
    """

    path: Path
    header: Mapping[str, Any]
    file: IO[bytes]
    places: dict[Place, tuple[int, int]] = field(default_factory=dict)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _closed(self.file)

    def add(self, window: Window, piece: Classified) -> None:
        """Note a finished window; it survives the process, and after :func:`os.fsync` the machine."""
        payload = zlib.compress(piece.codes.astype("<u2").tobytes() + piece.layers.tobytes(), 1)
        place = _place(window)
        line = json.dumps({"window": place, "bytes": len(payload), "crc": zlib.crc32(payload)})
        try:
            self.file.seek(0, os.SEEK_END)
            self.file.write(f"{line}\n".encode() + payload + b"\n")
            self.file.flush()
            os.fsync(self.file.fileno())
        except OSError as error:
            raise OutputError(None, f"{unwritten(self.path, error)} Then go on with --resume") from error
        self.places[place] = self.file.tell() - len(payload) - 1, len(payload)

    def has(self, window: Window) -> bool:
        """Whether a window is finished."""
        return _place(window) in self.places

    def pieces(self) -> Iterator[tuple[Window, Classified]]:
        """All finished windows, from top to bottom; OutputError where one does not hold what it should."""
        for (row, col, height, width), (offset, length) in sorted(self.places.items()):
            self.file.seek(offset)
            try:
                raw = zlib.decompressobj().decompress(self.file.read(length), 4 * height * width)
                codes = np.frombuffer(raw, "<u2", height * width).reshape(height, width).astype(np.uint16)
                layers = np.frombuffer(raw, np.uint8, offset=2 * height * width).reshape(-1, height, width)
            except (zlib.error, ValueError) as error:
                raise damaged(self.path, error) from error
            yield Window(col, row, width, height), Classified(codes, layers)


@opening(OutputError)
def begin_journal(path: Path, header: Mapping[str, Any], *, resume: bool, overwrite: bool) -> Journal:
    """A new journal; with ``resume`` the one that is there, if it belongs to the same run.

    Raises
    ------
    OutputError
        There is one already, and neither ``resume`` nor ``overwrite`` is given; or it belongs to another run.
    """
    if path.is_symlink():
        raise OutputError(path, "is a link to another file, which would be written to", "Remove it.")
    if path.exists() and resume and not _cut_short(path):
        journal = read_journal(path, writable=True)
        differences = _differences(journal.header["identity"], header["identity"])
        if differences:
            journal.file.close()
            raise OutputError(path, f"belongs to another run: {differences}", "Begin anew with --overwrite.")
        journal.header = header
        return journal
    if path.exists() and not (overwrite or resume):
        raise OutputError(
            path, "is what an interrupted run left", "Go on with --resume, or begin anew with --overwrite."
        )
    file = None
    try:
        file = open_regular(path, "ab+", follow=False)
        _lock(file, path)  # before anything is cut off: the file may be another run's
        file.truncate(0)
        file.write(header_line({"kind": MAGIC, **header}))
        file.flush()
    except OSError as error:
        if file is not None:
            _closed(file)
        raise unwritten(path, error) from error
    return Journal(path, header, file)


def header_line(header: Mapping[str, Any]) -> bytes:
    """The first line of a journal, with its checksum made anew."""
    values = {key: value for key, value in header.items() if key != OWN}
    values[OWN] = hashlib.sha256(json.dumps(values).encode()).hexdigest()
    return (json.dumps(values) + "\n").encode()


def _closed(file: IO[bytes]) -> None:
    """Close a file; what a full disk did not take has been reported already."""
    with suppress(OSError):
        file.close()


def _cut_short(path: Path) -> bool:
    """Whether a crash left it before its header was whole, so that it holds nothing."""
    try:
        with open_regular(path) as file:
            head = file.read(LONGEST_HEADER)
    except PermissionError:
        raise
    except OSError:  # a pipe
        return False
    begins = json.dumps({"kind": MAGIC})[:-1].encode()
    return b"\n" not in head and (head.startswith(begins) or begins.startswith(head))


@opening(OutputError)
def read_journal(path: Path, *, writable: bool = False) -> Journal:
    """Open a journal; what a crash cut short at its end is dropped.

    Raises
    ------
    OutputError
        It is none, or its header is damaged.
    """
    header, file, line = None, None, b""
    try:
        file = open_regular(path, "ab+" if writable else "rb", follow=not writable)
        if writable:
            _lock(file, path)
            file.seek(0)
        line = file.readline(LONGEST_HEADER)
        header = json_object(line)
    except PermissionError:
        raise
    except (OSError, ValueError):
        pass
    if file is None or header is None or not _is_header(header):
        if file is not None:
            file.close()
        raise OutputError(path, "is no part of a map that bdgf map began", "Name a .partial file.")
    if flaw := _flaw(header, line):
        file.close()
        raise damaged(path, flaw)
    journal = Journal(path, header, file)
    end, size = file.tell(), os.fstat(file.fileno()).st_size
    while (record := _record(file, size)) is not None:
        place, offset, length = record
        journal.places[place] = offset, length
        end = file.tell()
    if writable:
        file.truncate(end)
    return journal


def _lock(file: IO[bytes], path: Path) -> None:
    """Hold the journal for this process; the system lets go of it however the process ends."""
    try:
        hold(file.fileno())
    except BlockingIOError:
        file.close()
        raise OutputError(path, "another run is making this map", "Wait for it, or choose another name.") from None


def _is_header(header: Mapping[str, Any]) -> bool:
    return header.get("kind") == MAGIC and isinstance(header.get("identity"), dict)


def _flaw(header: Mapping[str, Any], line: bytes) -> str:
    """What is wrong with a header of ours, empty if nothing."""
    if line != header_line(header):
        return "the checksum of its first line does not match"
    shard, pixels = header.get("shard", [1, 1]), header.get("pixels", 0)
    if not isinstance(shard, list) or [type(number) for number in shard] != [int, int]:
        return f"its shard is {shard!r}"
    if not 1 <= shard[0] <= shard[1] <= MOST_SHARDS:
        return f"its shard is {shard!r}"
    return "" if type(pixels) is int else f"its number of pixels is {pixels!r}"


def damaged(path: Path, why: object) -> OutputError:
    """The error of a journal that does not hold what it should."""
    return OutputError(path, f"is damaged ({why})", "Map again.")


def _record(file: IO[bytes], size: int) -> tuple[Place, int, int] | None:
    """The next record of a file of so many bytes, None where there is no whole one any more."""
    try:
        about = json_object(file.readline(1000))
        row, col, height, width = map(int, about["window"])
        offset, length = file.tell(), int(about["bytes"])
        if min(row, col) < 0 or min(height, width) < 1 or height * width > MOST_PIXELS or not 0 <= length <= size:
            return None
        payload = file.read(length)
        whole = zlib.crc32(payload) == about["crc"] and file.read(1) == b"\n"
    except (ValueError, TypeError, LookupError, OverflowError):
        return None
    return ((row, col, height, width), offset, len(payload)) if whole else None


def _place(window: Window) -> Place:
    return int(window.row_off), int(window.col_off), int(window.height), int(window.width)


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    changed = [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
    return "; ".join(f"{key} was {before.get(key)}, is {now.get(key)}" for key in changed)
