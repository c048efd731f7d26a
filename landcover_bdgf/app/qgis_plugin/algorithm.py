"""An algorithm of Processing that runs a command of bdgf."""

from __future__ import annotations

import html
import os
from typing import Any

from processing.core.ProcessingConfig import ProcessingConfig
from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputHtml,
    QgsProcessingOutputRasterLayer,
)
from qgis.PyQt.QtGui import QIcon

from .command_line import (
    EXECUTABLE,
    FOLDER,
    NotFoundError,
    command_words,
    find_program,
    layer_files,
    level,
    message,
    report_file,
    shown_command,
)
from .layers import features_file, raster_file, show_layer
from .parameters import PATH, WITH_PATH, definitions
from .process import run
from .progress import Bar

HELP = "https://github.com/landcover-bdgf/landcover_bdgf/blob/main/docs/qgis.md"
TITLES = {"new raster": "Land cover", "missing": "Sensors"}


class Algorithm(QgsProcessingAlgorithm):
    """A command of bdgf; ``description`` is one of :func:`~.command_line.read_algorithms`."""

    def __init__(self, description: dict[str, Any]) -> None:
        super().__init__()
        self._description = description
        self._values: dict[str, Any] = {}  # of the options of the command
        self._shown_as: dict[str, str] = {}  # names of layers by the temporary files made of them

    def createInstance(self) -> Algorithm:
        """A new one of the kind."""
        return Algorithm(self._description)

    def name(self) -> str:
        """The part of its name after ``bdgf:``."""
        return self._description["name"]

    def displayName(self) -> str:
        """Its name in the toolbox."""
        return self._description["title"]

    def group(self) -> str:
        """Its group in the toolbox."""
        return self._description["group"]

    def groupId(self) -> str:
        """The name of the group."""
        return self._description["group"].lower()

    def icon(self) -> QIcon:
        """The icon of the plugin."""
        return QIcon(os.path.join(FOLDER, "icon.svg"))

    def helpUrl(self) -> str:
        """The page about the plugin."""
        return HELP

    def shortHelpString(self) -> str:
        """The help of the command and of each option, with the name that it has in messages."""
        rows = [f"<p>{html.escape(each)}</p>" for each in self._description["help"]]
        for each in self._description["parameters"]:
            default = f" Default: {each['default_text']}." if each["default_text"] else ""
            name = each["flag"] or each["name"].removesuffix("_file").upper()
            rows.append(f"<p><b>{name}</b>: {html.escape(each['help'] + '.' + default)}</p>")
        return "".join(rows)

    def initAlgorithm(self, configuration: Any = None) -> None:
        """Add the parameters and outputs."""
        for option in self._description["parameters"]:
            for each in definitions(option):
                self.addParameter(each)
        for name in self._description["layers"]:
            self.addOutput(QgsProcessingOutputRasterLayer(f"{name}_layer", _title(name)))
        if self._description["report"]:
            self.addOutput(QgsProcessingOutputHtml("report", "Report"))

    def checkParameterValues(self, parameters: dict[str, Any], context: QgsProcessingContext) -> tuple[bool, str]:
        """Whether the command can be run, and why not; QGIS asks this before it closes the page of the parameters."""
        for option in self._description["parameters"]:
            given = parameters.get(option["name"]) or self._path(option, parameters, context)
            if option["kind"] == "image" and option["required"] and not given:
                title = option["label"].split(":")[0]
                return False, f"{title}: is missing. Choose a layer, or name a path under Advanced Parameters."
        return super().checkParameterValues(parameters, context)

    def prepareAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        """Find the files of the layers, in the thread that owns the layers."""
        self._values = {}
        names = {each["name"] for each in self._description["parameters"]}
        for option in self._description["parameters"]:
            if path := self._path(option, parameters, context):
                self._values[option["name"]] = path
            elif option["kind"] in ("features", "features or file") and parameters.get(option["name"]):
                has_layer = option["name"] in ("labels", "reference") and "layer" in names
                path, inside, shown = features_file(
                    self, option["name"], parameters, context, feedback, layer_option=has_layer
                )
                self._values[option["name"]] = path
                self._shown_as[path] = shown
                if inside and not parameters.get("layer"):
                    self._values["layer"] = inside
            elif option["kind"] in ("image", "raster") and parameters.get(option["name"]):
                layer = self.parameterAsRasterLayer(parameters, option["name"], context)
                if layer is None:
                    raise QgsProcessingException(f"{option['label']}: is no raster layer. Choose another.")
                self._values[option["name"]] = raster_file(layer)
        return True

    def _path(self, option: dict[str, Any], parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        """The path that is given in place of a layer, of options that may have one; else empty."""
        return self.parameterAsString(parameters, option["name"] + PATH, context) if option["kind"] in WITH_PATH else ""

    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Run the command; QgsProcessingException with its error line."""
        values, options = self._values, self._description["parameters"]
        for option in options:
            if option["name"] not in values and parameters.get(option["name"]) not in (None, ""):
                values[option["name"]] = self._value(option, parameters, context)
        words = command_words(self._description, values)
        feedback.pushCommandInfo("bdgf " + shown_command(words))
        self._run(words, feedback)
        results = {each["name"]: values[each["name"]] for each in options if _is_output(each, values)}
        for option in options:
            path = results.get(option["name"])
            if path and option["kind"] in ("new raster", "new features") and context.willLoadLayerOnCompletion(path):
                show_layer(path, _layer_name(option["kind"], option["label"], path), context, output=option["name"])
        output = results.get("output", "")
        wanted = bool(output) and context.willLoadLayerOnCompletion(output)
        for name, path in layer_files(self._description, values, output).items():
            results[f"{name}_layer"] = path
            if wanted and os.path.exists(path):
                show_layer(path, _layer_name(name, "", output), context, output=f"{name}_layer")
        report = report_file(self._description, output)
        if report and os.path.exists(report):
            results["report"] = report
            feedback.pushInfo(f"Report: {report}")
        return results

    def _value(self, option: dict[str, Any], parameters: dict[str, Any], context: QgsProcessingContext) -> Any:
        name, kind = option["name"], option["kind"]
        if kind in ("new raster", "new features"):
            return self.parameterAsOutputLayer(parameters, name, context)
        if kind in ("new file", "new folder"):
            return self.parameterAsFileOutput(parameters, name, context)
        if kind == "flag":
            return self.parameterAsBoolean(parameters, name, context)
        if kind == "integer":
            return self.parameterAsInt(parameters, name, context)
        if kind == "number":
            return self.parameterAsDouble(parameters, name, context)
        if kind == "choice":
            return self.parameterAsEnumString(parameters, name, context)
        text = self.parameterAsString(parameters, name, context)
        return [line.strip() for line in text.splitlines() if line.strip()] if option["several"] else text

    def _run(self, words: list[str], feedback: QgsProcessingFeedback) -> None:
        errors: list[str] = []
        bar = Bar(self._description["steps"])

        def tell(stream: str, line: str) -> None:
            kind = level(line) if stream == "stderr" else "info"
            if stream == "stderr" and bar.follow(line):
                feedback.setProgressText(message(line))
                feedback.setProgress(bar.percent)
            elif kind == "error":
                errors.append(self._with_names(message(line)))
            elif kind == "warning":
                feedback.pushWarning(self._with_names(message(line)))
            else:
                feedback.pushInfo(self._with_names(message(line)))

        said = False

        def cancelled() -> bool:
            nonlocal said
            if feedback.isCanceled() and not said:
                said = True
                feedback.pushInfo("Stopping after the step that is running.")
            return feedback.isCanceled()

        try:
            program = find_program(ProcessingConfig.getSetting(EXECUTABLE) or "", os.environ)
            code = run(program, words, tell=tell, cancelled=cancelled)
        except (NotFoundError, OSError) as error:
            raise QgsProcessingException(str(error)) from error
        if code != 0 or feedback.isCanceled():
            told = f"bdgf ended with code {code}. See the lines above."
            told = "stopped. Run it again with Resume to continue." if feedback.isCanceled() else told
            raise QgsProcessingException(errors[-1] if errors else told)

    def _with_names(self, text: str) -> str:
        """A line with the names of layers in place of the temporary files that were made of them."""
        for path, name in self._shown_as.items():
            text = text.replace(path, name)
        return text


def _is_output(option: dict[str, Any], values: dict[str, Any]) -> bool:
    return option["kind"].startswith("new ") and bool(values.get(option["name"]))


def _title(name: str) -> str:
    return TITLES.get(name, name.capitalize())


def _layer_name(kind: str, label: str, path: str) -> str:
    """``Land cover (landcover)``, ``Confidence (landcover)``; for points and polygons the name of the file."""
    stem = os.path.splitext(os.path.basename(path))[0]
    return stem if label and kind != "new raster" else f"{_title(kind)} ({stem})"
