"""The inputs of commands: scene, labels, recipe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from landcover_bdgf.app.options import RecipeChoice
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.labels import ClassSettings, SampleSettings
from landcover_bdgf.progress import log
from landcover_bdgf.scene import AlignSettings
from landcover_bdgf.settings import described

if TYPE_CHECKING:
    from landcover_bdgf.labels import Samples
    from landcover_bdgf.model import Recipe
    from landcover_bdgf.scene import Stack

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
        raise SettingsError(
            hsi, f"is a table of scenes, which names their SAR images, and {sar} was given", "Leave it out."
        )
    if not table and sar is None:
        raise SettingsError(None, "Missing argument 'SAR'", "Give a SAR image, or a table of scenes (.csv) as HSI.")
    return table


def read_stack(hsi: str, sar: str | None, settings: AlignSettings) -> Stack:
    """The two images on one grid."""
    from landcover_bdgf.scene import align as align_images

    assert sar is not None  # by is_table
    log.info("checking %s and %s", hsi, sar)
    return align_images(_source(hsi), _source(sar), settings=settings)


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
