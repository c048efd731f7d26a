"""File systems without locks."""

import errno
import os

import pytest


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a network file system whose server knows none."""
    fcntl = pytest.importorskip("fcntl")

    def unsupported(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", unsupported)
