"""What the QGIS plugin knows of the commands: their options, as the command line has them, in a form for JSON."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from typer.models import OptionInfo

from landcover_bdgf.app.commands.areas import areas
from landcover_bdgf.app.commands.assess import assess
from landcover_bdgf.app.commands.check import check
from landcover_bdgf.app.commands.design import design
from landcover_bdgf.app.commands.inputs import OF_CLASSES, OF_LABELS
from landcover_bdgf.app.commands.map_ import map_
from landcover_bdgf.app.commands.polygons import polygons
from landcover_bdgf.app.options import GROUPS, RecipeChoice, flag
from landcover_bdgf.app.resuming import steps_folder
from landcover_bdgf.labels import layer_path
from landcover_bdgf.settings import choices, described

OUTPUT = Path("{stem}.tif")  # a map; the plugin puts its folder and name in place of {stem}
LAYERS = {
    "confidence": "confidence", "novelty": "novelty", "probabilities": "probabilities", "sets": "sets",
    "entropy": "entropy", "missing": "condition",
}  # fmt: skip  # by the option that asks for it
LEFT_OUT = {"json", "quiet", "verbose", "debug", "shard", "dask"}  # of use in a terminal or on many machines
FIRST = {
    "hsi", "sar", "labels", "field", "model", "map_file", "reference", "design", "compare", "zones", "points",
    "target_se", "output", "polygons", "overwrite", "resume", "confidence", "novelty", "simplify", "min_area", "aoi",
}  # fmt: skip
# What a path is, by the name of its option; all else is a number, a choice, a flag or text.
IMAGE = "image"  # a raster layer, or a path: a folder, a product, files joined by commas
RASTER, FEATURES = "raster", "features"  # a layer
FEATURES_OR_FILE, FILE, FIELD = "features or file", "file", "field"
NEW_RASTER, NEW_FEATURES, NEW_FILE, NEW_FOLDER = "new raster", "new features", "new file", "new folder"
KINDS = {
    "hsi": IMAGE, "sar": IMAGE, "map_file": RASTER, "strata": RASTER, "compare": RASTER, "image": RASTER,
    "labels": FEATURES, "aoi": FEATURES, "zones": FEATURES, "design": FEATURES, "reference": FEATURES_OR_FILE,
    "field": FIELD, "legend": FILE, "model": FILE, "polygons": NEW_FEATURES,
}  # fmt: skip
MODELS, TABLES = "Models of bdgf (*.safetensors)", "Tables (*.csv)"
FILTERS = {
    "legend": "Legends (*.csv *.qml *.sld)",
    "model": MODELS,
    "reference": "Samples and models (*.gpkg *.safetensors)",
}
LONGEST_LABEL = 65  # QGIS does not break them
# A table of scenes, which names its SAR images, is for the command line: here each algorithm makes one map.
IMAGES = frozenset({"hsi", "sar"})
FIELD_OF = ("labels", "zones", "reference")  # the layer whose field is named, the first that a command has

# The steps of each algorithm that tell how far they are, with their rough percent of its time (only the bar depends on
# it). What is missing to 100 is spent on files and the report.
STEPS = {
    "check": {"shift between the images": 50, "reading the scene": 45},
    "map_from_labels": {
        "shift between the images": 3, "pretrain": 40, "diffusion features": 2, "train": 25, "fold 1": 7, "fold 2": 7,
        "fold 3": 7, "map": 5,
    },
    "map_with_model": {"shift between the images": 15, "map": 80},
    "design": {"pictures": 95},
    "areas": {"zones": 95},
}  # fmt: skip


@dataclass(frozen=True)
class Algorithm:
    """A command, or one of its uses, as an algorithm of QGIS."""

    name: str
    title: str
    group: str
    command: Callable[..., None]
    output: str = ""  # kind of --output
    without: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    new_model: bool = False
    report: str = ""  # where the report is; {output} is the folder of --output


ALGORITHMS = (
    Algorithm("check", "Check the inputs", "Map", check, required=IMAGES),
    Algorithm(
        "map_from_labels", "Map from labels", "Map", map_, NEW_RASTER,
        required=IMAGES | {"labels", "field"}, new_model=True,
        report=(steps_folder(OUTPUT) / "report/report.html").as_posix(),
    ),
    Algorithm(
        "map_with_model", "Map with a model", "Map", map_, NEW_RASTER,
        without=frozenset({"labels", *(OF_LABELS - OF_CLASSES), *described(RecipeChoice)}),
        required=IMAGES | {"model"},
    ),
    Algorithm("polygons", "Polygons of a map", "Map", polygons, NEW_FEATURES),
    Algorithm("design", "Points to label", "Accuracy", design, NEW_FEATURES),
    Algorithm("assess", "Assess a map", "Accuracy", assess, NEW_FOLDER, report="{output}/report.html"),
    Algorithm("areas", "Areas of the classes", "Accuracy", areas, NEW_FILE),
)  # fmt: skip


def algorithms() -> list[dict[str, Any]]:
    """The algorithms of the plugin, each with the options of its command, in values of JSON."""
    return [_described(each) for each in ALGORITHMS]


def _described(algorithm: Algorithm) -> dict[str, Any]:
    parameters = [*_parameters(algorithm)]
    names = {each["name"] for each in parameters}
    for each in parameters:
        if each["kind"] == FIELD:
            each["layer"] = next(name for name in FIELD_OF if name in names)
    return {
        "name": algorithm.name,
        "title": algorithm.title,
        "group": algorithm.group,
        "command": algorithm.command.__name__.rstrip("_"),
        "help": [" ".join(each.split()) for each in (inspect.getdoc(algorithm.command) or "").split("\n\n")],
        "parameters": parameters,
        "layers": {name: layer_path(OUTPUT, layer).as_posix() for name, layer in LAYERS.items() if name in names},
        "report": algorithm.report,
        "steps": STEPS.get(algorithm.name, {}),
    }


def _parameters(algorithm: Algorithm) -> Iterator[dict[str, Any]]:
    """The options that an algorithm shows, the necessary and usual ones first."""
    found = [p for p in inspect.signature(algorithm.command).parameters.values() if get_origin(p.annotation)]
    shown = [p for p in found if p.name not in LEFT_OUT | algorithm.without]
    for p in sorted(shown, key=lambda p: p.name not in FIRST):
        hint, option = get_args(p.annotation)
        several = get_origin(hint) is list
        is_option = isinstance(option, OptionInfo)
        default = None if p.default is inspect.Parameter.empty else p.default
        yield {
            "name": p.name,
            "flag": flag(p.name) if is_option else "",
            "kind": _kind(algorithm, p.name, hint),
            "filter": TABLES if p.name == "output" else FILTERS.get(p.name, ""),
            "label": _label(p.name, option.help),
            "help": option.help,
            "group": option.rich_help_panel or GROUPS[0],
            "default": None if several else default,
            "default_text": option.show_default if isinstance(option.show_default, str) else "",
            "choices": [*map(str, choices(hint))],
            "required": p.default is inspect.Parameter.empty or p.name in algorithm.required,
            "several": several,
            "advanced": p.name not in FIRST,
        }


def _kind(algorithm: Algorithm, name: str, hint: Any) -> str:
    if name == "output":
        return algorithm.output
    if name == "model" and algorithm.new_model:
        return NEW_FILE
    if name in KINDS:
        return KINDS[name]
    if choices(hint):
        return "choice"
    for kind, word in ((bool, "flag"), (int, "integer"), (float, "number")):
        if hint is kind or kind in get_args(hint):
            return word
    return "text"


def _label(name: str, help: str) -> str:
    """The option in words, with the first phrase of its help: ``Overwrite: replace existing outputs``."""
    words = flag(name.removesuffix("_file")).removeprefix("--").replace("-", " ")
    capitals = {each.lower(): each for each in ("HSI", "SAR", "AOI", "CRS", "RAM", "VRT", "STAC", "SE", "GCPs")}
    title = " ".join(capitals.get(word, word) for word in words.split())
    phrase = re.split(r"[;,:]| \(", help)[0]
    whole = phrase if phrase.lower().startswith(title.lower()) else f"{title}: {phrase}"
    shown = whole if " " in phrase and len(whole) <= LONGEST_LABEL else title
    return f"{shown[0].upper()}{shown[1:]}"
