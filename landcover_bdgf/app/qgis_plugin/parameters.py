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
        label = f"{title}, in place of a layer: a folder, or files joined by commas"
        return QgsProcessingParameterFile(name, label, QgsProcessingParameterFile.Folder, optional=True)
    label = f"{title}, in place of a layer: a file"
    return QgsProcessingParameterFile(name, label, optional=True, fileFilter=option["filter"])


def _of_kind(option: dict[str, Any]) -> QgsProcessingParameterDefinition:
    name, label, kind = option["name"], option["label"], option["kind"]
    default = option["default"]
    optional = kind in WITH_PATH or (not option["required"] and default is None)  # else QGIS writes "[optional]"
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
