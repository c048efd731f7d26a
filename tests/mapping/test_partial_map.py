"""A partial map gives back the windows that were added, notices damage, and goes on only with the same run."""

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

from landcover_bdgf.errors import OutputError
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.labels.legend import Legend, LegendEntry
from landcover_bdgf.mapping.partial_map import PartialMap, Plan, begin_partial, read_partial
from landcover_bdgf.model.classifier import Classified

PLAN = Plan(
    identity={"scene": "a", "model": "b"},
    windows=[(0, 0, 4, 5), (0, 5, 4, 3), (4, 0, 2, 8)],
    grid=Grid(CRS.from_epsg(32633), Affine(10, 0, 0, 0, -10, 0), (6, 8)).to_dict(),
    legend=Legend((LegendEntry(1, "wood", (0, 90, 0), "wood"),)),
    layers={"confidence": "uint8", "probabilities": "uint16"},
    record={},
)
WINDOWS = [Window(0, 0, 5, 4), Window(5, 0, 3, 4), Window(0, 4, 8, 2)]


def piece(window: Window) -> Classified:
    rng = np.random.default_rng(window.col_off + 10 * window.row_off)
    shape = window.height, window.width
    confidence = rng.integers(0, 101, (1, *shape)).astype(np.uint8)
    probabilities = rng.integers(0, 10_001, (2, *shape)).astype(np.uint16)
    layers = {"confidence": confidence, "probabilities": probabilities}
    return Classified(rng.integers(0, 500, shape).astype(np.uint16), layers)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A partial map with three windows, added from bottom to top."""
    with begin_partial(tmp_path / "m.tif.partial", PLAN, resume=False, overwrite=False) as partial:
        for window in reversed(WINDOWS):
            partial.add(window, piece(window))
    return partial.path


def refused(path: Path, message: str, plan: Plan = PLAN, *, resume: bool = False, overwrite: bool = False) -> None:
    with (
        pytest.raises(OutputError, match=message),
        begin_partial(path, plan, resume=resume, overwrite=overwrite),
    ):
        pass


def check(partial: PartialMap) -> None:
    assert list(partial.windows()) == WINDOWS
    for window in WINDOWS:
        kept = partial.read_whole(window)
        np.testing.assert_array_equal(kept.codes, piece(window).codes)
        for name, layer in piece(window).layers.items():
            np.testing.assert_array_equal(kept.layers[name], layer, strict=True)
        assert [*partial.read(window, "confidence").layers] == ["confidence"]


def test_windows_come_back_from_top_to_bottom(path: Path) -> None:
    partial = read_partial(path)
    check(partial)
    assert partial.plan.shard == (1, 1)
    assert partial.finished_px == partial.plan.pixels == 48


@pytest.mark.parametrize(("name", "finished"), [
    ("4_0.npz", [True, True, False]), ("plan.json", [False] * 3), (".lock", [True] * 3),
])  # fmt: skip
def test_wherever_a_run_was_killed_the_finished_windows_count(path: Path, name: str, finished: list[bool]) -> None:
    """Also when it was removing the folder, plan first: then it is computed again."""
    (path / name).unlink()
    (path / ".4_0.npz.0123abcd.part").mkdir()
    with begin_partial(path, PLAN, resume=True, overwrite=False) as partial:
        assert [partial.has(window) for window in WINDOWS] == finished
        for window in WINDOWS:
            partial.add(window, piece(window))
        check(partial)


def test_any_flipped_bit_that_changes_a_window_is_noticed(path: Path) -> None:
    file = path / "0_5.npz"
    content = file.read_bytes()
    noticed = 0
    for at in range(len(content)):
        file.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
        try:
            check(read_partial(path))
        except OutputError:
            noticed += 1
    assert noticed > len(content) / 2


def test_a_damaged_window_is_computed_again(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (path / "0_5.npz").write_bytes((path / "0_5.npz").read_bytes()[:40])
    with pytest.raises(OutputError, match=r"0_5\.npz: is damaged \(.*\)\. Make the map again\."):
        read_partial(path).read_whole(WINDOWS[1])
    with begin_partial(path, PLAN, resume=True, overwrite=False) as partial:
        assert [partial.has(window) for window in WINDOWS] == [True, False, True]
    assert "0_5.npz: is damaged" in caplog.text


def test_a_flipped_bit_in_the_plan_is_refused(path: Path) -> None:
    file = path / "plan.json"
    content = file.read_bytes()
    for at in range(len(content)):
        file.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 7]) + content[at + 1 :])
        with pytest.raises(OutputError, match=r"is damaged|is not a partial map"):
            read_partial(path)


def test_a_run_that_goes_on_takes_nothing_from_the_folder_but_its_windows(path: Path) -> None:
    now = PLAN.model_copy(update={"record": {"seed": 2}})
    with begin_partial(path, now, resume=True, overwrite=False) as partial:
        check(partial)
        assert partial.plan == now


def test_another_run_is_refused_with_the_differences(path: Path) -> None:
    other = PLAN.model_copy(update={"identity": {"scene": "a", "model": "c"}})
    refused(path, "belongs to another run: another model. Give the inputs and options of that run", other, resume=True)
    shard = PLAN.model_copy(update={"shard": (1, 2)})
    refused(path, r"another run: shard was \[1, 1\], is \[1, 2\]", shard, resume=True)
    refused(path, "Continue it with `resume` if it was this run; else choose another name, or `overwrite` it")
    check(read_partial(path))
    with begin_partial(path, other, resume=False, overwrite=True) as partial:
        assert partial.finished_px == 0
    assert read_partial(path).plan.identity == other.identity


@pytest.mark.parametrize("name", ["notes.txt", "plan.json"])
@pytest.mark.parametrize("how", [{}, {"resume": True}, {"overwrite": True}])
def test_a_folder_of_somebody_else_is_refused_and_kept(tmp_path: Path, name: str, how: dict[str, bool]) -> None:
    (tmp_path / name).write_text('{"plan": "mine"}')
    refused(tmp_path, r"is not a partial map\. Expected a \.partial folder from bdgf map\.", **how)
    with pytest.raises(OutputError, match="is not a partial map"):
        read_partial(tmp_path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ['{"plan": "mine"}']


def test_a_file_or_nothing_is_no_partial_map(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"my notes")
    for name, problem in (("file", "is not a partial map"), ("nothing", "does not exist")):
        with pytest.raises(OutputError, match=f"{name}: {problem}"):
            read_partial(tmp_path / name)


def test_two_runs_do_not_write_one_folder(path: Path) -> None:
    with begin_partial(path, PLAN, resume=True, overwrite=False):
        refused(path, "another run is making this map", resume=True, overwrite=True)
        refused(path, "another run is making this map", overwrite=True)
    check(read_partial(path))
