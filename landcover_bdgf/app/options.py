"""Groups of command-line options that several commands share.

A group is a frozen dataclass whose fields carry typer options; :func:`with_options` spreads the fields of a
command's groups over its signature and hands them back to it as dataclasses.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import typer

from landcover_bdgf.app.terminal import listen
from landcover_bdgf.geo import ALLOW_VRT, check_lock
from landcover_bdgf.process import check_memory_limits
from landcover_bdgf.storage import Product, check, reserved

DEFAULT_MODEL = Path("model.safetensors")
MODEL_HELP = "else $BDGF_MODEL, else ./model.safetensors; with --labels where the new one is kept"
Command = TypeVar("Command", bound=Callable[..., None])


def option(help: str, *names: str, **more: Any) -> Any:
    """A typer option; its name is the field's unless given."""
    return typer.Option(*names, help=help, **more)


@dataclass(frozen=True)
class Common:
    """Options of every command."""

    config: Annotated[str | None, option("recipe laptop, base or paper, or a TOML file", "-c", "--config")] = None
    set: Annotated[list[str], option("one setting, such as fusion.branches=cnn; repeatable", "--set")] = ()  # type: ignore[assignment]
    device: Annotated[str, option("auto, cpu, cuda, cuda:1 or mps")] = "auto"
    threads: Annotated[int, option("0 = all cores; the result does not depend on it", min=0)] = 0
    seed: Annotated[int, option("of all random numbers", min=0)] = 0
    overwrite: Annotated[bool, option("replace outputs that exist", "--overwrite")] = False
    json: Annotated[bool, option("print the result as JSON on standard output", "--json")] = False
    quiet: Annotated[bool, option("only warnings and errors", "-q", "--quiet")] = False
    verbose: Annotated[bool, option("more words", "-v", "--verbose")] = False
    debug: Annotated[bool, option("show a traceback when something fails", "--debug")] = False


@dataclass(frozen=True)
class Aligning:
    """How the SAR comes onto the spectral grid."""

    coreg: Annotated[
        Literal["off", "grid", "auto"],
        option("apply the estimated shift: off, grid (whole pixels) or auto (sub-pixel)"),
    ] = "off"
    max_shift: Annotated[float, option("largest shift looked for, in pixels")] = 8.0
    sar_unit: Annotated[Literal["db", "power"] | None, option("db or power, where it is not recognised")] = None
    hsi_crs: Annotated[str | None, option("CRS of the spectral image, if the file lacks it")] = None
    sar_crs: Annotated[str | None, option("CRS of the SAR, if the file lacks it")] = None
    spectral_offset: Annotated[float, option("added to all spectral values (Sentinel-2 from 2022 on: -1000)")] = 0.0
    keep_water_vapour: Annotated[bool, option("keep bands in water-vapour absorption", "--keep-water-vapour")] = False
    force: Annotated[bool, option("go on in spite of very different resolutions", "--force")] = False
    warp_gcps: Annotated[
        bool, option("place an image by its ground-control points, without terrain correction", "--warp-gcps")
    ] = False
    allow_vrt: Annotated[bool, option("read VRT files too, which may name any other file", ALLOW_VRT)] = False


@dataclass(frozen=True)
class Reading:
    """How a file of labels is read."""

    layer: Annotated[str | None, option("layer of a GeoPackage with several")] = None
    encoding: Annotated[str | None, option("of a .dbf without .cpg, such as gbk")] = None
    conflicts: Annotated[str, option("pixels in polygons of two classes: drop, last or error")] = "drop"
    ignore_class: Annotated[list[str], option("a class value that means 'no label'; repeatable")] = ()  # type: ignore[assignment]


