"""The plugin of bdgf for QGIS 3: algorithms of the Processing toolbox that run the command ``bdgf``.

QGIS runs it from a profile, where ``bdgf qgis install`` puts it; bdgf itself imports nothing from here. It needs only
QGIS's own Python (3.9 or newer) and PyQt.
"""

from __future__ import annotations

from typing import Any


def classFactory(iface: Any) -> Any:
    """The plugin."""
    from .plugin import Plugin

    return Plugin()
