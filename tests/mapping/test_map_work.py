"""What a map lacks are the strips of which a window is missing."""

from __future__ import annotations

from pathlib import Path

from landcover_bdgf.mapping.scene_map import Wanted, begin_map
from landcover_bdgf.mapping.settings import MapSettings
from landcover_bdgf.mapping.window_blocks import windows_of
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.stack import Stack


def test_strips_are_missing_until_all_their_windows_are_there(
    model: Checkpoint, wide_stack: Stack, tmp_path: Path
) -> None:
    begun = begin_map(model, wide_stack, tmp_path / "m.tif", Wanted(MapSettings(tile_px=128), Run()))
    assert begun is not None
    with begun.opened:
        work = begun.work
        filled = [strip for strip in work.strips if windows_of(work.stream, [strip])]
        assert work.missing() == filled
        first, *others = windows_of(work.stream, filled[:1])
        work.partial._file(first).touch()
        assert work.missing() == (filled if others else filled[1:])
        for window in others:
            work.partial._file(window).touch()
        assert work.missing() == filled[1:]
        assert work.counted().stack.spectral.counts is work.counts
