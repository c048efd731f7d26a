"""Images of a scene in words: files, bands and dates."""

from __future__ import annotations

from collections.abc import Mapping

from landcover_bdgf.scene.image import Image
from landcover_bdgf.scene.pair_checks import days_of_image
from landcover_bdgf.text import printable, with_names


def source_text(image: Image) -> str:
    """The number of bands, and the first file."""
    more = f" and {len(image.paths) - 1} more" if len(image.paths) > 1 else ""
    bands = "band" if len(image.bands) == 1 else "bands"
    return with_names(f"{len(image.bands)} {bands} of {image.paths[0]}{more}")


def dates_lines(images: Mapping[str, Image]) -> list[str]:
    """The dates of each named image of several dates, and what was filled."""
    return [
        f"dates of {name}: {image.series.describe(days_of_image(image))}"
        for name, image in images.items()
        if image.series
    ]


def bands_text(image: Image) -> str:
    """Names of the bands, with wavelengths."""
    lengths = (f" ({band.wavelength_nm:.0f} nm)" if band.wavelength_nm else "" for band in image.bands)
    return ", ".join(f"{printable(name)}{nm}" for name, nm in zip(image.names, lengths, strict=True))
