"""When an image was taken, from what its file says or its name tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

from landcover_bdgf.image import Image

# Tags that mean the sensing. Not TIFFTAG_DATETIME, which is when the file was made.
SENSING_TAGS = (
    "acquisition_time",
    "acquisition_date",
    "acquisitiondatetime",
    "sensing_time",
    "sensing_date",
    "date_acquired",
    "product_start_time",
    "start_time",
    "datetime",
)

_DAY = re.compile(r"(?<!\d)((?:19|20)\d{2})[-_:]?(0[1-9]|1[0-2])[-_:]?(0[1-9]|[12]\d|3[01])(?!\d)")
_LANDSAT_SCENE = re.compile(r"^L[A-Z]\d{7}((?:19|20)\d{2})([0-3]\d{2})[A-Z]{3}")  # path, row, year, day of the year


def date_of(image: Image) -> date | None:
    """The day on which an image was taken; None where neither tags nor names tell.

    Product names begin with the day of sensing (Sentinel, Landsat, EnMAP); the folder is asked only for an
    image of several files, which is one product in it.
    """
    tags = {key.lower().replace(" ", "_"): value for key, value in image.tags.items()}
    names = [image.paths[0].stem, *([image.paths[0].parent.name] if len(image.paths) > 1 else [])]
    return next(_days([*(tags.get(tag, "") for tag in SENSING_TAGS), *names]), None)


def _days(texts: list[str]) -> Iterator[date]:
    for text in texts:
        scene = _LANDSAT_SCENE.match(text)
        if scene:
            yield date(int(scene[1]), 1, 1) + timedelta(days=int(scene[2]) - 1)
        for year, month, day in _DAY.findall(text):
            try:
                yield date(int(year), int(month), int(day))
            except ValueError:  # 31 February: no date
                continue
