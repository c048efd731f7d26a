"""The windows of a map, each computed as blocks of one fixed lattice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby, islice

from rasterio.windows import Window

from landcover_bdgf.mapping.partial_map import PartialMap
from landcover_bdgf.model import BLOCK_PX, AnyClassifier, Block, BlockStream, Classified, Workers, empty_result
from landcover_bdgf.progress import Advance


def windows_of(stream: BlockStream, strips: Sequence[int]) -> list[Window]:
    """The windows of some strips that have pixels, from top to bottom."""
    return [window for window in stream.windows(strips) if corners(window)]


def missing_strips(partial: PartialMap, stream: BlockStream, strips: Sequence[int]) -> list[int]:
    """The strips of which a partial map lacks a window."""
    return [strip for strip in strips if not all(map(partial.has, windows_of(stream, [strip])))]


def corners(window: Window) -> list[tuple[int, int]]:
    """First row and column of each block in a window."""
    rows = range(window.row_off, window.row_off + window.height, BLOCK_PX)
    cols = range(window.col_off, window.col_off + window.width, BLOCK_PX)
    return [(r, c) for r in rows for c in cols]


def classified_windows(
    classifier: AnyClassifier, workers: Workers, stream: BlockStream, strips: Sequence[int], advance: Advance
) -> Iterator[tuple[Window, Classified]]:
    """The windows of some strips with their classes and layers.

    Tiles are read, but blocks of a fixed lattice are computed, so the tile size does not change the map.
    """
    batches = _batches(stream.blocks(strips), classifier)
    blocks = chain.from_iterable(workers.map(classifier.classify, batches))
    for window in windows_of(stream, strips):
        yield window, _assembled(window, blocks, advance)


def _batches(blocks: Iterator[Block], classifier: AnyClassifier) -> Iterator[list[Block]]:
    """Batches of equal blocks, in order; blocks at the border are smaller."""
    for _, alike in groupby(blocks, key=lambda block: block.seen.valid.shape):
        while batch := list(islice(alike, classifier.batch)):
            yield batch


def _assembled(window: Window, blocks: Iterator[Classified], advance: Advance) -> Classified:
    """Join the blocks of a window."""
    whole, novel_px, compared_px = None, 0, 0
    for row, col in corners(window):
        block = next(blocks)
        if whole is None:
            kinds = {name: (str(own.dtype), len(own)) for name, own in block.layers.items()}
            whole = empty_result((window.height, window.width), kinds)
        r, c = row - window.row_off, col - window.col_off
        height, width = min(BLOCK_PX, window.height - r), min(BLOCK_PX, window.width - c)
        whole.codes[r : r + height, c : c + width] = block.codes[:height, :width]
        for name, own in block.layers.items():
            whole.layers[name][:, r : r + height, c : c + width] = own[:, :height, :width]
        novel_px, compared_px = novel_px + block.novel_px, compared_px + block.compared_px
        advance()
    assert whole is not None  # windows without blocks are left out
    return replace(whole, novel_px=novel_px, compared_px=compared_px)
