"""A good scene with a model, shared by the tests that spoil it."""

from __future__ import annotations

from pathlib import Path

import make_bad as bad
import pytest


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of make_bad.good_scene. Tests link or copy its files and leave them as they are."""
    folder = tmp_path_factory.mktemp("good")
    bad.good_scene(folder)
    return folder
