"""Settings for reading labels, and for drawing and splitting labelled pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.settings import Setting, changed_settings, check

# Minimum distance at which the 9 × 9 windows of 9 px used to classify a pixel do not overlap a training window.
CLEAR_PX = 13
COLUMN = "column:"
FOLDS = "folds"
SPLITS = (FOLDS, "polygon", "block", "random", "none")


@dataclass(frozen=True)
class ReadSettings:
    """Settings for reading labels."""

    layer: Annotated[str | None, Setting("layer of the labels, if the file has several")] = None
    encoding: Annotated[
        str | None,
        Setting(
            "text encoding of the labels, e.g. gbk, if a .dbf has no .cpg", default="that of the file, else cp1252"
        ),
    ] = None
    conflicts: Annotated[
        Literal["drop", "last", "error"], Setting("pixels in features of different classes: drop, last (wins) or error")
    ] = "drop"
    ignore_class: Annotated[
        tuple[str, ...], Setting("class value that means 'no label'; repeatable", unit="value")
    ] = ()

    __repr__ = changed_settings

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class ReferenceSettings(ReadSettings):
    """Settings for reading the labels that a map is compared with."""

    merge: Annotated[
        tuple[str, ...],
        Setting(
            "make one class of several of the reference, as in a map of fewer classes, "
            "e.g. 'built area=roof,pavement'; repeatable",
            unit="name=class,class",
        ),
    ] = ()

    __repr__ = changed_settings


@dataclass(frozen=True)
class ClassSettings:
    """Settings of the classes of labels when they are read, or of a map by a model that exists."""

    legend: Annotated[
        str | None,
        Setting(
            "names and colours of the classes: a CSV with value,name,color, a QGIS style (.qml) or an .sld",
            unit="file",
            default="those of the labels",
        ),
    ] = None
    merge: Annotated[
        tuple[str, ...],
        Setting(
            "make one class of several, e.g. 'built area=roof,pavement', when labels are read; in a map by a model "
            "that exists, their probabilities are added; repeatable",
            unit="name=class,class",
        ),
    ] = ()
    rename: Annotated[
        tuple[str, ...], Setting("show a class by another name, e.g. 'bare=bare soil'; repeatable", unit="class=name")
    ] = ()

    __repr__ = changed_settings


@dataclass(frozen=True)
class SampleSettings(ReadSettings, ClassSettings):
    """Settings of :func:`~landcover_bdgf.labels.sample`.

    ``clear_px`` is the distance from which predictions do not depend on training windows; it is set from the recipe.
    Distances are Chebyshev distances.
    """

    split: Annotated[
        str,
        Setting(
            "folds: the map learns from every label, and models of the other folds judge each; or hold out a test part "
            "by polygon, block, random pixels or column:NAME (train or test); or none"
        ),
    ] = FOLDS
    test_share: Annotated[float, Setting("share of each class kept for the test", least=0, most=0.9)] = 0.3
    per_class: Annotated[int, Setting("maximum number of training pixels per class", least=1)] = 2000
    block_size_px: Annotated[
        int | None, Setting("side of the blocks", unit="pixels", least=1, default="an eighth of the image, 64 at most")
    ] = None
    buffer_px: Annotated[
        int | None,
        Setting("minimum distance between training and test pixels", unit="pixels", least=0, default="by the recipe"),
    ] = None
    seed: Annotated[int, Setting("random seed", least=0)] = 0
    clear_px: int = CLEAR_PX

    __repr__ = changed_settings

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.split not in SPLITS and not self.split.startswith(COLUMN):
            raise SettingsError(f"`split={self.split}`", "is unknown", f"Use {', '.join(SPLITS)} or column:NAME.")

    def with_recipe(self, folds: int, clear_px: int) -> SampleSettings:
        """These settings for a recipe: without folds to judge the labels, some polygons are held out instead."""
        return replace(self, split="polygon" if self.split == FOLDS and not folds else self.split, clear_px=clear_px)

    @property
    def buffer(self) -> int:
        """Minimum distance between training and test pixels, in pixels."""
        return self.clear_px if self.buffer_px is None else self.buffer_px

    def block(self, shape_hw: tuple[int, int]) -> int:
        """Side of the blocks for an image, in pixels: an eighth of it, at least two buffers, at most 64."""
        return self.block_size_px or max(2 * self.buffer, min(64, min(shape_hw) // 8), 1)
