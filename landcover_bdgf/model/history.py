"""Values logged while a network is trained: one row per step."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass
class History:
    """Logged values: named columns of equal length, ``loss`` always among them."""

    columns: dict[str, list[float]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.columns.get("loss", ()))

    def series(self, name: str) -> list[float]:
        """The values of a column; empty if it was never logged."""
        return self.columns.get(name, [])

    def add(self, values: dict[str, float]) -> None:
        """Append a row; all rows have the same columns."""
        for name, value in values.items():
            self.columns.setdefault(name, []).append(value)

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Column name to float64 array (steps,)."""
        return {name: np.array(values) for name, values in self.columns.items()}

    @classmethod
    def of(cls, arrays: dict[str, NDArray[np.float64]]) -> History:
        """The inverse of :meth:`arrays`; ValueError if lengths differ or there is no loss."""
        if arrays and ("loss" not in arrays or {v.shape for v in arrays.values()} != {(arrays["loss"].size,)}):
            raise ValueError("its loss history is incomplete")
        return cls({name: values.tolist() for name, values in arrays.items()})

    def write_csv(self, path: Path) -> None:
        """One line per step, counted from 1; columns are ``loss``, then the others by name."""
        names = sorted(self.columns, key=lambda name: (name != "loss", name))
        rows = zip(*(self.columns[name] for name in names), strict=True)
        lines = [f"{step}," + ",".join(f"{v:.6g}" for v in row) for step, row in enumerate(rows, 1)]
        path.write_text("\n".join([",".join(["step", *names]), *lines]) + "\n", encoding="utf-8")
