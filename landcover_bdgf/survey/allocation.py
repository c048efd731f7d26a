"""How many points each stratum gets.

The expected variance of the overall accuracy of a stratified sample is, with W_h the share of the pixels in stratum h
and S_h² = U_h (1 − U_h) for the expected user's accuracy U_h (Cochran 1977, Sampling Techniques, eq. 5.6)::

    V = Σ_h W_h² S_h² (1/n_h − 1/N_h)                                                                     (1)

It is least if n_h is proportional to W_h S_h (Neyman); that sample needs (Σ W_h S_h / SE)² points in all, eq. 13 of
Olofsson et al. (2014, doi:10.1016/j.rse.2014.02.015).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.errors import LabelError, SettingsError
from landcover_bdgf.labels import label_text
from landcover_bdgf.survey.settings import EACH, DesignSettings
from landcover_bdgf.text import listed, printable

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def allocate(pixels: Ints, names: Sequence[str], settings: DesignSettings) -> Ints:
    """Points of each stratum, int64 (strata,).

    Parameters
    ----------
    pixels : int64 (strata,)
        Number of pixels of each stratum.
    names : sequence of str
        Their names.
    settings : DesignSettings

    Raises
    ------
    SettingsError
        If the strata cannot have their smallest numbers of points, or the rule or the expected accuracy is invalid.
    LabelError
        If a CSV cannot be read or does not name all strata.
    """
    if settings.allocation.endswith(".csv"):
        wanted = np.array(_of_classes(settings.allocation, "n", names))
        if (wanted < 2).any() or (wanted != np.floor(wanted)).any():
            raise LabelError(settings.allocation, "a stratum gets fewer than 2 points", "Give whole numbers from 2.")
        return np.minimum(wanted.astype(np.int64), pixels)
    spread = np.sqrt((users := expected_accuracy(settings.expected, names)) * (1 - users))
    shares = _shares(pixels, spread, settings.allocation)
    least = settings.min_per_class if settings.sampling == "stratified" else 2
    if settings.points is not None:
        return shared(settings.points, shares, pixels, least)
    return _for_target(float(settings.target_se or 0), shares, pixels, spread, least)


def expected_accuracy(text: str, names: Sequence[str]) -> Floats:
    """The expected user's accuracies, between 0 and 1 and not 0 or 1, where no point would be needed."""
    try:
        values = np.full(len(names), float(text))
    except ValueError:
        values = np.array(_of_classes(text, "accuracy", names))
    if not ((values > 0) & (values < 1)).all():
        raise SettingsError(f"`expected={text}`", "is not between 0 and 1", "Expected a share such as 0.8.")
    return values


def expected_se(points: Ints, pixels: Ints, spread: Floats) -> float:
    """The standard error of the overall accuracy to expect, eq. (1)."""
    share = pixels / pixels.sum()
    return math.sqrt(float((share**2 * spread**2 * (1 / points - 1 / pixels)).sum()))


def shared(total: int, shares: Floats, pixels: Ints, least: int) -> Ints:
    """Divide ``total`` points by ``shares``, at least ``least`` and at most all pixels of each stratum.

    Strata below their smallest number get it, those above their number of pixels get that; the others share the rest.
    Whole numbers by the largest remainders.
    """
    lowest = np.minimum(least, pixels)
    if lowest.sum() > total:
        strata = "1 stratum" if len(pixels) == 1 else f"{len(pixels)} strata"
        raise SettingsError(
            f"`points={total}`",
            f"too few for {strata} of at least {least} points",
            f"Use {int(lowest.sum())} or more, or a smaller `min_per_class`.",
        )
    total = min(total, int(pixels.sum()))
    found, free = lowest.astype(np.float64), np.ones(len(pixels), bool)
    while free.any():
        rest = total - found[~free].sum()
        wanted = rest * shares / shares[free].sum()
        over, under = free & (wanted > pixels), free & (wanted < lowest)
        # Only one kind at a time: fixing the strata above their limit leaves more for those below.
        bound = over if over.any() and (wanted - pixels)[over].sum() >= (lowest - wanted)[under].sum() else under
        if not bound.any():
            found[free] = wanted[free]
            break
        found[bound] = np.where(over, pixels, lowest)[bound]
        free &= ~bound
    whole = np.floor(found + 1e-9).astype(np.int64)
    order = np.argsort(-(found - whole), kind="stable")
    open_ones = [int(i) for i in order if whole[i] < pixels[i]]
    whole[open_ones[: total - int(whole.sum())]] += 1
    return whole


def _for_target(target: float, shares: Floats, pixels: Ints, spread: Floats, least: int) -> Ints:
    """The smallest sample whose expected standard error is not above ``target``, found by bisection."""
    low, high = int(np.minimum(least, pixels).sum()), int(pixels.sum())
    while low < high:
        middle = (low + high) // 2
        if expected_se(shared(middle, shares, pixels, least), pixels, spread) > target:
            low = middle + 1
        else:
            high = middle
    return shared(low, shares, pixels, least)


def _shares(pixels: Ints, spread: Floats, rule: str) -> Floats:
    found = {"proportional": pixels, "equal": np.ones(len(pixels)), "neyman": pixels * spread}.get(rule)
    if found is None:
        raise SettingsError(f"`allocation={rule}`", "is unknown", f"Use {EACH}, or a CSV file.")
    return np.asarray(found / found.sum(), np.float64)


def _of_classes(path: str, column: str, names: Sequence[str]) -> list[float]:
    """A number for each stratum from a CSV with the columns class and ``column``, with ``,``, ``;`` or tabs."""
    remedy = f"Give a CSV with columns class,{column}."
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
        rows = csv.DictReader(lines, delimiter=max(",;\t", key=lines[0].count) if lines else ",")
        columns = {head.strip().casefold(): head for head in rows.fieldnames or ()}
        for needed in ("class", column):
            if needed not in columns:
                raise LabelError(path, f"has no column {needed}", remedy)
        pairs = [(label_text(row[columns["class"]]), float(row[columns[column]])) for row in rows]
    except OSError as error:
        raise LabelError(path, f"cannot be read, {error.strerror}", remedy) from error
    except (ValueError, TypeError, csv.Error) as error:
        raise LabelError(path, "is not a table of numbers", remedy) from error
    found = {name.casefold(): number for name, number in pairs}
    if len(found) < len(pairs):
        twice = [name for name in found if sum(name == other.casefold() for other, _ in pairs) > 1]
        raise LabelError(path, f"names {listed(twice, printable)} twice", "Name each stratum once.")
    keys = [label_text(name).casefold() for name in names]
    missing = [name for name, key in zip(names, keys, strict=True) if key not in found]
    if missing or len(found) > len(names):
        strange = [name for name in found if name not in keys]
        problem = (
            f"lacks {listed(missing, printable)}" if missing else f"names {listed(strange, printable)}, unknown here"
        )
        raise LabelError(path, problem, f"Name each stratum once: {listed(names, printable)}.")
    return [found[key] for key in keys]
