"""How files are spoiled: bytes changed anywhere; or what lies behind a checksum, which is then made anew."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np
import safetensors.numpy

from landcover_bdgf.mapping.partial_map import Plan
from landcover_bdgf.storage.documents import read_json
from landcover_bdgf.storage.records import record_bytes
from landcover_bdgf.storage.tensors import DIGEST_LENGTH, ENTRY, digest

Change = tuple[str, int, bytes]  # what happens to a file: how, where, and with which bytes
Arrays = dict[str, np.ndarray[Any, Any]]
Node = tuple[Any, Any]  # an object or list of JSON, and a key or index of it

NEAR = 600  # bytes in which a file says what it is
DEEP, DEEP_JSON = '"too deep"', "[" * 100_000 + "]" * 100_000  # json.dumps does not write that
ODD: tuple[Any, ...] = (
    None, True, 0, 1, -1, 3, 2.5, 255, 70_000, 1 << 31, 1 << 62, 10**30, 10**400, 1e300, math.nan, math.inf, "", "x",
    "5", "1/2", "\ud800", "\x1b[31m", "name " * 500, "..", "../../etc/passwd", "/dev/zero", "a\0b", "EPSG:4326",
    "POINT EMPTY", "too deep", [], [1], [1, 2], [[]], ["x", None], [1, 1], [0, 0, 1, 1], {}, {"a": 1}, {"code": 1},
)  # fmt: skip
ARRAYS: tuple[Callable[[np.ndarray[Any, Any]], Any], ...] = (
    lambda a: a[:1], lambda a: a[:0], lambda a: a.ravel(), lambda a: a[None], lambda a: a.sum(), lambda a: a.T,
    lambda a: np.concatenate([a, a]), lambda a: a.astype(np.float64), lambda a: a.astype(np.float32),
    lambda a: a.astype(np.float16), lambda a: a.astype(np.int64), lambda a: a.astype(np.uint8), lambda a: a > 0,
    lambda a: a.astype(np.complex64), lambda a: a * 0, lambda a: a * -1, lambda a: a * 1e30, lambda a: a / 0,
)  # fmt: skip


def mutated(data: bytes, changes: Sequence[Change]) -> bytes:
    """Changes, one after the other; those in even places near the beginning."""
    work = bytearray(data)
    for kind, place, what in changes:
        at = place // 2 % (len(work) + 1 if place % 2 else min(len(work) + 1, NEAR))
        if kind == "over":
            work[at : at + len(what)] = what
        elif kind == "into":
            work[at:at] = what
        elif kind == "without":
            del work[at : at + len(what)]
        elif kind == "again":
            work[at:at] = work[-at:][: len(what)]
        else:
            del work[at:]
    return bytes(work)


def record(good: bytes, changes: Sequence[Change]) -> bytes:
    """The record beside an output, with its own checksum."""
    values = json.loads(good)
    alter(values, changes)
    return record_bytes(values).replace(DEEP.encode(), DEEP_JSON.encode())


def checkpoint(good: bytes, changes: Sequence[Change]) -> bytes:
    """A model: its description, or its arrays, above all those of few bytes that say how the others are used."""
    text, tensors = _parts(good)
    description, tensors = json.loads(text), dict(tensors)
    for change in changes:
        kind, place, what = change
        if place % 2:
            alter(description, [(kind, place // 2, what)])
            continue
        few = [name for name in tensors if not name.startswith(("unet.", "fusion.", "context."))]
        names = sorted(few if place % 8 and few else tensors)
        name = names[place // 8 % len(names)]
        array = tensors.pop(name)
        if kind != "without":
            tensors[name] = _array(array, ARRAYS[what[0] % len(ARRAYS)])
    text = json.dumps(description, sort_keys=True).replace(DEEP, DEEP_JSON)
    return safetensors.numpy.save(tensors, {ENTRY: digest(tensors, text) + text})


def plan(good: bytes, changes: Sequence[Change]) -> bytes:
    """The plan of a partial map, with its own checksum where it is a plan still."""
    values = json.loads(good)
    alter(values, changes)
    with suppress(Exception):
        values["sha256"] = read_json(Plan, json.dumps(values)).checksum()
    return json.dumps(values, separators=(",", ":")).replace(DEEP, DEEP_JSON).encode()


def alter(values: Any, changes: Sequence[Change]) -> None:
    """Put odd values into JSON, or take some of it away."""
    for kind, place, what in changes:
        nodes = list(_nodes(values))
        if not nodes:
            return
        inside, key = nodes[place % len(nodes)]
        if kind == "over":
            inside[key] = _odd(what)
        elif kind == "without":
            del inside[key]
        elif kind == "again":
            inside[key] = [inside[key]] * 2
        elif kind == "until":
            inside[key] = inside[key][: len(inside[key]) // 2] if isinstance(inside[key], str | list) else -1
        elif isinstance(inside, list):
            inside.insert(key, _odd(what))
        else:
            inside[what.decode("latin-1")] = _odd(what)


def _nodes(values: Any) -> Iterator[Node]:
    for key, value in values.items() if isinstance(values, dict) else enumerate(values):
        yield values, key
        if isinstance(value, dict | list):
            yield from _nodes(value)


def _odd(what: bytes) -> Any:
    return json.loads(json.dumps(ODD[what[0] % len(ODD)]))  # a copy


def _array(array: np.ndarray[Any, Any], change: Callable[[np.ndarray[Any, Any]], Any]) -> np.ndarray[Any, Any]:
    with np.errstate(all="ignore"):
        return np.array(change(np.atleast_1d(array)), order="C")


@lru_cache(maxsize=2)
def _parts(good: bytes) -> tuple[str, Arrays]:
    (size,) = struct.unpack("<Q", good[:8])
    metadata = json.loads(good[8 : 8 + size])["__metadata__"]
    return metadata[ENTRY][DIGEST_LENGTH:], safetensors.numpy.load(good)
