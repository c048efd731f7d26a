"""Windows around labelled pixels: network inputs of each pixel are computed once and cut into windows per batch."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from landcover_bdgf.errors import LabelError
from landcover_bdgf.labels import JoinedSamples, Samples
from landcover_bdgf.model import BLOCK_PX, Seen, Viewer, Workers
from landcover_bdgf.progress import track
from landcover_bdgf.scene import Stack
from landcover_bdgf.storage import Arrays, cached, digest

HELD_BYTES = 10**9  # of pixels in memory; more are in a file, as thousands of raw diffusion features take gigabytes


@dataclass(frozen=True)
class Windows:
    """A batch of N windows.

    ``spec`` (N, K, 9, 9), ``sar`` (N, R, 9, 9), ``dif`` (N, F, 9, 9), ``around`` (N, Q, 1, 1) float32, ``codes`` int64
    (N,) from 0.
    """

    spec: Tensor
    sar: Tensor
    dif: Tensor
    around: Tensor
    codes: Tensor

    def __len__(self) -> int:
        return len(self.codes)

    def to(self, device: torch.device) -> Windows:
        """Copy to a device."""
        return Windows(*(a.to(device) for a in (self.spec, self.sar, self.dif, self.around, self.codes)))

    def turned(self, generator: Generator) -> Windows:
        """Flip and transpose each window at random: one of the eight symmetries of a square."""
        coins = torch.randint(2, (3, len(self)), generator=generator, device=generator.device, dtype=torch.bool)
        coins = coins[:, :, None, None, None]

        def turn(x: Tensor) -> Tensor:
            x = torch.where(coins[0], x.flip(-1), x)
            x = torch.where(coins[1], x.flip(-2), x)
            return torch.where(coins[2], x.transpose(-1, -2), x)

        return Windows(turn(self.spec), turn(self.sar), turn(self.dif), self.around, self.codes)


@dataclass(frozen=True)
class WindowTable:
    """The pixels of many windows; adjacent windows share most pixels.

    Attributes
    ----------
    pixels : Tensor
        (U, K + R + F) float32, network inputs of each pixel; above a gigabyte in a temporary file.
    at : Tensor
        (N, 81) int64, the row of ``pixels`` for each pixel of each window, row by row.
    around : Tensor
        (N, Q) float32, statistics of the surroundings of the central pixel of each window.
    codes : Tensor
        (N,) int64 from 0.
    channels : tuple of int
        K, R, F.
    """

    pixels: Tensor
    at: Tensor
    around: Tensor
    codes: Tensor
    channels: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, index: Tensor) -> Windows:
        side = round(self.at.shape[1] ** 0.5)
        whole = self.pixels[self.at[index]].transpose(1, 2).unflatten(2, (side, side))  # (N, C, 9, 9)
        spec, sar, dif = (part.contiguous() for part in whole.split(self.channels, dim=1))
        return Windows(spec, sar, dif, self.around[index][:, :, None, None], self.codes[index])

    def where(self, index: Tensor) -> WindowTable:
        """Select windows."""
        return replace(self, at=self.at[index], around=self.around[index], codes=self.codes[index])

    def digest(self) -> str:
        """sha256 of all windows and their classes."""
        return digest({name: getattr(self, name).numpy() for name in ("pixels", "at", "around", "codes")})


def cut_windows(stacks: Sequence[Stack], samples: JoinedSamples, viewer: Viewer, workers: Workers) -> WindowTable:
    """Windows around all pixels of ``samples``, in their order; those of each scene are cached for the next training.

    Raises
    ------
    LabelError
        There are no samples.
    """
    if not len(samples):
        raise LabelError(None, "no training pixels are left", "Add labelled polygons, or reduce `buffer_px`.")
    pairs = zip(stacks, samples.scenes, strict=True)
    tables = [_of_scene(stack, own, viewer, workers) for stack, own in pairs if len(own)]
    if len(tables) == 1:
        return tables[0]
    pixels = torch.from_numpy(_joined(table.pixels.numpy() for table in tables))
    starts = np.cumsum([0, *(len(table.pixels) for table in tables)]).tolist()
    at = torch.cat([table.at + start for table, start in zip(tables, starts, strict=False)])
    around, codes = (torch.cat([getattr(table, name) for table in tables]) for name in ("around", "codes"))
    return WindowTable(pixels, at, around, codes, tables[0].channels)


def _of_scene(stack: Stack, samples: Samples, viewer: Viewer, workers: Workers) -> WindowTable:
    channels = (viewer.scaling.bands, len(viewer.scaling.sar_mean), viewer.features)
    depends_on = {
        "scene": stack.fingerprint(),
        "viewer": viewer.digest(),
        "samples": digest({"rows": samples.rows, "cols": samples.cols}),
        "device": viewer.device.type,
        "torch": torch.__version__,
    }
    arrays = cached("diffusion features", depends_on, lambda: _table(stack, samples, viewer, workers))
    codes = torch.from_numpy(samples.codes.astype(np.int64) - 1)
    pixels, at, around = (torch.from_numpy(arrays[name]) for name in ("pixels", "at", "around"))
    return WindowTable(pixels, at, around, codes, channels)


def _table(stack: Stack, samples: Samples, viewer: Viewer, workers: Workers) -> Arrays:
    """Pixels and positions, from blocks that are each computed once."""
    fusion = viewer.recipe.fusion
    patch, inset = fusion.patch, fusion.average_px // 2  # a map needs a wider margin than training windows
    blocks, member = np.unique(
        np.stack([samples.rows // BLOCK_PX, samples.cols // BLOCK_PX], axis=1), axis=0, return_inverse=True
    )
    # sorted once: searching all samples for each block would be slow for many of both
    members = np.split(np.argsort(member.ravel(), kind="stable"), np.cumsum(np.bincount(member.ravel()))[:-1])
    corners = [(int(r) * BLOCK_PX, int(c) * BLOCK_PX) for r, c in blocks]
    reads = (viewer.read(stack, corner) for corner in corners)
    results = track(workers.map(viewer.see, reads), "diffusion features", len(corners))
    at = np.empty((len(samples), patch**2), np.int64)
    around = np.empty((len(samples), viewer.statistics), np.float32)

    def pieces() -> Iterator[NDArray[np.float32]]:
        count = 0
        for seen, inside, (row, col) in zip(results, members, corners, strict=True):
            rows, cols = samples.rows[inside] - row + inset, samples.cols[inside] - col + inset
            needed, places = _needed(seen, rows, cols, patch)
            around[inside] = seen.around[0].cpu().numpy()[:, rows, cols].T
            at[inside] = places + count
            count += len(needed)
            yield needed

    pixels = _joined(pieces())
    stack.check_unchanged()  # before the result is cached
    return {"pixels": pixels, "at": at, "around": around}


def _joined(pieces: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Pieces (·, C) one after the other, (U, C); above a gigabyte, from a file that vanishes with the array."""
    held: list[NDArray[np.float32]] = []
    rest = iter(pieces)
    for piece in rest:
        held.append(piece)
        if sum(each.nbytes for each in held) > HELD_BYTES:
            return _in_file(chain(held, rest))
    return np.concatenate(held)


def _in_file(pieces: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    rows = width = 0
    with tempfile.TemporaryFile(prefix="bdgf-") as file:
        for piece in pieces:
            file.write(np.ascontiguousarray(piece).tobytes())
            rows, width = rows + len(piece), piece.shape[1]
        file.flush()
        return np.memmap(file, np.float32, "c", shape=(rows, width))


def _needed(
    seen: Seen, rows: NDArray[np.integer[Any]], cols: NDArray[np.integer[Any]], patch: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Pixels of a block used by windows at these positions, (U, C), and the pixel index of each window, (N, 81)."""
    side = seen.spec.shape[-1]
    offsets = (np.arange(patch)[:, None] * side + np.arange(patch)).ravel()
    flat, places = np.unique((rows * side + cols)[:, None] + offsets, return_inverse=True)
    together = torch.cat([seen.spec[0], seen.sar[0], seen.dif[0]]).flatten(1)  # (C, side²)
    needed = together[:, torch.from_numpy(flat).to(together.device)].T.contiguous()
    return needed.cpu().numpy(), places.reshape(len(rows), -1)
