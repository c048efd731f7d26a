"""The command line: each command parses, makes one library call, and prints."""

from __future__ import annotations

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from landcover_bdgf.app import terminal
from landcover_bdgf.app.options import (
    DEFAULT_MODEL,
    FIELD,
    HSI,
    LABELS,
    OUTPUT,
    OVERWRITE,
    RESUME,
    SAMPLES,
    SAR,
    GroupedCommand,
    RecipeChoice,
    Shown,
    Typed,
    argument,
    model_path,
    option,
    with_settings,
)
from landcover_bdgf.app.terminal import say
from landcover_bdgf.bench import BenchSettings
from landcover_bdgf.errors import CheckpointError, SettingsError
from landcover_bdgf.geo import gdal_env
from landcover_bdgf.labels import ReadSettings, SampleSettings
from landcover_bdgf.mapping import MapSettings
from landcover_bdgf.model import Run
from landcover_bdgf.progress import log
from landcover_bdgf.scene import AlignSettings
from landcover_bdgf.settings import described

if TYPE_CHECKING:
    from landcover_bdgf.labels import Samples
    from landcover_bdgf.model import Recipe
    from landcover_bdgf.scene import Stack

app = typer.Typer(name="bdgf", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich")
command = partial(app.command, cls=GroupedCommand)

OF_LABELS = {"field", *described(SampleSettings)} - {"seed"}  # options without effect unless --labels is given


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"bdgf {version('landcover-bdgf')}")
        raise typer.Exit


VERSION = Annotated[
    bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
]


@app.callback()
def _every_command(version: VERSION = False) -> None:
    """Land-cover maps from a spectral and a SAR image of the same ground."""


@command()
@with_settings
def check(
    shown: Shown, typed: Typed, aligning: AlignSettings, sampling: SampleSettings, choice: RecipeChoice,
    hsi: HSI, sar: SAR,
    labels: Annotated[Path | None, option("labels", f"{LABELS}; without --field, list their fields", "Inputs")] = None,
    field: FIELD = None,
) -> None:  # fmt: skip
    """Check the inputs (grids, units, bands, shift, labels) and the device; writes nothing."""
    from landcover_bdgf.app.check import check_scene

    if labels is None:
        typed.refuse(OF_LABELS, "--labels")
    if field is None:
        reading = {"layer", "encoding"} if labels else set()
        typed.refuse((OF_LABELS | {"seed", *described(RecipeChoice)}) - reading, "--labels and --field")
    settings = _sampling(sampling, _recipe(choice))
    findings = check_scene(_stack(hsi, sar, aligning), labels=labels, field=field, settings=settings)
    say(shown, findings.lines(), findings.values())


@command()
@with_settings
def align(
    shown: Shown, aligning: AlignSettings, hsi: HSI, sar: SAR, output: OUTPUT, overwrite: OVERWRITE = False
) -> None:
    """Resample the SAR image to the grid of the spectral image, in linear power; report the shift between them."""
    stack = _stack(hsi, sar, aligning)
    stack.write_sar(output, overwrite=overwrite)
    shift = stack.shift.describe() if stack.shift else "not estimated"
    say(shown, [f"{output}: SAR on the spectral grid; shift {shift}"], {"output": str(output), "shift": shift})


@command()
@with_settings
def sample(
    shown: Shown, aligning: AlignSettings, sampling: SampleSettings, choice: RecipeChoice, hsi: HSI, sar: SAR,
    labels: Annotated[Path, option("labels", LABELS, "Inputs")],
    output: OUTPUT,
    field: FIELD = None,
    overwrite: OVERWRITE = False,
) -> None:  # fmt: skip
    """Draw labelled pixels and split them into training and test pixels."""
    from landcover_bdgf.labels import samples_lines, write_samples

    samples = _drawn(_stack(hsi, sar, aligning), labels, field, _sampling(sampling, _recipe(choice)))
    write_samples(samples, output, overwrite=overwrite)
    lines = [*samples_lines(samples), f"{output}: samples"]
    say(shown, lines, {"output": str(output), "classes": samples.table()})


