"""TIFF files with a band on each page, as tifffile, ImageJ and MATLAB write them; GDAL reads one page at a time."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Interleaving
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.crs import same_crs
from landcover_bdgf.geo.gdal_env import alone
from landcover_bdgf.progress import log

MOST_PAGES = 500  # each is an open file, of which many systems allow 1024
_DESCRIPTION = "TIFFTAG_IMAGEDESCRIPTION"


class Pages:
    """A dataset whose bands are those of all pages, in order; its other properties are those of the first page."""

    def __init__(self, pages: Sequence[DatasetReader], name: str) -> None:
        self._pages = pages
        self._place = [(page, index) for page in pages for index in page.indexes]
        self.name, self.files = name, [name]
        self.count = len(self._place)
        self.indexes = tuple(range(1, self.count + 1))
        self.interleaving = Interleaving.band
        self.descriptions = tuple(
            page.descriptions[index - 1] or page.tags().get(_DESCRIPTION) for page, index in self._place
        )

    def __getattr__(self, name: str) -> Any:
        if name in ("nodatavals", "scales", "offsets", "units", "dtypes", "colorinterp", "mask_flag_enums"):
            return tuple(getattr(page, name)[index - 1] for page, index in self._place)
        return getattr(self._pages[0], name)

    def tags(self, index: int = 0, ns: str | None = None) -> dict[str, str]:
        """Tags of the first page, or of a band."""
        page, inside = self._place[index - 1] if index else (self._pages[0], 0)
        return cast(dict[str, str], page.tags(inside, ns=ns))

    def read(self, indexes: int | Sequence[int], **options: Any) -> NDArray[Any]:
        """Values (bands, h, w), or (h, w) of one index; ``options`` as in rasterio."""
        if isinstance(indexes, int):
            page, inside = self._place[indexes - 1]
            return cast(NDArray[Any], page.read(inside, **options))
        return np.stack([self.read(index, **options) for index in indexes])

    def read_masks(self, indexes: Sequence[int], *, window: Window) -> NDArray[Any]:
        """Masks (bands, h, w) of a window."""
        places = [self._place[index - 1] for index in indexes]
        return np.stack([page.read_masks(inside, window=window) for page, inside in places])

    def close(self) -> None:
        """Close all pages."""
        for page in self._pages:
            page.close()

    def __enter__(self) -> Pages:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def pages_of(dataset: DatasetReader) -> list[DatasetReader]:
    """All pages of the size of the first, the open ``dataset``; overviews and masks are none.

    RasterError if they have another type or place than the first, so that they are no bands of one image.
    """
    names = sorted((name for name in dataset.subdatasets if name.startswith("GTIFF_DIR:")), key=_number)
    if len(names) > MOST_PAGES:
        raise _apart(dataset.name, len(names), f"more than {MOST_PAGES} are not read")
    pages = [dataset]
    for page in map(_opened, names[1:]):
        if page.shape == dataset.shape:
            pages.append(page)
        else:
            page.close()
    if len(names) > len(pages):
        log.info("%s: its pages of other sizes are not read.", dataset.name)
    if any(page.dtypes[0] != dataset.dtypes[0] for page in pages):
        raise _apart(dataset.name, len(names), "they have different types of pixels")
    if not all(_is_here(page, dataset) for page in pages[1:]):
        raise _apart(dataset.name, len(names), "they have different positions")
    return pages


def as_bands(dataset: DatasetReader, pages: Sequence[DatasetReader]) -> DatasetReader:
    """The pages as one dataset."""
    log.info("%s: its %d pages are read as bands.", dataset.name, len(pages))
    return cast(DatasetReader, Pages(pages, dataset.name))


def _number(name: str) -> int:
    """Number of a page, from its name ``GTIFF_DIR:2:FILE``; rasterio sorts names as text, 10 before 2."""
    return int(name.split(":", 2)[1])


def _opened(name: str) -> DatasetReader:
    try:
        # Pages may leave their place to the first one.
        with warnings.catch_warnings(), rasterio.Env(**alone("GTiff")):
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            return rasterio.open(name, driver="GTiff", sharing=False)
    except RasterioError as error:
        _, number, path = name.split(":", 2)
        raise RasterError(path, f"its page {number} is damaged", "Copy or download it again.") from error


def _is_here(page: DatasetReader, first: DatasetReader) -> bool:
    """Whether a page has the place of the first one, or none of its own, as tifffile writes them.

    Of a page that is not the first, GDAL reads the world file next to the image, which is not read otherwise.
    """
    if any(one.transform.is_identity and not one.crs for one in (page, first)):
        return True
    crs = page.crs == first.crs or bool(page.crs and first.crs and same_crs(page.crs, first.crs))
    return crs and page.transform.almost_equals(first.transform)


def _apart(name: str, count: int, why: str) -> RasterError:
    return RasterError(
        name,
        f"holds {count} pages that are not bands of one image: {why}",
        "Make one file of the pages that are: gdalbuildvrt -separate all.vrt GTIFF_DIR:1:FILE GTIFF_DIR:2:FILE …; "
        "gdal_translate all.vrt all.tif",
    )
