"""Layers of QGIS as files for bdgf, and files of bdgf as layers of QGIS."""

from __future__ import annotations

import os
from typing import Any

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingUtils,
    QgsProviderRegistry,
    QgsRasterLayer,
    QgsVectorLayer,
)

FORMATS = ["gpkg", "shp", "geojson", "fgb", "kml"]  # that bdgf reads
EXPORT = "Export it with Layer > Save As, and choose the new layer."


def raster_file(layer: QgsRasterLayer) -> str:
    """The file of a raster layer.

    Raises
    ------
    QgsProcessingException
        It has none, such as a web map.
    """
    provider, source = layer.providerType(), layer.source()
    parts = QgsProviderRegistry.instance().decodeUri(provider, source) if provider == "gdal" else {}
    path = str(parts.get("path") or "")
    if not os.path.exists(path) or parts.get("layerName") or parts.get("vsiPrefix"):
        kind = f"provider {provider}" if provider != "gdal" else "a part of a file, or a file that is gone"
        raise QgsProcessingException(f"{layer.name()}: is no raster file ({kind}). {EXPORT}")
    return path


def features_file(
    algorithm: QgsProcessingAlgorithm, name: str, parameters: dict[str, Any], context: QgsProcessingContext,
    feedback: QgsProcessingFeedback, *, layer_option: bool,
) -> tuple[str, str, str]:  # fmt: skip
    """The file of a vector layer, the name of the layer in it where that must be told, and how messages call it.

    A file that shows what the layer does is taken itself. A layer with a selection, a filter, edits that are not saved,
    a CRS of the user's or another provider is written to a temporary GeoPackage; so is one of several in a file if
    bdgf has no option for its name (``layer_option``).

    Raises
    ------
    QgsProcessingException
        Only the selected features are wanted, and none is selected.
    """
    layer, only_selected = _vector_layer(parameters[name], context)
    formats = FORMATS
    if layer is not None:
        if only_selected and not layer.selectedFeatureCount():
            raise QgsProcessingException(f"{layer.name()}: no feature is selected. Select some, or use all.")
        in_file = QgsVectorLayer(layer.source(), "", layer.providerType())
        several = "layername=" in layer.source() and not layer_option
        if layer.isModified() or several or (in_file.isValid() and in_file.crs() != layer.crs()):
            formats = []  # of which the file is none, so QGIS writes one
    path, inside = algorithm.parameterAsCompatibleSourceLayerPathAndLayerName(
        parameters, name, context, formats, "gpkg", feedback
    )
    if layer is None or layer.source().split("|")[0] == path:
        return path, inside if layer_option else "", path
    return path, "", layer.name()


def _vector_layer(value: Any, context: QgsProcessingContext) -> tuple[QgsVectorLayer | None, bool]:
    """The layer of a parameter, and whether only its selected features are wanted."""
    only_selected = False
    if isinstance(value, QgsProcessingFeatureSourceDefinition):
        only_selected = value.selectedFeaturesOnly
        value = value.source.valueAsString(context.expressionContext())[0]
    if isinstance(value, str):
        value = QgsProcessingUtils.mapLayerFromString(value, context)
    return (value if isinstance(value, QgsVectorLayer) else None), only_selected


class _Styled(QgsProcessingLayerPostProcessorInterface):
    """Gives a loaded layer the style that bdgf wrote with it."""

    def postProcessLayer(self, layer: Any, context: Any, feedback: Any) -> None:
        """Called by QGIS."""
        layer.loadDefaultStyle()
        layer.triggerRepaint()


_KEPT: list[_Styled] = []  # QGIS owns and deletes them, but would lose what Python has added


def show_layer(path: str, title: str, context: QgsProcessingContext, *, output: str) -> None:
    """Let QGIS load a file with its style when all is done; ``title`` is the name of the layer.

    One that the user does not want to see is not loaded: QGIS knows of an output whether it is wanted.
    """
    if not context.willLoadLayerOnCompletion(path):
        project = context.project()
        wanted = QgsProcessingContext.LayerDetails(title, project, output, QgsProcessingUtils.LayerHint.Raster)
        context.addLayerToLoadOnCompletion(path, wanted)
    details = context.layerToLoadOnCompletionDetails(path)
    details.name, details.forceName = title, True
    styled = _Styled()  # one for each layer: QGIS deletes it with the layer's details
    _KEPT.append(styled)
    details.setPostProcessor(styled)