@command()
@with_settings
def pretrain(
    shown: Shown, aligning: AlignSettings, choice: RecipeChoice, run: Run, hsi: HSI, sar: SAR, output: OUTPUT,
    more: Annotated[list[str] | None, argument("more pairs of images: HSI SAR HSI SAR ...", "[MORE]...")] = None,
    samples: Annotated[Path | None, option("samples", "samples whose test pixels are not used", "Inputs")] = None,
    steps: Annotated[int | None, option("steps", "optimiser steps (diffusion.steps)", "Model", "by the recipe")] = None,
    overwrite: OVERWRITE = False,
    resume: RESUME = False,
) -> None:  # fmt: skip
    """Train the denoiser on one or more scenes, without labels."""
    from landcover_bdgf.app.job import keep_denoiser
    from landcover_bdgf.labels import read_samples
    from landcover_bdgf.model import partial_path
    from landcover_bdgf.training import pretrain as pretrain_stacks

    images = [hsi, sar, *(more or [])]
    if len(images) % 2:
        problem = f"Expected pairs of images (HSI SAR HSI SAR ...), got {len(images)}"
        raise SettingsError(None, problem, "Give a SAR image after each spectral image.")
    stacks = [_stack(images[i], images[i + 1], aligning) for i in range(0, len(images), 2)]
    overrides = () if steps is None else (f"diffusion.steps={steps}",)
    denoiser = pretrain_stacks(
        stacks, _recipe(choice, *overrides), samples=read_samples(samples) if samples else None,
        run=run, partial=partial_path(output), resume=resume,
    )  # fmt: skip
    keep_denoiser(denoiser, stacks[0], output, run=run, overwrite=overwrite, begun=resume)
    picture = " and a picture (.png)" if denoiser.recipe.features.diffusion else ""
    say(shown, [f"{output}: denoiser, with its losses (.csv){picture}"], {"output": str(output)})


@command()
@with_settings
def train(
    shown: Shown, typed: Typed, aligning: AlignSettings, sampling: SampleSettings, choice: RecipeChoice, run: Run,
    hsi: HSI, sar: SAR,
    output: OUTPUT = DEFAULT_MODEL,
    samples: SAMPLES = None,
    labels: Annotated[Path | None, option("labels", f"{LABELS}, in place of --samples", "Inputs")] = None,
    field: FIELD = None,
    denoiser: Annotated[Path | None, option("denoiser", "from bdgf pretrain", "Inputs", "trained first")] = None,
    overwrite: OVERWRITE = False,
    resume: RESUME = False,
) -> None:  # fmt: skip
    """Train the fusion network on samples."""
    from landcover_bdgf.app.job import keep_model
    from landcover_bdgf.labels import read_samples, without_empty
    from landcover_bdgf.model import changed, load_checkpoint, partial_path
    from landcover_bdgf.training import pretrain as pretrain_stack, train as train_fusion

    if (samples is None) == (labels is None):
        remedy = "Give --samples samples.gpkg, or --labels polygons.shp --field class."
        raise SettingsError(None, "train needs either --samples or --labels", remedy)
    if labels is None:
        typed.refuse(OF_LABELS, "--labels")
    partial = partial_path(output)
    if resume and not partial.is_file():  # not after the denoiser is trained
        raise CheckpointError(partial, "no training to resume here", "Start without `resume`.")
    given = load_checkpoint(denoiser, "denoiser") if denoiser else None
    recipe = changed(given.recipe, choice.set) if given and not choice.config else _recipe(choice)
    stack = _stack(hsi, sar, aligning)
    drawn = read_samples(samples) if samples else _drawn(stack, labels, field, _sampling(sampling, _recipe(choice)))
    if given is None:
        drawn.check_grid(stack.grid)  # both refuse samples of another place, before the denoiser is trained
        drawn = without_empty(drawn, stack)
        given = pretrain_stack(stack, recipe, samples=drawn, run=run)
    model = train_fusion(stack, drawn, denoiser=given, recipe=recipe, run=run, partial=partial, resume=resume)
    keep_model(model, output, overwrite=overwrite, begun=resume)
    say(shown, [f"{output}: model of {len(drawn.legend.entries)} classes"], {"output": str(output)})