@dataclass(frozen=True)
class Sampling(Reading):
    """How labelled pixels are drawn and split."""

    field: Annotated[str | None, option("field of the labels that holds the class")] = None
    split: Annotated[str, option("polygon, block, random, none or column:NAME")] = "polygon"
    test_share: Annotated[float, option("of the pixels, kept apart for the report", min=0, max=0.9)] = 0.3
    per_class: Annotated[int, option("most training pixels per class", min=1)] = 2000
    block_size: Annotated[int | None, option("of --split block, in pixels")] = None
    buffer: Annotated[int | None, option("least distance of training and test pixels; default: the window")] = None


def with_options(*groups: type) -> Callable[[Command], Command]:
    """Give a command the options of dataclasses ``groups``, its first arguments; the first group is Common."""

    def decorate(command: Command) -> Command:
        name = command.__name__.rstrip("_")
        own = list(inspect.signature(command, eval_str=True).parameters.values())[len(groups) :]
        for parameter in own:  # what opens a file says what is wrong with it, with the exit code of its kind
            parameter.annotation.__metadata__[0].readable = False
        shared = [_parameter(group, f) for group in groups for f in fields(group)]

        @functools.wraps(command)
        def run(**values: Any) -> None:
            filled = [group(**{f.name: values.pop(f.name) for f in fields(group)}) for group in groups]
            listen(filled[0])
            check_memory_limits(name, filled[0].threads)
            check_lock()
            products, inputs = _products(name, values), _inputs(name, values, filled[0])
            overwrite = filled[0].overwrite or len(products) > 1  # run_job decides when it knows the finished steps
            with reserved(*products):
                check(*products, inputs=inputs, overwrite=overwrite, resume=values.get("resume", False))
                command(*filled, **values)

        keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        run.__signature__ = inspect.Signature(keyword + shared)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in keyword + shared}
        return run  # type: ignore[return-value]

    return decorate


def model_path(model: Path | None) -> Path:
    """The model of a map."""
    return model or Path(os.environ.get("BDGF_MODEL") or DEFAULT_MODEL)


def _products(command: str, values: Mapping[str, Any]) -> list[Product]:
    """The outputs of a command, as the packages that write them declare them."""
    output: Path | None = values.get("output")
    if output is None or command == "bench":  # a comparison decides by what it finds there
        return []
    if command == "align":
        from landcover_bdgf.scene import sar_product

        return [sar_product(output)]
    if command in ("sample", "mosaic"):
        from landcover_bdgf.labels import class_map_product, samples_product

        return [samples_product(output) if command == "sample" else class_map_product(output)]
    if command in ("pretrain", "train"):
        from landcover_bdgf.model import checkpoint_product

        return [checkpoint_product(output)]
    if command == "assess":
        from landcover_bdgf.assessment import report_product

        return [report_product(output)]
    from landcover_bdgf.mapping import MapSettings, map_product

    settings = MapSettings(confidence=values["confidence"], ood=values["ood"], shard=values["shard"])
    if values["labels"] is None:
        return [map_product(output, settings)]
    from landcover_bdgf.app.job import job_products

    return job_products(output, values["model"] or DEFAULT_MODEL, settings)


def _inputs(command: str, values: Mapping[str, Any], common: Common) -> list[str | Path]:
    """The files that a command reads, as typed."""
    one, several = ("hsi", "sar", "labels", "samples", "denoiser", "map_file", "reference"), ("more", "parts")
    typed = [common.config, *(values.get(name) for name in one), *chain(*(values.get(name) or () for name in several))]
    if command == "map" and values["labels"] is None:
        typed.append(model_path(values["model"]))
    return [file for value in typed if value for file in (value.split(",") if isinstance(value, str) else [value])]


def _parameter(group: type, field: Any) -> inspect.Parameter:
    hint = get_type_hints(group, include_extras=True)[field.name]
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)


HSI = Annotated[str, typer.Argument(metavar="HSI", help="spectral image: a file, a folder, or files joined by commas")]
SAR = Annotated[str, typer.Argument(metavar="SAR", help="SAR image, likewise")]
OUTPUT = Annotated[Path, typer.Option("-o", "--output", help="what to write")]
LABELS = Annotated[Path, typer.Option("--labels", help="polygons or points with classes")]
