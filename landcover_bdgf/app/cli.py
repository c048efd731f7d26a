"""The command line: each command parses, makes one library call, and prints."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from landcover_bdgf.app import terminal
from landcover_bdgf.app.options import (
    DEFAULT_MODEL,
    HSI,
    LABELS,
    MODEL_HELP,
    OUTPUT,
    SAR,
    Aligning,
    Common,
    Reading,
    Sampling,
    model_path,
    with_options,
)
from landcover_bdgf.app.terminal import say
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.geo import gdal_env

if TYPE_CHECKING:
    from landcover_bdgf.labels import Samples, SampleSettings
    from landcover_bdgf.model import Recipe, Run
    from landcover_bdgf.scene import Stack

app = typer.Typer(
    name="bdgf",
    help="Land-cover maps from a spectral and a SAR image of the same ground.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

SAMPLES = Annotated[Path | None, typer.Option("--samples", help="from bdgf sample")]
RESUME = Annotated[bool, typer.Option("--resume", help="go on with an interrupted run")]


@app.command()
@with_options(Common, Aligning, Sampling)
def check(
    common: Common, aligning: Aligning, sampling: Sampling, hsi: HSI, sar: SAR,
    labels: Annotated[Path | None, typer.Option("--labels", help="polygons or points with classes")] = None,
) -> None:  # fmt: skip
    """Look before anyone waits: grids, units, bands, shift, labels, device. Says what would go wrong."""
    from landcover_bdgf.app.check import check_scene

    stack = _stack(hsi, sar, aligning)
    settings = _sample_settings(sampling, common)
    findings = check_scene(stack, labels=labels, field=sampling.field, settings=settings)
    say(common, findings.lines(), findings.values())


@app.command()
@with_options(Common, Aligning)
def align(common: Common, aligning: Aligning, hsi: HSI, sar: SAR, output: OUTPUT) -> None:
    """Put the SAR onto the grid of the spectral image, in linear power; report the shift between them."""
    stack = _stack(hsi, sar, aligning)
    stack.write_sar(output, overwrite=common.overwrite)
    shift = stack.shift.describe() if stack.shift else "not estimated"
    say(
        common,
        [f"{output}: the SAR on the spectral grid; shift {shift}"],
        {"output": str(output), "shift": shift},
    )


@app.command()
@with_options(Common, Aligning, Sampling)
def sample(
    common: Common, aligning: Aligning, sampling: Sampling, hsi: HSI, sar: SAR, output: OUTPUT, labels: LABELS
) -> None:
    """Draw labelled pixels and split them into training and test."""
    from landcover_bdgf.labels import samples_lines, write_samples

    samples = _drawn(_stack(hsi, sar, aligning), labels, sampling, common)
    write_samples(samples, output, overwrite=common.overwrite)
    say(
        common,
        [*samples_lines(samples), f"{output}: samples"],
        {"output": str(output), "classes": samples.table()},
    )


@app.command()
@with_options(Common, Aligning)
def pretrain(
    common: Common, aligning: Aligning, hsi: HSI, sar: SAR, output: OUTPUT,
    more: Annotated[list[str] | None, typer.Argument(help="more pairs: HSI SAR HSI SAR …")] = None,
    samples: SAMPLES = None,
    steps: Annotated[int | None, typer.Option(help="optimiser steps, for diffusion.steps", min=1)] = None,
    resume: RESUME = False,
) -> None:  # fmt: skip
    """Fit the denoiser to one or more scenes, without labels."""
    from landcover_bdgf.app.job import keep_denoiser
    from landcover_bdgf.labels import read_samples
    from landcover_bdgf.model import partial_path
    from landcover_bdgf.training import pretrain as pretrain_stacks

    images = [hsi, sar, *(more or [])]
    if len(images) % 2:
        raise SettingsError(None, f"{len(images)} images are no pairs", "Give HSI SAR HSI SAR ….")
    stacks = [_stack(images[i], images[i + 1], aligning) for i in range(0, len(images), 2)]
    overrides = (*common.set, *([f"diffusion.steps={steps}"] if steps else []))
    run = _run(common)
    denoiser = pretrain_stacks(
        stacks, _recipe(common, overrides), samples=read_samples(samples) if samples else None,
        run=run, partial=partial_path(output), resume=resume,
    )  # fmt: skip
    keep_denoiser(denoiser, stacks[0], output, run=run, overwrite=common.overwrite, begun=resume)
    say(common, [f"{output}: denoiser; losses and a picture are beside it"], {"output": str(output)})


@app.command()
@with_options(Common, Aligning, Sampling)
def train(
    common: Common, aligning: Aligning, sampling: Sampling, hsi: HSI, sar: SAR,
    output: OUTPUT = DEFAULT_MODEL,
    samples: SAMPLES = None,
    labels: Annotated[Path | None, typer.Option("--labels", help="instead of --samples, with --field")] = None,
    denoiser: Annotated[Path | None, typer.Option(help="from bdgf pretrain; made on the way without")] = None,
    resume: RESUME = False,
) -> None:  # fmt: skip
    """Fit the fusion network to samples."""
    from landcover_bdgf.app.job import keep_model
    from landcover_bdgf.labels import read_samples
    from landcover_bdgf.model import changed, load_checkpoint, partial_path
    from landcover_bdgf.training import pretrain as pretrain_stack, train as train_fusion

    given = load_checkpoint(denoiser, "denoiser") if denoiser else None
    recipe = changed(given.recipe, common.set) if given and not common.config else _recipe(common, tuple(common.set))
    stack, run = _stack(hsi, sar, aligning), _run(common)
    if samples is None and labels is None:
        raise SettingsError(None, "train needs --samples samples.gpkg, or --labels polygons.shp --field class")
    drawn = read_samples(samples) if samples else _drawn(stack, labels, sampling, common)
    given = given or pretrain_stack(stack, recipe, samples=drawn, run=run)
    model = train_fusion(
        stack, drawn, denoiser=given, recipe=recipe, run=run, partial=partial_path(output), resume=resume
    )
    keep_model(model, output, overwrite=common.overwrite, begun=resume)
    say(common, [f"{output}: model of {len(drawn.legend.entries)} classes"], {"output": str(output)})


@app.command(name="map")
@with_options(Common, Aligning, Sampling)
def map_(
    common: Common, aligning: Aligning, sampling: Sampling, hsi: HSI, sar: SAR, output: OUTPUT,
    model: Annotated[Path | None, typer.Option(help=MODEL_HELP)] = None,
    labels: Annotated[Path | None, typer.Option("--labels", help="train a model on these, with --field")] = None,
    confidence: Annotated[bool, typer.Option("--confidence", help="also OUTPUT_confidence.tif")] = False,
    ood: Annotated[bool, typer.Option("--ood", help="also OUTPUT_ood.tif: what is unlike all training pixels")] = False,
    tile: Annotated[int, typer.Option(help="side of the tiles that are read, in pixels")] = 512,
    max_ram: Annotated[str | None, typer.Option(help="such as 4GB: what mapping may take")] = None,
    shard: Annotated[str, typer.Option(help="2/4: only the second of four parts, for bdgf mosaic")] = "1/1",
    resume: RESUME = False,
) -> None:  # fmt: skip
    """The main job: the land-cover map of a scene, from a model, or from labels through the whole chain."""
    from landcover_bdgf.geo import limit_cache
    from landcover_bdgf.mapping import MapSettings, map_scene, parse_size
    from landcover_bdgf.model import load_checkpoint

    settings = MapSettings(tile_px=tile, confidence=confidence, ood=ood, max_ram=max_ram, shard=shard)
    if max_ram:
        limit_cache(parse_size(max_ram))
    if labels is None:
        if common.config or common.set:
            raise SettingsError(
                None, "-c and --set change how a model is made, and this one is made", "Leave them out."
            )
        loaded = load_checkpoint(model_path(model), "model")
        made = map_scene(
            loaded, _stack(hsi, sar, aligning), output, settings=settings, run=_run(common),
            overwrite=common.overwrite, resume=resume,
        )  # fmt: skip
        what = "land-cover map" if made == output else f"shard {shard} of the map"
        say(common, [f"{made}: {what}"], {"map": str(made)})
        return
    from landcover_bdgf.app.job import Job, run_job
    from landcover_bdgf.assessment import summary_lines

    if model is not None and model.exists() and not (common.overwrite or resume):
        raise SettingsError(
            f"--model {model}", "is there, and --labels trains a new one", "Leave one out, or name a new file."
        )
    if shard != "1/1":
        raise SettingsError("--shard needs --model", "train a model first, then every shard maps with it")
    job = Job(
        labels, _field(sampling), output, model or DEFAULT_MODEL, _recipe(common, tuple(common.set)),
        _sample_settings(sampling, common), settings, _run(common), common.overwrite, resume,
    )  # fmt: skip
    accuracy = run_job(_stack(hsi, sar, aligning), job)
    report = job.steps_folder / "report" / "report.html"
    lines = [
        *(summary_lines(accuracy) if accuracy else []),
        f"{output}: land-cover map",
        f"{job.model}: model",
    ]
    lines += [f"{report}: report"] if accuracy else []
    values = {
        "map": str(output),
        "model": str(job.model),
        "accuracy": accuracy.to_dict() if accuracy else None,
    }
    say(common, lines, values)


@app.command()
@with_options(Common)
def mosaic(
    common: Common,
    parts: Annotated[list[Path], typer.Argument(help="what bdgf map --shard left, all parts of one map")],
    output: OUTPUT,
) -> None:
    """Put the shards of a map together."""
    from landcover_bdgf.mapping import mosaic as put_together

    put_together(parts, output, overwrite=common.overwrite)
    say(common, [f"{output}: land-cover map"], {"map": str(output)})


@app.command()
@with_options(Common, Reading)
def assess(
    common: Common,
    reading: Reading,
    map_file: Annotated[Path, typer.Argument(metavar="MAP", help="a map made by bdgf")],
    reference: Annotated[Path, typer.Option("--reference", help="polygons or points, or samples.gpkg")],
    output: OUTPUT,
    field: Annotated[str | None, typer.Option(help="field of the reference that holds the class")] = None,
) -> None:
    """Accuracy of a map against reference labels: tables, confusion matrix, a printable report."""
    from landcover_bdgf.assessment import ReferenceFile, assess as assess_map, summary_lines

    file = ReferenceFile(
        reference, reading.layer, reading.encoding, tuple(reading.ignore_class), conflicts=reading.conflicts
    )
    accuracy = assess_map(map_file, file, field=field, output=output, overwrite=common.overwrite)
    say(common, [*summary_lines(accuracy), f"{output / 'report.html'}: report"], accuracy.to_dict())


@app.command()
@with_options(Common)
def bench(
    common: Common, output: OUTPUT,
    dataset: Annotated[
        list[str],
        typer.Option(help="augsburg, berlin, yellow-river, lcz-hk, or a TOML file; repeatable"),
    ],
    data: Annotated[Path | None, typer.Option(help="folder of the published MATLAB files")] = None,
    experiment: Annotated[
        str, typer.Option(help="comparison, ablation, transfer, balance, labels, uncertainty or embedding")
    ] = "comparison",
    method: Annotated[
        list[str] | None, typer.Option(help="such as bdgf, fusion, et+9, NAME=bdgf:key=value;key=value; repeatable")
    ] = None,
    protocols: Annotated[str, typer.Option(help="of random, near and far")] = "random,near,far",
    seeds: Annotated[int, typer.Option(help="how many, from --seed on", min=1)] = 10,
    per_class: Annotated[int, typer.Option(help="training pixels of each class", min=1)] = 50,
) -> None:  # fmt: skip
    """Measure accuracy: methods on labelled scenes, three protocols, many seeds, paired differences."""
    from landcover_bdgf.bench import BenchSettings, lines, rows, run_experiment

    settings = BenchSettings(
        tuple(dataset), output, data, experiment, tuple(method or ()), _words(protocols),
        tuple(range(common.seed, common.seed + seeds)), per_class,
    )  # fmt: skip
    tables, reference, page = run_experiment(settings, _recipe(common, tuple(common.set)), _run(common))
    said = [*lines(tables, reference), f"{page}: report; {page.with_name('results.csv')}: every cell"]
    say(common, said, {"report": str(page), "tables": rows(tables, reference)})


@app.command()
@with_options(Common)
def info(
    common: Common,
    file: Annotated[Path, typer.Argument(help="model, denoiser, map, samples or raster")],
    verify: Annotated[bool, typer.Option("--verify", help="compare every bit with what was written")] = False,
) -> None:
    """What a file holds; whether it is as it was written."""
    from landcover_bdgf.app.info import describe, verify as compare

    if verify:
        line = compare(file)
        say(common, [line], {"file": str(file), "as written": True})
        return
    values = describe(file)
    say(common, [f"{key}: {value}" for key, value in values.items()], values)


@app.command()
@with_options(Common)
def demo(common: Common, folder: Annotated[Path, typer.Argument(help="where to write it")] = Path("demo")) -> None:
    """Write a small simulated scene pair with labels, and run the main job on it."""
    from landcover_bdgf.app.demo import run_demo

    accuracy, files = run_demo(folder, _recipe(common, tuple(common.set)), _run(common), overwrite=common.overwrite)
    from landcover_bdgf.assessment import summary_lines

    say(
        common,
        [*summary_lines(accuracy), *(f"{path}: {what}" for what, path in files.items())],
        accuracy.to_dict(),
    )


def main() -> None:
    """Run a command; errors of the user's end in one line and the exit code of bad input."""
    terminal.open_streams()
    gdal_env.lock(sys.argv[1:])
    terminal.heed_signals()
    try:
        code = app(
            standalone_mode=False, prog_name="bdgf"
        )  # None, or the exit code of an early end such as --help or Ctrl-C
    except (Exception, KeyboardInterrupt) as error:
        code = terminal.explain(error)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # the work has ended; Python is not disturbed while it does, too
            signal.signal(number, signal.SIG_IGN)
        sys.unraisablehook, sys.excepthook = sys.__unraisablehook__, sys.__excepthook__
    sys.exit(code)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)


