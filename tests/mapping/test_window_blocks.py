"""The windows of a map cover it once, and are the same from strips computed together or alone."""

from __future__ import annotations

import numpy as np

from landcover_bdgf.mapping.window_blocks import classified_windows, corners, windows_of
from landcover_bdgf.model.blocks import BlockStream
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.classifier import Classified, Classifier
from landcover_bdgf.model.run import Run
from landcover_bdgf.model.workers import open_mappers
from landcover_bdgf.scene.band_reader import ReadCounts
from landcover_bdgf.scene.stack import Stack


def test_windows_cover_the_scene_once(model: Checkpoint, wide_stack: Stack) -> None:
    stream = BlockStream(wide_stack, model.scaling, model.recipe.halo_px, 128)
    windows = windows_of(stream, range(stream.strips))
    assert sum(window.height * window.width for window in windows) == 300 * 200
    assert sorted(corner for window in windows for corner in corners(window)) == [
        (row, col) for row in (0, 128, 256) for col in (0, 128)
    ]


def test_strips_alone_give_the_same_windows_and_count_each_pixel_once(model: Checkpoint, wide_stack: Stack) -> None:
    classifier = Classifier(model, Run(threads=1))

    def computed(strips: list[int], counts: ReadCounts) -> list[Classified]:
        stream = BlockStream(wide_stack.counting(counts), model.scaling, model.recipe.halo_px, 128)
        with open_mappers(Run(threads=1), classifier.viewer.device) as workers:
            found = classified_windows(classifier, workers, stream, strips, lambda steps=1, note="": None)
            return [piece for _, piece in found]

    together, alone = ReadCounts(), ReadCounts()
    whole = computed([0, 1, 2], together)
    parts = [piece for strip in (2, 1) for piece in computed([strip], alone)]  # the first completes nothing
    codes = sorted(piece.codes.tobytes() for piece in whole)
    assert codes == sorted(piece.codes.tobytes() for piece in parts)
    assert together == alone
    assert np.unique(whole[0].codes).size > 1
