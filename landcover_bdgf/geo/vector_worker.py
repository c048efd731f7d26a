"""Reading a vector or MATLAB 5 file in a separate, limited process, which returns arrays and text.

Memory, time, and the files written and opened by GDAL, SQLite or SciPy are limited, and there is no network. The answer
is a line of JSON and the bytes of arrays, never a pickle.
"""

from __future__ import annotations

import codecs
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.errors import BdgfError, ResourceError
from landcover_bdgf.geo.gdal_env import UNWANTED, VECTOR_DRIVERS, lock

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

SECONDS, BYTES = 10, 2 * 10**9  # processor time and memory for a small file
BYTES_PER_SECOND, MEMORY_PER_BYTE = 10**6, 10  # and for each byte of a large one
_PATIENCE = 12  # wall-clock limit as a multiple of processor time, because the machine may be busy
_OPEN_FILES, _WRITTEN = 64, 10**6  # bytes; SQLite writes a small temporary file next to some GeoPackages
_NO_MEMORY = 3  # exit code
_ENDED = {-signal.SIGABRT: "memory"}  # GDAL aborts if malloc fails
if resource is not None:
    _ENDED |= {-signal.SIGXCPU: "time", -signal.SIGKILL: "memory"}
_OPTIONAL = ("geopandas", "pandas", "pyarrow", "shapely", "pyproj")  # optional imports of pyogrio, which take a second
# A proxy that does not exist disables the network: a CRS may be a link, and GDAL has no option against that.
_NO_PROXY = dict.fromkeys(("http_proxy", "https_proxy", "GDAL_HTTP_PROXY", "GDAL_HTTPS_PROXY"), "http://127.0.0.1:9")
_BYTES = "ISO-8859-1"  # for Python and GDAL
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

Answer = tuple[dict[str, Any], list[NDArray[Any]]]


def read_in_worker(path: Path, kind: str, error: type[BdgfError], remedy: str, **request: Any) -> Answer:
    """Read one file in a worker: the answer of the reader and read-only arrays.

    ``kind`` is "vector" or "matlab"; ``request`` are the JSON arguments of the reader. ``error``, with ``remedy``, is
    raised if the file needs too much memory or time, or crashes the worker; ResourceError if it does not start. An
    exception of the reader is returned under ``error`` in its answer, as type and text.
    """
    seconds, memory = _allowed(path)
    request |= {"limits": (seconds, memory)}
    words = [sys.executable, "-P", "-W", "ignore", "-m", __name__, kind, json.dumps(request)]
    paths = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    environment = {key: value for key, value in os.environ.items() if key.lower() != "no_proxy"}
    environment |= {"PYTHONPATH": paths} | _NO_PROXY | _ONE_THREAD
    most_s = _PATIENCE * seconds
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=most_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise error(path, f"reading took more than {most_s} s", remedy) from None
    if done.returncode == 0:
        return _unpacked(done.stdout)
    said = done.stderr.decode("utf-8", "replace").splitlines()
    if done.returncode == 1:
        raise ResourceError(path, f"the process that reads it did not start ({(said or ['no message'])[-1]})")
    ended = "memory" if done.returncode == _NO_MEMORY else _ENDED.get(done.returncode)
    if ended is None:
        raise error(path, f"is damaged, reading it ended with code {done.returncode}", "Copy it again.")
    limit = f"{seconds} s" if ended == "time" else f"{memory / 1e9:.2g} GB of memory"
    raise error(path, f"reading took more than {limit}", remedy)


def _allowed(path: Path) -> tuple[int, int]:
    """Limits in seconds and bytes by file size, including the table of a Shapefile or all of a File Geodatabase."""
    files = path.iterdir() if path.is_dir() else {path, path.with_suffix(".dbf")}
    size = sum(file.stat().st_size for file in files if file.is_file())
    return SECONDS + size // BYTES_PER_SECOND, BYTES + MEMORY_PER_BYTE * size


def _unpacked(answer: bytes) -> Answer:
    end = answer.index(b"\n") + 1
    about, arrays, at = json.loads(answer[:end]), [], end
    for dtype, shape in about.pop("arrays"):
        array = np.frombuffer(answer, dtype, count=int(np.prod(shape, dtype=np.int64)), offset=at).reshape(shape)
        arrays.append(array)
        at += array.nbytes
    return about, arrays


