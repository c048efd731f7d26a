"""The inputs of commands: scene, labels, recipe."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from landcover_bdgf.app.options import RecipeChoice
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.labels import ClassSettings, SampleSettings
from landcover_bdgf.progress import log
from landcover_bdgf.scene import NO_IMAGE, AlignSettings
from landcover_bdgf.settings import described

if TYPE_CHECKING:
    from landcover_bdgf.labels import Samples
    from landcover_bdgf.model import Recipe
    from landcover_bdgf.scene import Missing, Stack

OF_LABELS = {"field", *described(SampleSettings)} - {"seed"}  # options without effect unless --labels is given
OF_CLASSES = {*described(ClassSettings)}


def _source(text: str) -> str | list[str]:
    """One path, or several joined by commas."""
    return text if "," not in text or os.path.exists(text) else text.split(",")


def is_table(hsi: str, sar: str | None) -> bool:
    """Whether a table of scenes was given; SettingsError for an image without a second one, and a table with one."""
    from landcover_bdgf.scene import is_scene_table

    table = is_scene_table(hsi)
    if table and sar is not None:
        problem = f"is a table of scenes, which names their SAR images, and {sar} was given"
        raise SettingsError(hsi, problem, "Leave it out; or name a column image, if it lists the dates of one scene.")
    if not table and sar is None:
        raise SettingsError(None, "Missing argument 'SAR'", "Give a SAR image, or a table of scenes (.csv) as HSI.")
    return table


def read_stack(hsi: str, sar: str | None, settings: AlignSettings, *, missing: Missing | None = None) -> Stack:
    """The two images on one grid; ``missing`` as in :func:`~landcover_bdgf.scene.align`, None if both are needed."""
    from landcover_bdgf.scene import align as align_images

    assert sar is not None  # by is_table
    if sar != NO_IMAGE:
        log.info("checking %s and %s", hsi, sar)
        return align_images(_source(hsi), _source(sar), settings=settings, missing=missing or "error")
    if missing is None:
        problem = "stands for a scene without a SAR image, which a model can only map"
        raise SettingsError(f"SAR {NO_IMAGE}", problem, "Name a SAR image; or map the scene with --model.")
    log.info("checking %s", hsi)
    return align_images(_source(hsi), None, settings=settings)


@dataclass(frozen=True)
class GivenScene:
    """A scene of a command, with its labels and their field if it has any."""

    stack: Stack
    labels: Path | None = None
    field: str | None = None


def read_scenes(
    hsi: str, sar: str | None, more: Sequence[str] | None, settings: AlignSettings, *,
    labels: Sequence[Path] = (), field: str | None = None,
) -> list[GivenScene]:  # fmt: skip
    """The scenes of a table, or of pairs of images with labels for each pair, or one file of labels for all.

    SettingsError if images are no pairs, or labels not as many.
    """
    from landcover_bdgf.scene import check_pairs, read_scene_table

    if is_table(hsi, sar):
        rows = read_scene_table(hsi, settings=settings)
        check_pairs(rows, hsi)
        return [GivenScene(row.stack(), row.labels, row.field or field) for row in rows]
    images = [hsi, sar, *(more or [])]
    if len(images) % 2:
        problem = f"Expected pairs of images (HSI SAR HSI SAR ...), got {len(images)}"
        raise SettingsError(None, problem, "Give a SAR image after each spectral image.")
    pairs = len(images) // 2
    if len(labels) not in (0, 1, pairs):
        problem = f"{len(labels)} files of labels were given for {pairs} pairs of images"
        raise SettingsError("`labels`", problem, "Give one for each pair, in the same order, or one for all.")
    of_pair: list[Path | None] = [*labels] if len(labels) == pairs else [next(iter(labels), None)] * pairs
    stacks = [read_stack(str(images[2 * i]), images[2 * i + 1], settings) for i in range(pairs)]
    return [GivenScene(stack, own, field) for stack, own in zip(stacks, of_pair, strict=True)]


def with_windows(settings: SampleSettings, recipe: Recipe) -> SampleSettings:
    """Settings that follow from the recipe: the number of folds and the size of the windows."""
    return settings.with_recipe(recipe.training.folds, recipe.fusion.clear_px)


def draw_samples(stack: Stack, labels: Path | None, field: str | None, settings: SampleSettings) -> Samples:
    """Labelled pixels of a scene."""
    from landcover_bdgf.labels import sample as draw_samples

    assert labels is not None
    assert field is not None  # by first_checks
    return draw_samples(stack, labels, field=field, settings=settings)


def read_recipe(choice: RecipeChoice, *overrides: str) -> Recipe:
    """The recipe of ``-c`` and ``--set``; overrides come last."""
    from landcover_bdgf.model import load_recipe

    return load_recipe(choice.config, (*choice.set, *overrides))
