"""Reads a vector or MATLAB 5 file in a process of its own, which has limits and hands back arrays and text.

Whatever a file makes GDAL, SQLite or SciPy do happens in that process: its memory, its time and the files it writes
and opens are limited, and it reaches no address. Its answer is a line of JSON and the bytes of arrays, never a pickle.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.errors import BdgfError, ResourceError
from landcover_bdgf.geo.gdal_env import VECTOR_DRIVERS, lock

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

SECONDS, BYTES = 10, 2 * 10**9  # processor time and memory for a small file
BYTES_PER_SECOND, MEMORY_PER_BYTE = 10**6, 10  # and for each byte of a large one
_PATIENCE = 12  # as many times that by the clock, as the machine may be busy
_OPEN_FILES, _WRITTEN = 64, 10**6  # bytes; SQLite makes a small file next to some GeoPackages for a while
_NO_MEMORY = 3  # exit code
_ENDED = {-signal.SIGABRT: "memory"}  # GDAL aborts where malloc fails
if resource is not None:
    _ENDED |= {-signal.SIGXCPU: "time", -signal.SIGKILL: "memory"}
_OPTIONAL = ("geopandas", "pandas", "pyarrow", "shapely", "pyproj")  # pyogrio imports them where it can, in a second
# An address that nobody answers stands in for the network: a CRS may be a link, which GDAL has no switch for.
_NO_PROXY = dict.fromkeys(("http_proxy", "https_proxy", "GDAL_HTTP_PROXY", "GDAL_HTTPS_PROXY"), "http://127.0.0.1:9")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

Answer = tuple[dict[str, Any], list[NDArray[Any]]]


def read_in_worker(path: Path, kind: str, error: type[BdgfError], remedy: str, **request: Any) -> Answer:
    """Read one file in a worker.

    Parameters
    ----------
    path : path
    kind : "vector" or "matlab"
    error : type of BdgfError
        Raised where the file takes too much memory or time, or ends the worker.
    remedy : str
        What to do about a file that takes too much.
    **request
        What the reader of that kind takes, as JSON.

    Returns
    -------
    about : dict
        What the reader says. Its ``error`` is the type and text of an exception, where there was one.
    arrays : list of ndarray
        Read-only.

    Raises
    ------
    BdgfError
    ResourceError
        The worker did not start.
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
        raise ResourceError(path, f"the process that reads it did not start ({(said or ['no word'])[-1]})")
    ended = "memory" if done.returncode == _NO_MEMORY else _ENDED.get(done.returncode)
    if ended is None:
        raise error(path, f"is damaged, reading it ended with code {done.returncode}", "Copy it again.")
    limit = f"{seconds} s" if ended == "time" else f"{memory / 1e9:.2g} GB of memory"
    raise error(path, f"reading took more than {limit}", remedy)


def _allowed(path: Path) -> tuple[int, int]:
    """Seconds and bytes that a file is worth; a Shapefile is as large as its table, too."""
    size = sum(file.stat().st_size for file in {path, path.with_suffix(".dbf")} if file.is_file())
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
    """Read what the arguments ask for, and write it to standard output."""
    kind, request = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this process ends it
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)  # for what libraries print
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
    """From now on; what is imported before is not the file's doing."""
    if resource is None:
        return
    limits = {"CPU": seconds, "AS": memory, "FSIZE": _WRITTEN, "NOFILE": _OPEN_FILES, "CORE": 0}
    for name, value in limits.items():
        with suppress(AttributeError, ValueError, OSError):  # macOS has no limit on addresses
            number = getattr(resource, f"RLIMIT_{name}")
            hard = resource.getrlimit(number)[1]
            resource.setrlimit(number, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _read_vector(
    name: str, driver: str, layers: Sequence[str], encoding: str | None, limits: tuple[int, int]
) -> Answer:
    """The layers of a file by that driver; of those that are asked for, or the only one with a geometry, all features.

    ``layers`` of what is said are types of geometry by name, None for tables.
    """
    lock()
    os.environ["GDAL_SKIP"] += "".join(f",{other}" for other in VECTOR_DRIVERS if other != driver)
    sys.modules |= dict.fromkeys(_OPTIONAL)  # type: ignore[arg-type]
    import pyogrio

    _limit(*limits)
    arrays: list[NDArray[Any]] = []
    about: dict[str, Any] = {"layers": {}, "features": {}}
    try:
        if driver == "GeoJSON":
            about["crs_kind"] = _kind_of_crs(name)
        found = {str(layer): geometry for layer, geometry in pyogrio.list_layers(name)}
        about["layers"] = found
        placed = [layer for layer, geometry in found.items() if geometry is not None] or list(found)
        for layer in (
            [layer for layer in layers if layer in found] if layers else placed[:1] if len(placed) == 1 else []
        ):
            about["features"][layer] = _features(name, layer, encoding, arrays)
    except MemoryError:
        raise
    except Exception as error:  # GDAL's and pyogrio's are many, and the file is at fault
        about["error"] = type(error).__name__, str(error)
    return about, arrays


def _kind_of_crs(name: str) -> Any:
    """GDAL reads a GeoJSON that was cut off up to there, so it is read whole; "link" or "name" of GeoJSON 2008."""
    with open(name, encoding="utf-8-sig", errors="surrogateescape") as file:
        crs = json.load(file).get("crs")
    return crs.get("type") if isinstance(crs, dict) else None


def _features(name: str, layer: str, encoding: str | None, arrays: list[NDArray[Any]]) -> dict[str, Any]:
    """A layer: its CRS, and the numbers of the arrays that its geometries and fields are in; other fields are text."""
    from pyogrio.raw import read

    meta, _, geometries, columns = read(name, layer=layer, encoding=encoding, datetime_as_string=True)
    fields = []
    for field, column in zip(meta["fields"].tolist(), columns, strict=True):
        is_number = column.dtype.kind in "biuf"
        fields.append((field, len(arrays) if is_number else column.tolist()))
        arrays += [np.ascontiguousarray(column)] if is_number else []
    found: dict[str, Any] = {"crs": meta["crs"], "fields": fields, "wkb": None}
    if geometries is not None:
        found["wkb"] = len(arrays)
        arrays.append(np.array([-1 if wkb is None else len(wkb) for wkb in geometries], np.int64))
        arrays.append(np.frombuffer(b"".join(wkb for wkb in geometries if wkb is not None), np.uint8))
    return found


def _read_matlab(name: str, array: str, limits: tuple[int, int]) -> Answer:
    """The array of that name, or the only one, of those with numbers in two dimensions or more; and all their names."""
    from scipy.io import loadmat

    _limit(*limits)
    try:
        with open(name, "rb") as file:
            values = loadmat(file)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file takes SciPy by surprise in many ways
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
