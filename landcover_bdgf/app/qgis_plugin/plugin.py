"""The plugin: adds the provider to Processing, and takes it away."""

from __future__ import annotations

from qgis.core import QgsApplication

from .provider import Provider


class Plugin:
    """Called by QGIS; ``initProcessing`` also by ``qgis_process``, which has no window."""

    def __init__(self) -> None:
        self.provider: Provider | None = None

    def initProcessing(self) -> None:
        """Add the algorithms."""
        self.provider = Provider()
        QgsApplication.processingRegistry().addProvider(self.provider)
        self.provider.refreshAlgorithms()  # again: models find the algorithms of a provider that is registered

    def initGui(self) -> None:
        """Add the algorithms."""
        self.initProcessing()

    def unload(self) -> None:
        """Take the algorithms away."""
        QgsApplication.processingRegistry().removeProvider(self.provider)
