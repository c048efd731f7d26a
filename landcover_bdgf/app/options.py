"""Command-line options, derived from settings classes.

A command takes settings classes as arguments; :func:`with_settings` adds an option for each field that has a
:class:`~landcover_bdgf.settings.Setting`, and passes the filled classes to the command. Fields of several classes with
the same name share one option.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin

import typer
from typer.core import TyperCommand

from landcover_bdgf.app.memory_limits import check_memory_limits
from landcover_bdgf.app.terminal import show_log
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.geo import check_lock
from landcover_bdgf.model import model_path
from landcover_bdgf.processes import Processes, is_first, joined, leave, process_count
from landcover_bdgf.progress import log
from landcover_bdgf.settings import Setting, choices, described

if TYPE_CHECKING:
    from landcover_bdgf.storage import Product

TOGETHER = ("pretrain", "train", "map")  # commands that several processes may run
COMMAND_LINE = "COMMANDLINE"  # click's name of this source of a value
Command = TypeVar("Command", bound=Callable[..., None])

# Groups of --help in order; the group of each settings class, and of single fields.
GROUPS = ("Inputs", "Model", "Outputs", "Performance", "Alignment", "Sampling", "General")
_GROUP_OF_CLASS = {
    "AlignSettings": "Alignment", "ReferenceSettings": "Inputs", "SampleSettings": "Sampling", "MapSettings": "Outputs",
    "SieveSettings": "Outputs", "PolygonSettings": "Outputs", "DaskSettings": "Performance",
    "MosaicSettings": "Outputs",
    "BenchSettings": "Inputs", "ClassReading": "Inputs", "DesignSettings": "Sampling", "WhereSettings": "Sampling",
    "RecipeChoice": "Model", "Run": "Performance", "Shown": "General",
}  # fmt: skip
_GROUP_OF_FIELD = {
    "layer": "Inputs", "encoding": "Inputs", "conflicts": "Inputs", "ignore_class": "Inputs", "seed": "Model",
    "tile_px": "Performance", "max_ram": "Performance", "shard": "Performance", "allow_vrt": "Inputs",
    "mask": "Inputs", "aoi": "Inputs", "least_dates": "Inputs", "legend": "Inputs", "merge": "Inputs",
    "rename": "Inputs", "strata": "Inputs", "chips": "Outputs",
    "experiment": "Model", "method": "Model", "protocols": "Sampling", "seeds": "Sampling", "per_class": "Sampling",
}  # fmt: skip
_SHORT = {"config": "-c", "quiet": "-q", "verbose": "-v", "output": "-o", "points": "-n", "number": "-n"}
_ALIAS = {"novelty": "--ood"}  # former name


@dataclass(frozen=True)
class Shown:
    """Output options of every command."""

    json: Annotated[bool, Setting("print the result as JSON on standard output")] = False
    quiet: Annotated[bool, Setting("show only warnings and errors")] = False
    verbose: Annotated[bool, Setting("show debug messages")] = False
    debug: Annotated[bool, Setting("show a traceback if the command fails")] = False


@dataclass(frozen=True)
class RecipeChoice:
    """Settings of the method, see :func:`~landcover_bdgf.model.load_recipe`."""

    config: Annotated[
        str | None, Setting("recipe: laptop, base, paper, or a TOML file", default="laptop", unit="RECIPE")
    ] = None
    set: Annotated[
        tuple[str, ...], Setting("change one setting, e.g. fusion.branches=cnn; repeatable", unit="KEY=VALUE")
    ] = ()


class Typed(frozenset[str]):
    """Names of the options on the command line."""

    def refuse(self, names: Iterable[str], needed: str, remedy: str = "") -> None:
        """SettingsError for a given option that has no effect without another."""
        for name in sorted(self.intersection(names)):
            raise SettingsError(flag(name), f"applies only with {needed}", remedy or f"Remove it, or add {needed}.")


class GroupedCommand(TyperCommand):
    """A command with --help in the group General."""

    def get_help_option(self, ctx: Any) -> Any:
        """Like click."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.rich_help_panel = "General"
        return option


def flag(name: str) -> str:
    """The option of a setting: ``max_shift_px`` -> ``--max-shift`` (the unit is in its help)."""
    return "--" + name.removesuffix("_px").replace("_", "-")


def option(name: str, help: str, group: str, default: str | bool = True, metavar: str | None = None) -> Any:
    """A typer option; ``default`` is the text shown for a default like None."""
    names = [each for each in (_SHORT.get(name), flag(name), _ALIAS.get(name)) if each]
    return typer.Option(*names, help=help, rich_help_panel=group, show_default=default, metavar=metavar, readable=False)


def argument(help: str, metavar: str | None = None) -> Any:
    """A typer argument; typer does not check files, because the library has its own errors and exit codes."""
    return typer.Argument(help=help, metavar=metavar, readable=False)


