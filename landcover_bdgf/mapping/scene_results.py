"""What became of the scenes of a table: as text, and as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from landcover_bdgf.errors import BdgfError
from landcover_bdgf.progress import duration
from landcover_bdgf.storage import atomic_output
from landcover_bdgf.text import printable, rough_percent

_SHOWN_CLASSES = 3
_COLUMNS = ("scene", "line", "status", "map", "px", "seconds", "warnings", "error")


@dataclass(frozen=True)
class SceneResult:
    """What became of one scene.

    Attributes
    ----------
    name : str
        Of the scene.
    line : int
        Of the table.
    status : "mapped", "complete" or "failed"
        Complete: an earlier run has mapped it.
    path : Path
        The map; missing if the scene failed.
    seconds : float
    pixels : dict of str to int
        Of each class in the map.
    warnings : tuple of str
    error : BdgfError, optional
        Why it failed.
    """

    name: str
    line: int
    status: Literal["mapped", "complete", "failed"]
    path: Path
    seconds: float
    pixels: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: BdgfError | None = None

    @property
    def mapped_px(self) -> int:
        """Pixels with a class."""
        return sum(self.pixels.values())

    @property
    def shares(self) -> dict[str, float]:
        """Of the classes among them, the largest first."""
        total = max(1, self.mapped_px)
        return {name: px / total for name, px in sorted(self.pixels.items(), key=lambda item: -item[1])}

    def to_dict(self, tell: Callable[[BdgfError], str] = str) -> dict[str, Any]:
        """As JSON types; ``tell`` makes a line of an error."""
        return {
            "scene": self.name,
            "line": self.line,
            "status": self.status,
            "map": None if self.error else str(self.path),
            "px": self.mapped_px,
            "seconds": round(self.seconds, 1),
            "shares": self.shares,
            "warnings": list(self.warnings),
            "error": tell(self.error) if self.error else None,
        }


def result_lines(results: Sequence[SceneResult], tell: Callable[[BdgfError], str] = str) -> list[str]:
    """A line for each scene, in columns, failures last; ``tell`` makes a line of an error."""
    made = [result for result in results if result.error is None]
    rows = [_cells(result) for result in made]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    failed = [f"{printable(each.name)}: failed. {tell(each.error)}" for each in results if each.error is not None]
    return [*lines, *failed]


def _cells(result: SceneResult) -> tuple[str, ...]:
    largest = list(result.shares.items())[:_SHOWN_CLASSES]
    classes = ", ".join(f"{printable(name)} {rough_percent(share)}" for name, share in largest if share)
    count = len(result.warnings)
    warned = f"{count} warning{'s' * (count > 1)}" if count else ""
    px = f"{result.mapped_px:,} px"
    return printable(result.name), result.status, px, duration(result.seconds), classes or "nothing mapped", warned


def write_results(results: Sequence[SceneResult], path: Path, tell: Callable[[BdgfError], str] = str) -> None:
    """Write a CSV with a row for each scene and a column for the share of each class in percent."""
    classes = list(dict.fromkeys(name for result in results for name in result.pixels))
    with atomic_output(path, overwrite=True) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*_COLUMNS, *(f"{printable(name)} %" for name in classes)])
        for result in results:
            values = result.to_dict(tell) | {"warnings": len(result.warnings)}
            values["map"] = "" if result.error else result.path.name
            shares = [f"{100 * result.shares[name]:.2f}" if name in result.pixels else "" for name in classes]
            table.writerow([*(values[column] for column in _COLUMNS), *shares])
