"""Parameters of QGIS, made from the options of a command."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)

PATH = "_path"  # suffix of the parameter that takes a path in place of a layer
WITH_PATH = ("image", "features or file")  # kinds that have one


class _LayerOrPath(QgsProcessingParameterRasterLayer):
    """A raster layer that is needed unless its path is given, so that QGIS must not write "[optional]" next to it."""

    def checkValueIsAcceptable(self, value: Any, context: Any = None) -> bool:
        """Also without a layer; :meth:`~.algorithm.Algorithm.checkParameterValues` looks at both."""
        return True

    def clone(self) -> _LayerOrPath:
        """Another one."""
        return _LayerOrPath(self.name(), self.description())


def definitions(option: dict[str, Any]) -> list[QgsProcessingParameterDefinition]:
    """The parameters of an option: one; for what may also be no layer, a second one for its path."""
    made = [_of_kind(option)]
    if option["kind"] in WITH_PATH:
        made.append(_path(option))
    for each in made:
        each.setHelp(option["help"])
        if option["advanced"] or each.name().endswith(PATH):
            each.setFlags(each.flags() | QgsProcessingParameterDefinition.FlagAdvanced)
    return made


def _path(option: dict[str, Any]) -> QgsProcessingParameterDefinition:
    name, title = option["name"] + PATH, option["label"].split(":")[0]
    if option["kind"] == "image":
        none = ", or none" if option["name"] == "sar" else ""
        label = f"{title}, in place of the layer: a folder, files joined by commas{none}"
        return QgsProcessingParameterFile(name, label, QgsProcessingParameterFile.Folder, optional=True)
    label = f"{title}, in place of the layer: a file"
    return QgsProcessingParameterFile(name, label, optional=True, fileFilter=option["filter"])


def _of_kind(option: dict[str, Any]) -> QgsProcessingParameterDefinition:
    name, label, kind = option["name"], option["label"], option["kind"]
    default = option["default"]
    optional = not option["required"] and default is None  # then QGIS writes "[optional]"
    if kind == "image" and not optional:
        return _LayerOrPath(name, label)
    if kind in ("image", "raster"):
        return QgsProcessingParameterRasterLayer(name, label, optional=optional)
    if kind in ("features", "features or file"):
        return QgsProcessingParameterFeatureSource(name, label, [QgsProcessing.TypeVector], None, optional)
    if kind == "field":
        return QgsProcessingParameterField(name, label, None, option["layer"], optional=optional)
    if kind == "file":
        return QgsProcessingParameterFile(name, label, optional=optional, fileFilter=option["filter"])
    if kind == "new raster":
        return QgsProcessingParameterRasterDestination(name, label, None, optional, True)
    if kind == "new features":
        return QgsProcessingParameterVectorDestination(
            name, label, QgsProcessing.TypeVector, None, optional, not optional
        )
    if kind == "new file":
        return QgsProcessingParameterFileDestination(name, label, option["filter"], None, optional, name == "output")
    if kind == "new folder":
        return QgsProcessingParameterFolderDestination(name, label, None, optional, True)
    if kind == "flag":
        return QgsProcessingParameterBoolean(name, label, default, optional)
    if kind == "choice":
        choices = option["choices"]
        return QgsProcessingParameterEnum(name, label, choices, False, default, optional, usesStaticStrings=True)
    if kind in ("integer", "number"):
        of_type = QgsProcessingParameterNumber.Integer if kind == "integer" else QgsProcessingParameterNumber.Double
        return QgsProcessingParameterNumber(name, label, of_type, default, optional)
    return QgsProcessingParameterString(name, label, default, option["several"], optional)
