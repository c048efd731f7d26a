"""Stand-ins for libraries of rasters and vectors that a machine lacks, so that benchmarks on arrays run there.

Modules of the package import them even where they only compute. What a stand-in offers is good for imports alone; only
windows, which are four numbers, are real.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

LIBRARIES = ("SimpleITK", "affine", "geopandas", "platformdirs", "pyogrio", "pyproj", "rasterio", "shapely")


@dataclass(frozen=True)
class Window:
    """As ``rasterio.windows.Window``."""

    col_off: int
    row_off: int
    width: int
    height: int


class StandIn(ModuleType):
    """A module that has any name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Window if name == "Window" else MagicMock(name=f"{self.__name__}.{name}")


class Finder:
    """Finds the missing libraries and their modules."""

    def __init__(self, missing: list[str]) -> None:
        self.missing = missing

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        found = name.split(".")[0] in self.missing
        return ModuleSpec(name, self, is_package=True) if found else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run."""


def stand_in_for_missing() -> list[str]:
    """Put stand-ins in place of the missing libraries; returns their names."""
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    sys.meta_path.append(Finder(missing))  # type: ignore[arg-type]
    return missing
