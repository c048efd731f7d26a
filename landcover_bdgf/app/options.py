"""Options of the command line, made from the settings classes of the steps.

A command takes settings classes as arguments; :func:`with_settings` gives it an option for each field that has a
:class:`~landcover_bdgf.settings.Setting`, and hands the classes back to it, filled. An option that several classes have
is one option and fills all of them.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_origin

import typer
from typer.core import TyperCommand

from landcover_bdgf.app.terminal import listen
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.geo import check_lock
from landcover_bdgf.process import check_memory_limits
from landcover_bdgf.progress import log
from landcover_bdgf.settings import Setting, described
from landcover_bdgf.storage import check_not_input, reserved

if TYPE_CHECKING:
    from landcover_bdgf.mapping import MapSettings

DEFAULT_MODEL = Path("model.safetensors")
COMMAND_LINE = "COMMANDLINE"  # where click has a value from
Command = TypeVar("Command", bound=Callable[..., None])

# The groups of --help, in their order; and the group of a settings class, and of fields that belong elsewhere.
GROUPS = ("Inputs", "Model", "Outputs", "Performance", "Alignment", "Sampling", "General")
_GROUP_OF_CLASS = {
    "AlignSettings": "Alignment", "ReadSettings": "Inputs", "SampleSettings": "Sampling", "MapSettings": "Outputs",
    "BenchSettings": "Inputs", "RecipeChoice": "Model", "Run": "Performance", "Shown": "General",
}  # fmt: skip
_GROUP_OF_FIELD = {
    "layer": "Inputs", "encoding": "Inputs", "conflicts": "Inputs", "ignore_class": "Inputs", "seed": "Model",
    "tile_px": "Performance", "max_ram": "Performance", "shard": "Performance", "allow_vrt": "Inputs",
    "experiment": "Model", "method": "Model", "protocols": "Sampling", "seeds": "Sampling", "per_class": "Sampling",
}  # fmt: skip
_SHORT = {"config": "-c", "quiet": "-q", "verbose": "-v", "output": "-o"}
_ALIAS = {"novelty": "--ood"}  # as it was called first


@dataclass(frozen=True)
class Shown:
    """What is printed; options of every command."""

    json: Annotated[bool, Setting("print the result as JSON on standard output")] = False
    quiet: Annotated[bool, Setting("show only warnings and errors")] = False
    verbose: Annotated[bool, Setting("show debug messages")] = False
    debug: Annotated[bool, Setting("show a traceback if the command fails")] = False


@dataclass(frozen=True)
class RecipeChoice:
    """The settings of the method, see :func:`~landcover_bdgf.model.load_recipe`."""

    config: Annotated[
        str | None, Setting("recipe: laptop, base, paper, or a TOML file", default="laptop", unit="RECIPE")
    ] = None
    set: Annotated[
        tuple[str, ...], Setting("change one setting, e.g. fusion.branches=cnn; repeatable", unit="KEY=VALUE")
    ] = ()


class Typed(frozenset[str]):
    """Names of the options that the user typed."""

    def refuse(self, names: Iterable[str], needed: str) -> None:
        """SettingsError for a typed option that does nothing without another."""
        for name in sorted(self.intersection(names)):
            raise SettingsError(flag(name), f"applies only with {needed}", f"Remove it, or add {needed}.")


class GroupedCommand(TyperCommand):
    """A command whose --help stands in the group General."""

    def get_help_option(self, ctx: Any) -> Any:
        """As of click."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.rich_help_panel = "General"
        return option


def flag(name: str) -> str:
    """The option of a setting: ``max_shift_px`` -> ``--max-shift``; its help names the unit."""
    return "--" + name.removesuffix("_px").replace("_", "-")


def option(name: str, help: str, group: str, default: str | bool = True, metavar: str | None = None) -> Any:
    """A typer option; ``default`` is shown where the value itself does not say it."""
    names = [each for each in (_SHORT.get(name), flag(name), _ALIAS.get(name)) if each]
    return typer.Option(
        *names, help=help, rich_help_panel=group, show_default=default, metavar=metavar, readable=False
    )  # fmt: skip


def argument(help: str, metavar: str | None = None) -> Any:
    """A typer argument; what opens a file says what is wrong with it, with the exit code of its kind."""
    return typer.Argument(help=help, metavar=metavar, readable=False)


def with_settings(command: Command) -> Command:
    """Give a command the options of its settings classes."""
    signature = inspect.signature(command, eval_str=True).parameters.values()
    annotations: dict[str, Any] = {p.name: p.annotation for p in signature}
    groups: dict[str, Any] = {key: kind for key, kind in annotations.items() if is_dataclass(kind)}
    own = [p.replace(kind=p.KEYWORD_ONLY) for p in signature if get_origin(p.annotation) is Annotated]
    derived = {p.name: p for group in groups.values() for p in _parameters(group)}
    parameters = sorted([*own, *derived.values()], key=_place)
    flags = {p.name: flag(p.name) for p in parameters if _is_option(p)}
    name = command.__name__.rstrip("_")
    wants_typed = any(p.annotation is Typed for p in signature)

    @functools.wraps(command)
    def run(context: typer.Context, **values: Any) -> None:
        filled = {key: _filled(group, values) for key, group in groups.items()}
        listen(filled["shown"], flags)
        check_memory_limits(name, values.get("threads", 0))
        if name != "info":
            log.info("loading libraries")
        check_lock()
        if "output" in values:
            _check_inputs(name, values)
        if wants_typed:
            sources = {key: context.get_parameter_source(key) for key in values}
            filled["typed"] = Typed(key for key, source in sources.items() if source and source.name == COMMAND_LINE)
        with reserved(*_written(name, values)):
            command(**filled, **{p.name: values[p.name] for p in own})

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
        joined = several and bool(default) and default is not inspect.Parameter.empty
        typer_option = option(
            name, setting.help + limits, group, setting.default or True, setting.unit.upper() or None
        )  # fmt: skip
        yield inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY,
            default=",".join(default) if joined else [] if default == () else default,
            annotation=Annotated[str if joined else list[str] if several else hint, typer_option],
        )  # fmt: skip