@command("map")
@with_settings
def map_(
    shown: Shown, typed: Typed, aligning: AlignSettings, sampling: SampleSettings, choice: RecipeChoice,
    mapping: MapSettings, run: Run, hsi: HSI, sar: SAR, output: OUTPUT,
    labels: Annotated[Path | None, option("labels", f"{LABELS}, to train a model first", "Inputs")] = None,
    field: FIELD = None,
    model: Annotated[Path | None, option(
        "model", "model file; with --labels, where to save the new model", "Model", "$BDGF_MODEL or model.safetensors"
    )] = None,
    overwrite: OVERWRITE = False,
    resume: RESUME = False,
) -> None:  # fmt: skip
    """Make a land-cover map with an existing model (--model), or train one from labels first (--labels)."""
    from landcover_bdgf.geo import limit_cache
    from landcover_bdgf.mapping import map_scene, parse_size
    from landcover_bdgf.model import load_checkpoint

    if mapping.max_ram:
        limit_cache(parse_size(mapping.max_ram))
    if labels is None:
        typed.refuse(OF_LABELS, "--labels")
        if typed & {"config", "set"}:
            problem = "-c and --set apply only when a model is trained"
            raise SettingsError(None, problem, "Remove them, or pass --labels.")
        loaded = load_checkpoint(model_path(model), "model")
        made = map_scene(
            loaded, _stack(hsi, sar, aligning), output, settings=mapping, run=run, overwrite=overwrite, resume=resume
        )
        what = "land-cover map" if made == output else f"part {mapping.shard} of the map"
        say(shown, [f"{made}: {what}"], {"map": str(made)})
        return
    from landcover_bdgf.app.job import Job, run_job
    from landcover_bdgf.assessment import summary_lines

    if model is not None and model.exists() and not (overwrite or resume):
        problem = f"--model {model} already exists and --labels would replace it"
        raise SettingsError(None, problem, "Drop --labels to use it, or choose another name.")
    if mapping.shard != "1/1":
        raise SettingsError("--shard", "needs --model", "Train a model first; then map every part with it.")
    recipe = _recipe(choice)
    job = Job(
        labels, _needed(field), output, model or DEFAULT_MODEL, recipe, _sampling(sampling, recipe), mapping, run,
        overwrite, resume,
    )  # fmt: skip
    accuracy = run_job(_stack(hsi, sar, aligning), job)
    lines = [*(summary_lines(accuracy) if accuracy else []), f"{output}: land-cover map", f"{job.model}: model"]
    lines += [f"{job.report}: report"] if accuracy else []
    values = {"map": str(output), "model": str(job.model), "accuracy": accuracy.to_dict() if accuracy else None}
    say(shown, lines, values)


@command()
@with_settings
def mosaic(
    shown: Shown,
    parts: Annotated[
        list[Path],
        argument("all parts of one map, as written by bdgf map --shard, or finished maps of one grid and legend"),
    ],
    output: OUTPUT,
    overwrite: OVERWRITE = False,
) -> None:
    """Join the parts of a map that was made with --shard, or finished maps; where these overlap, the first wins."""
    from landcover_bdgf.mapping import mosaic as join_parts

    join_parts(parts, output, overwrite=overwrite)
    say(shown, [f"{output}: land-cover map"], {"map": str(output)})


@command()
@with_settings
def assess(
    shown: Shown, typed: Typed, reading: ReadSettings,
    map_file: Annotated[Path, argument("map made by bdgf map", "MAP")],
    reference: Annotated[Path, option(
        "reference", "polygons or points with classes, samples.gpkg, or the model of the map", "Inputs"
    )],
    output: OUTPUT,
    field: FIELD = None,
    overwrite: OVERWRITE = False,
) -> None:  # fmt: skip
    """Measure the accuracy of a map with reference labels: tables, confusion matrix, a printable report."""
    from landcover_bdgf.assessment import ReferenceFile, assess as assess_map, summary_lines
    from landcover_bdgf.labels import is_samples_file

    own = reference.suffix == ".safetensors" or is_samples_file(reference)
    if own and typed & {"field", *described(ReadSettings)}:
        typed.refuse({"field", *described(ReadSettings)}, "polygons or points as --reference")
    if reference.suffix == ".safetensors":
        from landcover_bdgf.app.job import labels_of_model

        judged = labels_of_model(reference, map_file)
        accuracy = assess_map(map_file, judged, output=output, overwrite=overwrite)
    else:
        given = ReferenceFile(reference, reading)
        accuracy = assess_map(map_file, given, field=field, output=output, overwrite=overwrite)
    say(shown, [*summary_lines(accuracy), f"{output / 'report.html'}: report"], accuracy.to_dict())


