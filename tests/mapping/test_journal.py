"""A journal gives back what was added, drops what a crash cut short, and goes on only with the same run."""

from pathlib import Path

import numpy as np
import pytest
from rasterio.windows import Window

from landcover_bdgf.errors import OutputError
from landcover_bdgf.mapping.journal import Journal, begin_journal, read_journal
from landcover_bdgf.model.classifier import Classified

HEADER = {"identity": {"scene": "a", "model": "b"}, "shard": [1, 1]}
WINDOWS = [Window(0, 0, 5, 4), Window(5, 0, 3, 4), Window(0, 4, 8, 2)]


def piece(window: Window) -> Classified:
    rng = np.random.default_rng(window.col_off + 10 * window.row_off)
    shape = window.height, window.width
    return Classified(rng.integers(0, 500, shape).astype(np.uint16), rng.integers(0, 101, (2, *shape)).astype(np.uint8))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with three windows, added from bottom to top."""
    with begin_journal(tmp_path / "m.tif.partial", HEADER, resume=False, overwrite=False) as journal:
        for window in reversed(WINDOWS):
            journal.add(window, piece(window))
    return journal.path


def check(journal: Journal, windows: list[Window]) -> None:
    found = list(journal.pieces())
    assert [window for window, _ in found] == windows
    for window, kept in found:
        np.testing.assert_array_equal(kept.codes, piece(window).codes)
        np.testing.assert_array_equal(kept.layers, piece(window).layers)


def test_windows_come_back_from_top_to_bottom(path: Path) -> None:
    with read_journal(path) as journal:
        check(journal, WINDOWS)
        assert journal.header["shard"] == [1, 1]


def test_wherever_a_crash_cuts_the_file_the_whole_records_before_it_count(path: Path) -> None:
    whole = path.read_bytes()
    for end in range(0, len(whole), 7):  # also inside the header, before anything was finished
        path.write_bytes(whole[:end])
        with begin_journal(path, HEADER, resume=True, overwrite=False) as journal:
            kept = [window for window, _ in journal.pieces()]
            for window in [w for w in WINDOWS if not journal.has(w)]:
                journal.add(window, piece(window))
            check(journal, WINDOWS)
        assert kept == [w for w in WINDOWS if w in kept]


def test_a_file_of_somebody_elses_is_not_taken_for_a_crash(path: Path) -> None:
    path.write_bytes(b"my notes, one line")
    with pytest.raises(OutputError, match="is no part of a map"):
        begin_journal(path, HEADER, resume=True, overwrite=False)
    assert path.read_bytes() == b"my notes, one line"


def test_a_flipped_bit_is_noticed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with read_journal(path) as journal:
        check(journal, WINDOWS[1:])


def test_a_flipped_bit_in_the_header_is_refused(path: Path) -> None:
    content = path.read_bytes()
    for at in range(content.index(b"\n") + 1):
        for bit in range(8):
            path.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
            for resume in (True, False):
                with pytest.raises(OutputError, match=r"is damaged|is no part of a map"):
                    begin_journal(path, HEADER, resume=True, overwrite=False) if resume else read_journal(path)


def test_a_run_that_goes_on_takes_nothing_from_the_file_but_its_windows(path: Path) -> None:
    now = HEADER | {"grid": "of this run"}
    with begin_journal(path, now, resume=True, overwrite=False) as journal:
        check(journal, WINDOWS)
        assert journal.header == now


def test_a_journal_of_another_run_is_not_mixed_in(path: Path) -> None:
    other = {"identity": {"scene": "a", "model": "c"}}
    with pytest.raises(OutputError, match="belongs to another run: model was b, is c"):
        begin_journal(path, other, resume=True, overwrite=False)
    with pytest.raises(OutputError, match="Go on with --resume"):
        begin_journal(path, HEADER, resume=False, overwrite=False)
    with begin_journal(path, other, resume=False, overwrite=True) as journal:
        assert not journal.places


@pytest.mark.parametrize("content", [b"", b"no json\n", b"[]\n", b'{"kind": "bdgf map journal", "identity": 3}\n'])
def test_what_is_no_journal_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(OutputError, match="is no part of a map"):
        read_journal(tmp_path / "x")


def test_two_runs_do_not_write_one_journal(path: Path) -> None:
    before = path.read_bytes()
    with begin_journal(path, HEADER, resume=True, overwrite=False):
        for resume in (True, False):
            with pytest.raises(OutputError, match="another run is making this map"):
                begin_journal(path, HEADER, resume=resume, overwrite=True)
    assert path.read_bytes() == before
