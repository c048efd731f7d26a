"""The recipes that ship, each as what differs from the default settings."""

from __future__ import annotations

from typing import Any

_ALL = ("cnn", "transformer", "mamba")
_LONG: dict[str, Any] = {"network": "3d", "target": "noise", "tile_px": 64, "batch": 16, "learning_rate": 4e-4}
_BASE: dict[str, Any] = {
    "name": "base",
    "spectral": {"max_components": 62},
    "diffusion": {"width": 0.5, "steps": 20_000, **_LONG},
    "fusion": {
        "guidance": _ALL, "attention_channels": 64, "mamba_channels": 64, "mamba_states": 16, "group_channels": 64,
    },
    "training": {"steps": 3000, "learning_rate": 4e-4},
}  # fmt: skip
_PAPER: dict[str, Any] = {
    "name": "paper",
    "spectral": {"max_bands": 30, "max_components": 30},
    "diffusion": {"width": 1.0, "steps": 30_000, **_LONG, "tile_px": 32, "power_of_two": True},
    "features": {"noise": "keyed"},
    "fusion": {
        "network": "literal", "guidance": _ALL, "cnn_widths": (8, 16, 64), "mamba_channels": 64,
        "mamba_states": 16, "dropout": 0.0, "average_px": 1,
    },
    "context": {"sizes_px": ()},
    "pixel": {"hidden": 0},
    "mutual": {"branch_weight": 0.0, "temperature_limits": None, "tempered": False},
    "training": {
        **_BASE["training"], "augment": False, "balanced": False, "label_smoothing": 0.0, "averaged_share": 0.0,
        "folds": 0,
    },
}  # fmt: skip
PRESETS: dict[str, dict[str, Any]] = {"laptop": {}, "base": _BASE, "paper": _PAPER}