def with_settings(command: Command) -> Command:
    """Decorator that adds the options of its settings classes to a command."""
    signature = inspect.signature(command, eval_str=True).parameters.values()
    annotations: dict[str, Any] = {p.name: p.annotation for p in signature}
    groups: dict[str, Any] = {key: kind for key, kind in annotations.items() if is_dataclass(kind)}
    own = [p.replace(kind=p.KEYWORD_ONLY) for p in signature if get_origin(p.annotation) is Annotated]
    derived = {p.name: p for group in groups.values() for p in _parameters(group)}
    parameters = sorted([*own, *derived.values()], key=_rank)
    for p in parameters:
        if get_args(p.annotation)[0] is bool:
            p.annotation.__metadata__[0].metavar = ""  # typer would show <bool>
    flags = {p.name: flag(p.name) for p in parameters if _is_option(p)}
    name = command.__name__.rstrip("_")
    wants_typed = any(p.annotation is Typed for p in signature)

    @functools.wraps(command)
    def run(context: typer.Context, **values: Any) -> None:
        show_log(_filled(groups["shown"], values), flags)  # first: messages about other settings name the options
        filled = {key: _filled(group, values) for key, group in groups.items()}
        check_memory_limits(name, values.get("threads", 0))
        if name not in TOGETHER and process_count() > 1:
            problem = f"{name} is the work of one process, and torchrun started {process_count()}"
            raise SettingsError(None, problem, "Start it without torchrun.")
        if name != "info":
            log.info("loading libraries")
        from landcover_bdgf.app.first_checks import first_checks  # loads them
        from landcover_bdgf.app.resuming import telling_resume
        from landcover_bdgf.storage import check, reserved

        check_lock()
        processes = joined() if name in TOGETHER else Processes()
        if wants_typed:
            sources = {key: context.get_parameter_source(key) for key in values}
            filled["typed"] = Typed(key for key, source in sources.items() if source and source.name == COMMAND_LINE)
        first_checks(name, values, filled.get("mapping"))
        products, inputs = _products(name, values), _inputs(name, values)
        overwrite, resume = values.get("overwrite", False), values.get("resume", False)
        knows = len(products) > 1 or (name == "map" and resume)  # run_job and map_scene know what is finished
        with reserved(*products if is_first() else ()):
            check(*products, inputs=inputs, overwrite=overwrite or knows, resume=resume)
            processes.meet()  # nothing is written before all have looked at what is there
            try:
                with telling_resume(products, values["output"] if len(products) > 1 else None):
                    command(**filled, **{p.name: values[p.name] for p in own})
            except KeyboardInterrupt as stopped:  # typer would end without a word
                raise typer.Abort from stopped
        leave()

    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    run.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in (context, *parameters)}
    return run  # type: ignore[return-value]


def _parameters(kind: type) -> Iterator[inspect.Parameter]:
    """The options of a settings class."""
    defaults = {name: p.default for name, p in inspect.signature(kind).parameters.items()}
    for name, (hint, setting) in described(kind).items():
        default, several = defaults[name], get_origin(hint) is tuple
        group = _GROUP_OF_FIELD.get(name, _GROUP_OF_CLASS[kind.__name__])
        limits = f", {setting.limits()}" if None not in (setting.least, setting.most) else ""
        typer_option = option(name, setting.help + limits, group, setting.default or True, setting.unit.upper() or None)
        yield inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY,
            default=list(default) if isinstance(default, tuple) else default,
            annotation=Annotated[list[str] if several else hint, typer_option],
        )  # fmt: skip


def _filled(kind: type, values: Mapping[str, Any]) -> Any:
    """A settings object from option values; words of a fixed choice may be repeated or joined by commas."""
    given = {}
    for name, (hint, _) in described(kind).items():
        value = values[name]
        if get_origin(hint) is tuple:
            words = choices(get_args(hint)[0])
            value = tuple(word for text in value for word in text.split(",") if word) if words else tuple(value)
        given[name] = value
    return kind(**given)


def _is_option(parameter: inspect.Parameter) -> bool:
    return isinstance(parameter.annotation.__metadata__[0], typer.models.OptionInfo)


def _rank(parameter: inspect.Parameter) -> int:
    """Sort key: arguments first, then options by group."""
    if not _is_option(parameter):
        return -1
    return GROUPS.index(parameter.annotation.__metadata__[0].rich_help_panel)


def new_model(output: Path) -> Path:
    """The model that a job trains for a map, unless it is named: ``landcover.model.safetensors`` for landcover.tif."""
    return output.parent / f"{output.stem}.model.safetensors"


