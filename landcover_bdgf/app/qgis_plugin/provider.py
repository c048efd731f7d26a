"""The provider: the algorithms in the group bdgf of the toolbox, its models, and its setting."""

from __future__ import annotations

import os

from processing.core.ProcessingConfig import ProcessingConfig, Setting
from qgis.core import Qgis, QgsMessageLog, QgsProcessingModelAlgorithm, QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithm import Algorithm
from .command_line import EXECUTABLE, FOLDER, read_algorithms


class Provider(QgsProcessingProvider):
    """The algorithms of bdgf."""

    def id(self) -> str:
        """The part of their names before the colon."""
        return "bdgf"

    def name(self) -> str:
        """The name of the group."""
        return "bdgf"

    def longName(self) -> str:
        """The name with a word about it."""
        return "bdgf: land-cover maps"

    def icon(self) -> QIcon:
        """The icon of the plugin."""
        return QIcon(os.path.join(FOLDER, "icon.svg"))

    def load(self) -> bool:
        """Add the setting and the algorithms."""
        ProcessingConfig.settingIcons[self.name()] = self.icon()
        text = "bdgf executable (empty: that which installed the plugin)"
        ProcessingConfig.addSetting(Setting(self.name(), EXECUTABLE, text, "", valuetype=Setting.FILE))
        ProcessingConfig.readSettings()
        self.refreshAlgorithms()
        return True

    def unload(self) -> None:
        """Take the setting away."""
        ProcessingConfig.removeSetting(EXECUTABLE)

    def loadAlgorithms(self) -> None:
        """The commands of bdgf, and the models of the plugin."""
        try:
            found = read_algorithms()
        except (OSError, ValueError) as error:
            text = f"the plugin is incomplete ({error}). Run bdgf qgis install."
            QgsMessageLog.logMessage(text, "bdgf", Qgis.Critical)
            return
        for each in found:
            self.addAlgorithm(Algorithm(each))
        for name in sorted(os.listdir(FOLDER)):
            model = QgsProcessingModelAlgorithm()
            if name.endswith(".model3") and model.fromFile(os.path.join(FOLDER, name)):
                self.addAlgorithm(model)

    def supportsNonFileBasedOutput(self) -> bool:
        """Outputs are files; bdgf writes no database."""
        return False

    def supportedOutputRasterLayerExtensions(self) -> list[str]:
        """Of maps."""
        return ["tif"]

    def supportedOutputVectorLayerExtensions(self) -> list[str]:
        """Of polygons and points."""
        return ["gpkg"]

    def defaultVectorFileExtension(self, hasGeometry: bool = True) -> str:
        """Of polygons and points, whatever the options of Processing say."""
        return "gpkg"

    def defaultRasterFileExtension(self) -> str:
        """Of maps, whatever the options of Processing say."""
        return "tif"