def main() -> None:
    """Read the requested file and write the answer to standard output."""
    kind, request = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process ends this one
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)  # libraries may print
        read = _read_vector if kind == "vector" else _read_matlab
        try:
            about, arrays = read(**json.loads(request))
        except MemoryError:
            os._exit(_NO_MEMORY)
        about["arrays"] = [(array.dtype.str, array.shape) for array in arrays]
        answer.write(json.dumps(about, default=str).encode() + b"\n")
        for array in arrays:
            answer.write(array.tobytes())


def _limit(seconds: int, memory: int) -> None:
    """Limit this process from now on, after the imports."""
    if resource is None:
        return
    limits = {"CPU": seconds, "AS": memory, "FSIZE": _WRITTEN, "NOFILE": _OPEN_FILES, "CORE": 0}
    for name, value in limits.items():
        with suppress(AttributeError, ValueError, OSError):  # macOS has no limit on addresses
            number = getattr(resource, f"RLIMIT_{name}")
            hard = resource.getrlimit(number)[1]
            resource.setrlimit(number, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _read_vector(
    name: str,
    driver: str,
    layers: Sequence[str],
    fields: Sequence[str] | None,
    encoding: str | None,
    limits: tuple[int, int],
) -> Answer:
    """Geometry types of all layers (None for tables), and features of the requested layers or the only spatial one."""
    lock()
    os.environ["GDAL_SKIP"] = ",".join(other for other in (*UNWANTED, *VECTOR_DRIVERS) if other != driver)
    sys.modules |= dict.fromkeys(_OPTIONAL)  # type: ignore[arg-type]
    import pyogrio

    _limit(*limits)
    arrays: list[NDArray[Any]] = []
    about: dict[str, Any] = {"layers": {}, "features": {}}
    try:
        if driver not in pyogrio.list_drivers():
            return {"error": ("NoDriver", driver)}, []
        if driver == "GeoJSON":
            about["crs_kind"] = _kind_of_crs(name)
        found = {str(layer): geometry for layer, geometry in pyogrio.list_layers(name)}
        about["layers"] = found
        placed = [layer for layer, geometry in found.items() if geometry is not None] or list(found)
        only = placed if len(placed) == 1 else []
        text = _Text(encoding, _BYTES if driver == "ESRI Shapefile" and encoding else encoding)
        for layer in [layer for layer in layers if layer in found] if layers else only:
            about["features"][layer] = _features(name, layer, fields, text, arrays)
    except MemoryError:
        raise
    except Exception as error:  # GDAL and pyogrio raise many types
        about["error"] = type(error).__name__, str(error)
    return about, arrays


@dataclass(frozen=True)
class _Text:
    """The encoding of a file, and the one in which pyogrio reads it.

    GDAL has other names for encodings than Python, ignores unknown ones and drops invalid letters. A .dbf is therefore
    read as ISO-8859-1, in which each byte is a letter, and decoded in Python.
    """

    encoding: str | None
    read_in: str | None

    def decoded(self, text: Any, errors: str = "strict", width: int = 0) -> Any:
        """The text; the last letter is left out if its first bytes fill a field of ``width`` bytes."""
        if self.encoding == self.read_in or not isinstance(text, str):
            return text
        written = text.encode(_BYTES)
        if len(written) == width:
            return codecs.getincrementaldecoder(str(self.encoding))().decode(written)
        return written.decode(str(self.encoding), errors)


def _kind_of_crs(name: str) -> Any:
    """Kind of CRS, "link" or "name" (GeoJSON 2008). Parses the file, because GDAL accepts truncated ones."""
    with open(name, encoding="utf-8-sig", errors="surrogateescape") as file:
        crs = json.load(file).get("crs")
    return crs.get("type") if isinstance(crs, dict) else None


def _features(
    name: str, layer: str, fields: Sequence[str] | None, text: _Text, arrays: list[NDArray[Any]]
) -> dict[str, Any]:
    """CRS and fields of a layer; ``arrays`` get numbers, geometries, and for text the number of each distinct one."""
    from pyogrio import read_info
    from pyogrio.raw import read

    info = read_info(name, layer=layer, encoding=text.read_in)
    names = [text.decoded(field, "replace") for field in info["fields"].tolist()]
    # Names that fields share are refused by the reader if they were asked for: pyogrio would read only the last one.
    wanted = [i for i, field in enumerate(names) if names.count(field) == 1 and (fields is None or field in fields)]
    dates = [i for i in wanted if info["dtypes"][i] == "datetime64[D]"]
    columns = [str(info["fields"][i]) for i in wanted if i not in dates]
    settings = {"layer": layer, "encoding": text.read_in, "datetime_as_string": True}
    meta, _, geometries, values = read(name, columns=columns, **settings)
    read_columns = dict(zip(meta["fields"].tolist(), values, strict=True))
    read_columns |= {str(info["fields"][i]): _dates(name, layer, str(info["fields"][i]), text) for i in dates}
    widths = _widths(name) if text.encoding != text.read_in else []
    found_fields = []
    for i in wanted:
        column = read_columns[str(info["fields"][i])]
        found_fields.append((names[i], _column(column, text, arrays, widths[i] if i < len(widths) else 0)))
    found: dict[str, Any] = {"crs": meta["crs"], "names": names, "fields": found_fields, "wkb": None}
    if geometries is not None:
        found["wkb"] = len(arrays)
        arrays.append(np.array([-1 if wkb is None else len(wkb) for wkb in geometries], np.int64))
        arrays.append(np.frombuffer(b"".join(wkb for wkb in geometries if wkb is not None), np.uint8))
    return found


def _widths(name: str) -> list[int]:
    """Widths of the fields of a .dbf in bytes: each is described by 32 bytes after the first 32."""
    paths = (Path(name).with_suffix(suffix) for suffix in (".dbf", ".DBF"))
    with next(filter(Path.is_file, paths)).open("rb") as table:
        header = table.read(int.from_bytes(table.read(32)[8:10], "little") - 32)
    return list(header[16 : len(header) // 32 * 32 : 32])


def _column(
    column: NDArray[Any], text: _Text, arrays: list[NDArray[Any]], width: int
) -> int | tuple[int, list[str | None]]:
    """Index of its numbers in ``arrays``; or that of numbers of texts, and the distinct texts."""
    if column.dtype.kind in "biuf":
        arrays.append(np.ascontiguousarray(column))
        return len(arrays) - 1
    values = [value if value is None or isinstance(value, str) else str(value) for value in column.tolist()]
    number = {value: i for i, value in enumerate(dict.fromkeys(values))}
    arrays.append(np.fromiter(map(number.__getitem__, values), np.int32, len(values)))
    return len(arrays) - 1, [text.decoded(value, width=width) for value in number]


def _dates(name: str, layer: str, field: str, text: _Text) -> NDArray[Any]:
    """A field of dates as text; pyogrio refuses the whole file for an impossible one such as 30 February."""
    from pyogrio.raw import read

    quoted, table = (word.replace("\\", "\\\\").replace('"', '\\"') for word in (field, layer))
    sql = f'SELECT CAST("{quoted}" AS CHARACTER(32)) AS day FROM "{table}"'
    *_, (column,) = read(name, sql=sql, sql_dialect="OGRSQL", encoding=text.read_in, read_geometry=False)
    return np.array([day and day.replace("/", "-") for day in column], object)


def _read_matlab(name: str, array: str, limits: tuple[int, int]) -> Answer:
    """The named or only numeric array with two or more dimensions, and the names of all such arrays."""
    from scipy.io import loadmat

    _limit(*limits)
    try:
        with open(name, "rb") as file:
            values = loadmat(file)
    except MemoryError:
        raise
    except Exception as error:  # SciPy raises many types for damaged files
        return {"error": (type(error).__name__, str(error))}, []
    numbers = {
        key: value for key, value in values.items()
        if isinstance(value, np.ndarray) and value.ndim >= 2 and value.dtype.kind in "iuf"
    }  # fmt: skip
    chosen = [array] if array in numbers else list(numbers) if len(numbers) == 1 else []
    return {"names": sorted(numbers)}, [
        np.ascontiguousarray(numbers[key], numbers[key].dtype.newbyteorder("=")) for key in chosen
    ]


if __name__ == "__main__":
    main()