def _maps_scenes(command: str, values: Mapping[str, Any]) -> bool:
    """Whether a command maps the scenes of a table."""
    from landcover_bdgf.scene import is_scene_table

    return command == "map" and is_scene_table(values["hsi"])


def _products(command: str, values: Mapping[str, Any]) -> list[Product]:
    """The outputs of a command."""
    output: Path | None = values.get("output")
    if output is None or command == "bench" or _maps_scenes(command, values):  # these check their outputs
        return []
    if command == "align":
        from landcover_bdgf.scene import sar_product

        return [sar_product(output)]
    if command == "sample":
        from landcover_bdgf.labels import samples_product

        return [samples_product(output)]
    if command in ("mosaic", "sieve"):
        from landcover_bdgf.labels import class_map_product

        return [class_map_product(output)]
    if command == "polygons":
        from landcover_bdgf.mapping import polygons_product

        return [polygons_product(output)]
    if command in ("pretrain", "train"):
        from landcover_bdgf.model import checkpoint_product

        return [checkpoint_product(output)]
    if command == "assess":
        return [_report(output, values)]
    if command == "design":
        from landcover_bdgf.survey import design_product

        return [design_product(output, chips=values["chips"] is not None)]
    if command == "where":
        from landcover_bdgf.survey import places_product

        return [places_product(output)]
    if command == "areas":
        from landcover_bdgf.survey import areas_product

        return [areas_product(output)]
    from landcover_bdgf.mapping import MapSettings, map_product
    from landcover_bdgf.scene import NO_IMAGE

    settings = _filled(MapSettings, values)
    settings = settings.without_sar() if values["sar"] == NO_IMAGE else settings
    if values["labels"] is None:
        return [map_product(output, settings)]
    from landcover_bdgf.app.job_files import job_products

    return job_products(output, values["model"] or new_model(output), settings)


def _report(output: Path, values: Mapping[str, Any]) -> Product:
    """The folder of bdgf assess, by what it assesses."""
    from landcover_bdgf.assessment import report_product
    from landcover_bdgf.survey import comparison_product, survey_product

    kind = comparison_product if values["compare"] else survey_product if values["design"] else report_product
    return kind(output)


def _inputs(command: str, values: Mapping[str, Any]) -> list[str | Path]:
    """The input files of a command, as given."""
    one = ("config", "hsi", "sar", "labels", "samples", "denoiser", "map_file", "reference", "design", "compare",
           "zones", "strata", "chips", "image")  # fmt: skip
    several = ("more", "parts")
    given = [values.get(name) for name in (*one, *several)]
    typed = [*chain(*(value if isinstance(value, list) else [value] for value in given))]
    typed += map(Path, filter(None, [values.get("aoi"), values.get("legend")]))
    if values.get("mask"):
        from landcover_bdgf.scene import mask_path

        typed += [Path(mask_path(text)) for text in values["mask"]]
    if values.get("map_file"):
        from landcover_bdgf.labels import companion_paths

        typed += companion_paths(values["map_file"])
    if command == "where":
        from landcover_bdgf.labels import layer_path

        typed.append(values["probabilities"] or layer_path(values["map_file"], "probabilities"))
    if command == "map" and values["labels"] is None:
        typed.append(model_path(values["model"]))
    if values.get("extra"):
        from landcover_bdgf.scene import extra_sources

        typed += chain(*extra_sources(values["extra"]).values())
    return [file for value in typed if value for file in (value.split(",") if isinstance(value, str) else [value])]


LABELS = "polygons or points with classes"
_IMAGE = "a file, a folder, or files joined by commas"
HSI = Annotated[str, argument(f"spectral image (hyper- or multispectral): {_IMAGE}", "HSI")]
SAR = Annotated[str, argument(f"SAR image: {_IMAGE}", "SAR")]
HSI_OR_TABLE = Annotated[str, argument(f"spectral image: {_IMAGE}; or a table of scenes (.csv)", "HSI")]
_WITHOUT = "none for a scene without one (map --model)"
SAR_OF_HSI = Annotated[
    str | None, argument(f"SAR image: {_IMAGE}; left out with a table, which names its own; {_WITHOUT}", "SAR")
]
MORE = Annotated[list[str] | None, argument("more pairs of images: HSI SAR HSI SAR ...", "[MORE]...")]
OUTPUT = Annotated[Path, option("output", "file or folder to write", "Outputs")]
GPKG_OUTPUT = Annotated[Path, option("output", "GeoPackage to write (.gpkg)", "Outputs")]
MAP_OUTPUT = Annotated[Path, option("output", "map to write (.tif)", "Outputs")]
OVERWRITE = Annotated[bool, option("overwrite", "replace existing outputs", "Outputs")]
RESUME = Annotated[bool, option("resume", "continue an interrupted run", "Outputs")]
FIELD = Annotated[str | None, option("field", "field of the labels that holds the class", "Inputs")]
