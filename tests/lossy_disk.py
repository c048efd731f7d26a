"""A disk that loses part of what is written."""

from collections.abc import Callable
from pathlib import Path


def zeros(path: Path) -> None:
    """A disk that gives back nothing but zeros, in the second half of a file."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size - size // 2)
        file.write(bytes(size // 2))


def spoiled(write: Callable[..., object], place: int) -> Callable[..., object]:
    """A function that writes a file and loses some of it."""

    def spoil(*arguments: object) -> object:
        result = write(*arguments)
        zeros(Path(str(arguments[place])))
        return result

    return spoil
