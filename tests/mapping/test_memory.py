"""What a map takes is foreseen: more for more threads, tiles and bands; what cannot fit is refused before work."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from landcover_bdgf.errors import ResourceError, SettingsError
from landcover_bdgf.mapping.memory import MemoryUse, fitting, parse_size, return_memory
from landcover_bdgf.model.recipe import load_recipe
from landcover_bdgf.scene.stack import Stack

SENTINEL = MemoryUse(3000, 14, 14, 1830, 17, 2**18)


@pytest.mark.parametrize(("text", "size"), [("4GB", 4e9), ("1.5 gb", 1.5e9), ("900MB", 9e8), ("2GiB", 2e9), ("7", 7)])
def test_sizes_as_people_write_them(text: str, size: float) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1GB", "0", "4 GBB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"is not a size\. Write it like 4GB"):
        parse_size(text)


def test_more_of_anything_takes_more() -> None:
    base = SENTINEL.bytes_for(256, 2)
    assert SENTINEL.bytes_for(512, 2) > base
    assert SENTINEL.bytes_for(256, 4) > base
    for wider in (MemoryUse(9000, 14, 14, 1830, 17, 2**18), MemoryUse(3000, 226, 32, 3040, 17, 2**18)):
        assert wider.bytes_for(256, 2) > base
    assert replace(SENTINEL, layer_bytes=20).bytes_for(256, 2) > base + 20 * 256**2
    assert replace(SENTINEL, sieve_bytes=10**9).bytes_for(256, 2) == base + 10**9
    assert replace(SENTINEL, file_block=2**28).bytes_for(256, 2) > base + 2**28  # must be decoded whole


def test_freed_memory_is_returned_where_the_system_can() -> None:
    """Of many small arrays, of which a last one keeps the heap from shrinking by itself."""
    psutil = pytest.importorskip("psutil")
    arrays = [np.ones(16_000) for _ in range(1000)]
    last, before = arrays[-1], psutil.Process().memory_info().rss
    del arrays
    return_memory()
    assert last.all()
    if sys.platform == "linux":
        assert psutil.Process().memory_info().rss < before - 5e7


def test_many_bands_take_what_was_measured() -> None:
    """Six dates of both sensors, 1024 px wide, took 1.47 GB with GDAL's cache of 75 MB."""
    dates = MemoryUse(width_px=1024, raw_bands=72, channels=72, floats=2417, halo_px=20, file_block=1_310_720)
    assert dates.bytes_for(256, 1) + 75e6 > 1.47e9


def test_novelty_is_counted_as_every_map_compares_some_blocks(stack: Stack) -> None:
    """A block of the recipe laptop takes about 43 MB more where it is compared."""
    floats, recipe = [], load_recipe("laptop")
    for branches in ("mamba,transformer,cnn", "cnn"):
        floats.append(MemoryUse.of(stack, load_recipe("laptop", (f"fusion.branches={branches}",))).floats)
    assert floats[0] - floats[1] >= 2 * 2 * recipe.fusion.d


def test_windows_by_themselves_are_counted(stack: Stack) -> None:
    """They take 300 MB of a thread at the width of the recipe paper, whatever the number of bands."""
    shared, literal = (
        MemoryUse.of(stack, load_recipe("paper", (f"fusion.network={n}",))) for n in ("shared", "literal")
    )
    assert literal.bytes_for(256, 2) - literal.bytes_for(256, 1) > 3e8
    assert literal.floats > shared.floats


def test_tiles_are_as_asked_where_they_fit_and_too_little_is_refused() -> None:
    assert fitting(SENTINEL, 10**11, tile_px=512, threads=8) == (256, 8)
    assert fitting(SENTINEL, 10**11, tile_px=100, threads=8) == (100, 8)
    with pytest.raises(ResourceError, match=r"takes at least \d\.\d+ GB"):
        fitting(SENTINEL, 10**8, tile_px=512, threads=8)


@pytest.mark.parametrize("cap", [int(1.3e9), int(1.5e9), int(1.7e9), int(2e9), int(4e9)])
def test_nothing_exceeds_the_cap_and_the_number_of_threads_does_not_choose_the_tiles(cap: int) -> None:
    fitted = [fitting(SENTINEL, cap, tile_px=512, threads=threads) for threads in (1, 4, 8, 64)]
    assert all(SENTINEL.bytes_for(tile_px, threads) <= cap for tile_px, threads in fitted)
    assert len({tile_px for tile_px, _ in fitted}) == 1
