"""The cache removes drafts of killed runs, and only its own."""

from pathlib import Path

from landcover_bdgf.storage import cache
from landcover_bdgf.storage.atomic import draft_folder


def test_what_killed_runs_left_in_the_cache_goes(tmp_path: Path) -> None:
    left, theirs = tmp_path / f".{'0' * 64}.safetensors.0123abcd.part", tmp_path / ".map.tif.0123abcd.part"
    left.mkdir()
    theirs.mkdir()
    with draft_folder(tmp_path / f"{'1' * 64}.safetensors") as live:
        cache._make_room(tmp_path, 100)
        assert set(tmp_path.iterdir()) == {live, theirs}
