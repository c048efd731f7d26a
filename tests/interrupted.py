"""A run that is interrupted among the files that it publishes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def stopped_at(number: int, folder: Path) -> Iterator[None]:
    """A run that ends when its number-th file, from 1, would come into a folder."""
    replace, seen = os.replace, list[Path]()

    def stop(source: Path, target: Path) -> None:
        seen.extend([Path(target)] if Path(target).parent == folder else [])
        if len(seen) == number:
            raise KeyboardInterrupt
        replace(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            yield