def _source(text: str) -> str | list[str]:
    """One path, or several joined by commas."""
    return text if "," not in text or os.path.exists(text) else text.split(",")


def _stack(hsi: str, sar: str, aligning: Aligning) -> Stack:
    from landcover_bdgf.scene import AlignSettings, align as align_images

    settings = AlignSettings(
        coreg=aligning.coreg, max_shift_px=aligning.max_shift, sar_unit=aligning.sar_unit, hsi_crs=aligning.hsi_crs,
        sar_crs=aligning.sar_crs, keep_water_vapour=aligning.keep_water_vapour,
        spectral_offset=aligning.spectral_offset, force=aligning.force,
        allow_vrt=aligning.allow_vrt, warp_gcps=aligning.warp_gcps,
    )  # fmt: skip
    return align_images(_source(hsi), _source(sar), settings=settings)


def _sample_settings(sampling: Sampling, common: Common) -> SampleSettings:
    from landcover_bdgf.labels import SampleSettings

    return SampleSettings(
        split=sampling.split, test_share=sampling.test_share, per_class=sampling.per_class,
        block_px=sampling.block_size, buffer_px=sampling.buffer, conflicts=sampling.conflicts,
        ignore=tuple(sampling.ignore_class), layer=sampling.layer, encoding=sampling.encoding, seed=common.seed,
        clear_px=_recipe(common, tuple(common.set)).fusion.clear_px,
    )  # fmt: skip


def _drawn(stack: Stack, labels: Path | None, sampling: Sampling, common: Common) -> Samples:
    from landcover_bdgf.labels import sample as draw_samples

    assert labels is not None
    return draw_samples(stack, labels, field=_field(sampling), settings=_sample_settings(sampling, common))


def _field(sampling: Sampling) -> str:
    if sampling.field is None:
        raise SettingsError(None, "--labels needs --field, the name of the field that holds the class")
    return sampling.field


def _recipe(common: Common, overrides: tuple[str, ...]) -> Recipe:
    from landcover_bdgf.model import load_recipe

    return load_recipe(common.config, overrides)


def _run(common: Common) -> Run:
    from landcover_bdgf.model import Run

    return Run(common.seed, common.device, common.threads)
