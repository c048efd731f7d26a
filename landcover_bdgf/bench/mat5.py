"""Full, real, numeric arrays of MATLAB files of version 5; nothing else that they may hold.

SciPy reads them too, but a damaged one ends the process (segmentation fault in SciPy 1.17). The layout is in "MAT-File
Format", The MathWorks, chapter 1: elements of a type, a size in bytes and a body, which may be made of elements.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

HEADER_BYTES = 128
ORDERS = {b"IM": "<", b"MI": ">"}
MATRIX, COMPRESSED = 14, 15
COMPLEX = 1 << 11
NUMERIC = range(6, 16)  # classes of arrays: double, single, int8 … uint64
# How numbers are stored, by type: those of MATLAB's doubles that are small and whole take a byte each.
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
MOST_BYTES = 1 << 34  # of one file, unpacked; the largest that was published takes 1.6 GB


def read_mat5(data: bytes) -> dict[str, NDArray[np.generic]]:
    """The arrays of a file by name, read-only, of the types they are stored as.

    Cells, structures, text, sparse and complex arrays are left out.

    Raises
    ------
    ValueError
        It is damaged, or no such file.
    """
    if (order := ORDERS.get(data[HEADER_BYTES - 2 : HEADER_BYTES])) is None:
        raise ValueError("it has no header of MATLAB 5")
    arrays, unpacked = {}, 0
    try:
        for kind, body in _elements(memoryview(data)[HEADER_BYTES:], order):
            if kind == COMPRESSED:
                kind, body = _unpacked(body, order, MOST_BYTES - unpacked)
                unpacked += len(body)
            found = _array(body, order) if kind == MATRIX else None
            if found is not None:
                arrays[found[0]] = found[1]
    except (struct.error, zlib.error, LookupError, StopIteration) as error:
        raise ValueError(f"it is damaged ({error})") from error
    return arrays


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        begin = at + 8
        if kind >> 16:  # up to four bytes lie in the place of their size
            kind, size, begin = kind & 0xFFFF, kind >> 16, at + 4
        if begin + size > len(data):
            raise ValueError("it is cut off")
        yield kind, data[begin : begin + size]
        at = begin + size if kind == COMPRESSED else begin + size + -(begin + size - at) % 8


def _unpacked(body: memoryview, order: str, most: int) -> tuple[int, memoryview]:
    """The one element that a compressed one holds, no byte more than it says of itself."""
    stream = zlib.decompressobj()
    kind, size = struct.unpack(f"{order}II", stream.decompress(body, 8))
    if size > most:
        raise ValueError(f"it says it holds more than {MOST_BYTES / 1e9:.0f} GB")
    found = stream.decompress(stream.unconsumed_tail, size) if size else b""
    if len(found) < size or stream.decompress(stream.unconsumed_tail, 1) or not stream.eof:
        raise ValueError("it is cut off")
    return kind, memoryview(found)


def _array(body: memoryview, order: str) -> tuple[str, NDArray[np.generic]] | None:
    parts = _elements(body, order)
    (flags,) = struct.unpack_from(f"{order}I", next(parts)[1])
    if flags & 0xFF not in NUMERIC or flags & COMPLEX:
        return None
    shape = np.frombuffer(next(parts)[1], f"{order}i4").tolist()
    name = bytes(next(parts)[1]).decode("latin-1")
    kind, raw = next(parts)
    values = np.frombuffer(raw, order + STORED[kind])
    if min(shape, default=0) < 0 or len(values) != math.prod(shape):
        raise ValueError(f"it holds {len(values)} numbers for a shape of {shape}")
    return name, values.astype(STORED[kind], copy=False).reshape(shape, order="F")