def _filled(kind: type, values: Mapping[str, Any]) -> Any:
    """A settings object of the values that were typed; a tuple's may be joined by commas."""
    given = {}
    for name, (hint, _) in described(kind).items():
        value = values[name]
        if get_origin(hint) is tuple:
            value = tuple(filter(None, value.split(","))) if isinstance(value, str) else tuple(value)
        given[name] = value
    return kind(**given)


def _is_option(parameter: inspect.Parameter) -> bool:
    return isinstance(parameter.annotation.__metadata__[0], typer.models.OptionInfo)


def _place(parameter: inspect.Parameter) -> int:
    """Arguments first, then options by their groups."""
    if not _is_option(parameter):
        return -1
    return GROUPS.index(parameter.annotation.__metadata__[0].rich_help_panel)


def _written(command: str, values: Mapping[str, Any]) -> list[Path]:
    """What another command must not write meanwhile; what the whole job writes on the way it keeps to itself."""
    output: Path | None = values.get("output")
    if output is None:
        return []
    if command in ("assess", "bench") or output.name in ("", ".."):
        return [output]
    if command == "map":
        from landcover_bdgf.mapping import map_files, part_path

        settings = _map_settings(values)  # shards of one map may be made side by side
        return map_files(output, settings) if settings.shard == "1/1" else [part_path(output, settings)]
    return _all_written(command, values)


def model_path(model: Path | None) -> Path:
    """The model of a map."""
    return model or Path(os.environ.get("BDGF_MODEL") or DEFAULT_MODEL)


def _check_inputs(command: str, values: Mapping[str, Any]) -> None:
    """Refuse to write over what the command reads."""
    inputs = [*_read(values), *([values["config"]] if values.get("config") else [])]
    if command == "map" and values["labels"] is None:
        inputs.append(model_path(values["model"]))
    check_not_input(values["output"], inputs)
    named = values["output"].name not in ("", "..")  # of another folder is said that it is one
    for path in _all_written(command, values) if named else []:
        check_not_input(path, inputs, folders=False)


def _read(values: Mapping[str, Any]) -> Iterator[str | Path]:
    """The files and folders that a command reads."""
    for name in ("hsi", "sar", "more", "labels", "samples", "denoiser", "model", "map_file", "reference", "parts"):
        if name == "model" and values.get("labels"):  # the name of a new one
            continue
        for value in values.get(name) or [] if name in ("more", "parts") else [values.get(name)]:
            yield from value.split(",") if isinstance(value, str) else [value] if value else []


def _all_written(command: str, values: Mapping[str, Any]) -> list[Path]:
    """Every file that a command writes, also on the way and beside its output."""
    from landcover_bdgf.storage import REPORT_FILES, record_path

    output: Path = values["output"]
    if command == "assess":
        return [output / name for name in REPORT_FILES]
    if command == "mosaic":
        from landcover_bdgf.labels import LAYERS, paths_beside

        return [output, *paths_beside(output, list(LAYERS))]
    if command not in ("map", "pretrain", "train"):
        return [output, record_path(output)]
    from landcover_bdgf.app.job import job_files, kept_files
    from landcover_bdgf.mapping import map_files

    if command == "map":
        settings = _map_settings(values)
        if values["labels"] is not None:
            return job_files(output, values["model"] or DEFAULT_MODEL, settings)
        return map_files(output, settings)
    return kept_files(output)


def _map_settings(values: Mapping[str, Any]) -> MapSettings:
    from landcover_bdgf.mapping import MapSettings

    return MapSettings(confidence=values["confidence"], novelty=values["novelty"], shard=values["shard"])


_IMAGE = "a file, a folder, or files joined by commas"
HSI = Annotated[str, argument(f"spectral image (hyper- or multispectral): {_IMAGE}", "HSI")]
SAR = Annotated[str, argument(f"SAR image: {_IMAGE}", "SAR")]
OUTPUT = Annotated[Path, option("output", "file or folder to write", "Outputs")]
OVERWRITE = Annotated[bool, option("overwrite", "replace existing outputs", "Outputs")]
RESUME = Annotated[bool, option("resume", "continue an interrupted run", "Outputs")]
FIELD = Annotated[str | None, option("field", "field of the labels that holds the class", "Inputs")]
SAMPLES = Annotated[Path | None, option("samples", "samples from bdgf sample", "Inputs")]
