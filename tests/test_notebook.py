"""In a notebook, settings show their changes, tables are escaped, and progress is a bar."""

from __future__ import annotations

import builtins
import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from landcover_bdgf.notebook import table
from landcover_bdgf.progress import log, progress
from landcover_bdgf.settings import changed_settings


@dataclass
class Settings:
    place: Path
    side_px: int = 9
    names: list[str] = field(default_factory=list)

    __repr__ = changed_settings


def test_settings_show_their_changes() -> None:
    assert repr(Settings(Path("a.tif"))) == "Settings(place='a.tif')"
    assert repr(Settings(Path("a.tif"), 5, ["b"])) == "Settings(place='a.tif', side_px=5, names=['b'])"


def test_cells_of_a_table_are_escaped() -> None:
    assert table([["<script>", 1]], ["a"]) == (
        "<table><tr><th>a</th></tr><tr><td>&lt;script&gt;</td><td>1</td></tr></table>"
    )


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What a notebook shows, as rich hands it over to IPython and ipywidgets, which need not be installed."""
    outputs: list[object] = []

    class ZMQInteractiveShell:
        """By this name rich knows a notebook."""

    class Output:
        """A place in a notebook that is written to again and again."""

        def __enter__(self) -> None: ...
        def __exit__(self, *error: object) -> None: ...
        def clear_output(self, wait: bool) -> None: ...

    modules = {name: ModuleType(name) for name in ("IPython", "IPython.display", "ipywidgets")}
    modules["IPython.display"].display = outputs.append  # type: ignore[attr-defined]
    modules["ipywidgets"].Output = Output  # type: ignore[attr-defined]
    modules["ipywidgets"].__spec__ = sys.__spec__
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(builtins, "get_ipython", ZMQInteractiveShell, raising=False)
    return outputs


@pytest.mark.parametrize(("level", "seen"), [(logging.NOTSET, True), (logging.INFO, True), (logging.ERROR, False)])
def test_progress_in_a_notebook(shown: list[object], level: int, seen: bool) -> None:
    log.setLevel(level)
    with progress("map", total=2) as advance:
        advance(2)
    assert any("2/2" in str(getattr(each, "text", "")) for each in shown) == seen