@command()
@with_settings
def bench(shown: Shown, settings: BenchSettings, choice: RecipeChoice, run: Run, output: OUTPUT) -> None:
    """Compare methods on labelled scenes: three protocols, many seeds, paired differences.

    Finished results are kept in the output folder; the same command continues an interrupted comparison.
    """
    from landcover_bdgf.bench import lines, run_experiment

    tables, page = run_experiment(settings, output, recipe=_recipe(choice), run=run)
    figures = page.with_name("results.csv" if tables else "summary.json")
    said = [*lines(tables), f"{page}: report; {figures}: all results"]
    found = json.loads(page.with_name("summary.json").read_text(encoding="utf-8"))
    say(shown, said, {"report": str(page), "tables": found})


@command()
@with_settings
def info(
    shown: Shown,
    file: Annotated[Path, argument("model, denoiser, map, samples or raster")],
    verify: Annotated[bool, option("verify", "compare the file with its checksums", "Inputs")] = False,
) -> None:
    """Show what a file holds, or whether it is unchanged since it was written (--verify)."""
    from landcover_bdgf.app.info import describe, verify as compare

    if verify:
        return say(shown, [compare(file)], {"file": str(file), "as written": True})
    values = describe(file)
    return say(shown, [f"{key}: {value}" for key, value in values.items()], values)


@command()
@with_settings
def demo(
    shown: Shown, choice: RecipeChoice, run: Run,
    folder: Annotated[Path, argument("folder to write to")] = Path("demo"),
    overwrite: OVERWRITE = False,
) -> None:  # fmt: skip
    """Write a small simulated scene with labels, and make a map of it."""
    from landcover_bdgf.app.demo import run_demo
    from landcover_bdgf.assessment import summary_lines

    accuracy, files = run_demo(folder, _recipe(choice), run, overwrite=overwrite)
    lines = [*summary_lines(accuracy), *(f"{path}: {what}" for what, path in files.items())]
    say(shown, lines, accuracy.to_dict())


def main() -> None:
    """Run a command; errors end in one line and an exit code."""
    terminal.open_streams()
    gdal_env.lock(sys.argv[1:])
    terminal.handle_signals()
    try:
        code = app(standalone_mode=False, prog_name="bdgf")  # None, or the exit code of --help or Ctrl-C
    except (Exception, KeyboardInterrupt) as error:
        code = terminal.explain(error)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # no interruption of Python's shutdown
            signal.signal(number, signal.SIG_IGN)
        sys.unraisablehook, sys.excepthook = sys.__unraisablehook__, sys.__excepthook__
    sys.exit(code)


def _source(text: str) -> str | list[str]:
    """One path, or several joined by commas."""
    return text if "," not in text or os.path.exists(text) else text.split(",")


def _stack(hsi: str, sar: str, settings: AlignSettings) -> Stack:
    from landcover_bdgf.scene import align as align_images

    log.info("checking %s and %s", hsi, sar)
    return align_images(_source(hsi), _source(sar), settings=settings)


def _sampling(settings: SampleSettings, recipe: Recipe) -> SampleSettings:
    return settings.with_recipe(recipe.training.folds, recipe.fusion.clear_px)


def _drawn(stack: Stack, labels: Path | None, field: str | None, settings: SampleSettings) -> Samples:
    from landcover_bdgf.labels import sample as draw_samples

    assert labels is not None
    return draw_samples(stack, labels, field=_needed(field), settings=settings)


def _needed(field: str | None) -> str:
    if field is None:
        problem = "--labels needs --field, the name of the field that holds the class"
        raise SettingsError(None, problem, "bdgf check HSI SAR --labels lists the fields.")
    return field


def _recipe(choice: RecipeChoice, *overrides: str) -> Recipe:
    from landcover_bdgf.model import load_recipe

    return load_recipe(choice.config, (*choice.set, *overrides))
