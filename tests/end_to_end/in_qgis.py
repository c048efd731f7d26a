"""Cases for the plugin, run by the Python of QGIS: ``python3 in_qgis.py CASES.json`` writes what happened beside it."""

import json
import os
import sys
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingFeedback,
    QgsProcessingParameterDefinition,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)

sys.path += ["/usr/share/qgis/python/plugins", os.environ["BDGF_PLUGINS"]]
APP = QgsApplication([], True)
APP.initQgis()

import processing
from processing.core.Processing import Processing
from processing.core.ProcessingConfig import ProcessingConfig

Processing.initialize()
import bdgf

PLUGIN = bdgf.classFactory(None)
PLUGIN.initProcessing()
PROJECT = QgsProject.instance()


class Feedback(QgsProcessingFeedback):
    """Keeps what the user reads, and cancels at a line that starts with some words."""

    def __init__(self, stop_at: str = "") -> None:
        super().__init__(False)
        self.stop_at, self.lines, self.errors, self.progress_texts = stop_at, [], [], []
        self.bar: list[float] = []
        self.progressChanged.connect(self.bar.append)

    def pushInfo(self, text: str) -> None:
        self.lines.append(text)

    def pushWarning(self, text: str) -> None:
        self.lines.append("warning: " + text)

    def reportError(self, text: str, fatal: bool = False) -> None:
        self.errors.append(text)

    def setProgressText(self, text: str) -> None:
        self.progress_texts.append(text)
        if self.stop_at and text.startswith(self.stop_at):
            self.cancel()


def run(name: str, parameters: dict, stop_at: str = "", load: bool = True) -> dict:
    """Run an algorithm as the toolbox does; what the user sees, and the layers that were loaded."""
    PROJECT.clear()
    feedback, found = Feedback(stop_at), {}
    try:
        runner = processing.runAndLoadResults if load else processing.run
        found["results"] = runner(f"bdgf:{name}", parameters, feedback=feedback)
    except QgsProcessingException as error:
        found["error"] = str(error)
    found["layers"] = {layer.name(): described(layer) for layer in PROJECT.mapLayers().values()}
    return found | {
        "lines": feedback.lines,
        "progress": feedback.progress(),
        "texts": feedback.progress_texts,
        "bar": feedback.bar,
    }


def described(layer) -> list:
    """The classes that the legend of a layer shows, or the classes that its form offers."""
    if isinstance(layer, QgsRasterLayer):
        shown = layer.renderer()
        return [each.label for each in shown.classes()] if hasattr(shown, "classes") else [type(shown).__name__]
    widget = layer.editorWidgetSetup(layer.fields().indexOf("reference"))
    return [name for choice in widget.config().get("map", []) for name in choice]


def prepared(name: str, parameters: dict) -> dict:
    """The values that a command would get; errors before it starts."""
    algorithm = QgsApplication.processingRegistry().algorithmById(f"bdgf:{name}").create({})
    context, feedback = QgsProcessingContext(), Feedback()
    context.setProject(PROJECT)
    can_run, problem = algorithm.checkParameterValues(parameters, context)
    if not can_run:
        return {"values": {}, "errors": [problem]}
    algorithm.prepare(parameters, context, feedback)
    KEPT.append((algorithm, context))  # with its temporary files
    return {"values": algorithm._values, "errors": feedback.errors}


KEPT: list = []


def vector_cases(images: dict, labels: str) -> dict:
    """Labels as users have them in QGIS."""

    def check(layer, **more) -> dict:
        PROJECT.addMapLayer(layer)
        source = QgsProcessingFeatureSourceDefinition(layer.id(), **more)
        return prepared("check", {**images, "labels": source, "field": "class"})

    as_it_is = QgsVectorLayer(labels, "plain", "ogr")
    selected = QgsVectorLayer(labels, "my labels", "ogr")
    nothing = check(selected, selectedFeaturesOnly=True)
    selected.selectByExpression("\"class\" = 'water'")
    filtered = QgsVectorLayer(labels, "filtered", "ogr")
    filtered.setSubsetString("\"class\" <> 'water'")
    moved = QgsVectorLayer(labels, "moved", "ogr")
    moved.setCrs(QgsCoordinateReferenceSystem("EPSG:32634"))
    edited = QgsVectorLayer(labels, "edited", "ogr")
    edited.startEditing()
    edited.deleteFeature(next(edited.getFeatures()).id())
    memory = QgsVectorLayer("Point?crs=EPSG:32633&field=class:string", "memory", "memory")
    return {
        "plain": check(as_it_is),
        "nothing selected": nothing,
        "selected": check(selected, selectedFeaturesOnly=True),
        "filtered": check(filtered),
        "moved": check(moved),
        "edited": check(edited),
        "memory": check(memory),
    }


def raster_cases(images: dict, with_model: dict) -> dict:
    """Images that are no files, too many, or none."""
    web = QgsRasterLayer("type=xyz&url=http://localhost:1/{z}/{x}/{y}.png&zmax=3&zmin=0", "web map", "wms")
    PROJECT.addMapLayer(web)
    return {
        "web": prepared("check", {"hsi": web, "sar": images["sar"]}),
        "folder": prepared("check", {"hsi_path": "/a folder", "sar": images["sar"]}),
        "both": prepared("check", {"hsi_path": "/a folder", **images}),
        "none": prepared("check", {"sar": images["sar"]}),
        "no SAR": prepared("map_with_model", {**with_model, "sar": None, "sar_path": "none", "output": "/map.tif"}),
    }


def optional(algorithm) -> list:
    """The parameters next to which the dialog writes [optional]."""
    shown = algorithm.parameterDefinitions()
    return [each.name() for each in shown if each.flags() & QgsProcessingParameterDefinition.FlagOptional]


def main(path: Path) -> None:
    """Run all cases."""
    cases = json.loads(path.read_text(encoding="utf-8"))
    images, with_model = cases["images"], {**cases["images"], "model": cases["model"]}
    found = {"vectors": vector_cases(images, cases["labels"]), "rasters": raster_cases(images, with_model)}
    found["algorithms"] = {
        each.name(): [p.name() for p in each.parameterDefinitions()] for each in PLUGIN.provider.algorithms()
    }
    found["optional"] = {each.name(): optional(each) for each in PLUGIN.provider.algorithms()}
    model = QgsApplication.processingRegistry().algorithmById("bdgf:Labels to polygons")
    found["model"] = {"can run": model.canExecute()[0], "outputs": [each.name() for each in model.outputDefinitions()]}
    ProcessingConfig.setSettingValue("BDGF_EXECUTABLE", cases["stops"])
    map_options = {**with_model, "output": cases["map"], "confidence": True, "tile_px": 64}
    found["cancelled"] = run("map_with_model", map_options, stop_at="map: 1 of")
    found["begun"] = sorted(each.name for each in Path(cases["map"]).parent.iterdir())
    ProcessingConfig.setSettingValue("BDGF_EXECUTABLE", "")
    found["refused"] = run("map_with_model", map_options)
    found["continued"] = run("map_with_model", {**map_options, "resume": True})
    found["design"] = run(
        "design", {"map_file": cases["map"], "points": 60, "min_per_class": 2, "output": cases["points"]}
    )
    path.with_name("found.json").write_text(json.dumps(found, default=str), encoding="utf-8")


main(Path(sys.argv[1]))
os._exit(0)  # QGIS may crash at exit, which says nothing about the plugin
