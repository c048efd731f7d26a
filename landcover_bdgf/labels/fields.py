"""The fields of labels: which of them holds the class."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.geo import read_features
from landcover_bdgf.labels.label_source import LabelSource, source_name
from landcover_bdgf.labels.rasterize import texts
from landcover_bdgf.labels.settings import ReadSettings
from landcover_bdgf.storage import PathLike
from landcover_bdgf.text import LISTED_NAMES, printable

LISTED_VALUES = 6


def check_field(labels: PathLike, field: str | None, *, settings: ReadSettings) -> None:
    """Check that labels can be read and have the field with the class.

    Parameters
    ----------
    labels : path
        As for :func:`~landcover_bdgf.geo.read_features`.
    field : str, optional
        Without it, the error lists the fields with their most frequent values.
    settings : ReadSettings
        Layer and encoding.

    Raises
    ------
    LabelError
        The labels cannot be read, or have no such field.
    SettingsError
        No field is given.
    """
    if field is None:
        raise missing_field(labels, settings)
    read_features(labels, fields=[field], layer=settings.layer, encoding=settings.encoding)


def missing_field(labels: LabelSource, settings: ReadSettings) -> SettingsError:
    """The error for labels without their field, which lists the fields to choose from."""
    found = field_values(labels, settings)[1]
    more = f"; and {len(found) - LISTED_NAMES} more" if len(found) > LISTED_NAMES else ""
    remedy = f"Choose from (with the number of features): {'; '.join(found[:LISTED_NAMES])}{more}."
    remedy = remedy if found else "It has no field with a name of its own: add or rename one."
    return SettingsError(source_name(labels), "`field` is missing, the field that holds the class", remedy)


def field_values(labels: LabelSource, settings: ReadSettings | None = None) -> tuple[int, list[str]]:
    """The number of features, and each field with its most frequent values."""
    how = settings or ReadSettings()
    if isinstance(labels, str | os.PathLike):
        features = read_features(labels, fields=None, layer=how.layer, encoding=how.encoding)
    else:
        features = labels
    columns = features.select_dtypes(exclude="geometry")
    return len(features), [f"{printable(str(name))}: {_listed(texts(columns[name]))}" for name in columns.columns]


def _listed(values: NDArray[np.object_]) -> str:
    """The most frequent values with their counts."""
    counts = Counter(value for value in values if value)
    shown = ", ".join(f"{printable(value)} ({count})" for value, count in counts.most_common(LISTED_VALUES))
    more = len(counts) - LISTED_VALUES
    return f"{shown} and {more} more" if more > 0 else shown or "no values"
