"""Names, tables and pictures as text that is safe to show."""

from __future__ import annotations

import base64
import html
import io
import math
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRINTED_CHARACTERS = 60
LISTED_NAMES = 12

# Paths of temporary files, and the names to show for them. Entries outlive their files, as an error may be shown later.
FILE_NAMES: dict[str, str] = {}


def with_names(message: str) -> str:
    """A message with the paths of temporary files replaced by the names to show for them."""
    for path, name in list(FILE_NAMES.items()):
        message = message.replace(path, name)
    return message


def file_name(path: str | os.PathLike[str]) -> str:
    """The name of a file without its folder; of an address without what follows ``?``, which may be a password."""
    shown = with_names(os.fspath(path))
    return shown if shown != os.fspath(path) else Path(shown.split("?")[0]).name


def placed_name(path: str | os.PathLike[str]) -> str:
    """The name of a file with its last folder, to tell it from another of the same name."""
    name, folder = file_name(path), Path(path).parent.name
    return f"{folder}/{name}" if folder and name == Path(path).name else name


def printable(name: str) -> str:
    """A name that is safe in a terminal, a table or XML: one short line without control characters.

    Escape sequences, line breaks and marks that change the writing direction become spaces; longer names are cut to
    60 characters.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in name[: 20 * PRINTED_CHARACTERS]).split())
    line = line or "(no name)"
    return line if len(line) <= PRINTED_CHARACTERS else f"{line[: PRINTED_CHARACTERS - 1]}…"


def rough_percent(share: float) -> str:
    """A share in percent with two digits: ``0.023 %``, ``7.1 %``, ``33 %``, ``100 %``."""
    percent = 100 * share
    if percent >= 10 or percent <= 0:
        return f"{percent:.0f} %"
    digits = f"{percent:.{1 - math.floor(math.log10(percent))}f}"  # .2g has an exponent where shares are small
    return f"{digits.rstrip('0').rstrip('.')} %"


def percent(share: float | None) -> str:
    """A share in percent with one decimal; a dash if it is undefined."""
    return "–" if share is None or math.isnan(share) else f"{100 * share:.1f} %"


def listed(names: Collection[str], show: Callable[[str], str] = printable) -> str:
    """The first twelve names, formatted by ``show``, and the number of the others."""
    more = f" and {len(names) - LISTED_NAMES} more" if len(names) > LISTED_NAMES else ""
    return ", ".join(map(show, islice(names, LISTED_NAMES))) + more


def table(rows: Iterable[Sequence[object]], head: Sequence[object] = ()) -> str:
    """An HTML table; its cells are escaped."""
    lines = [_row(head, "th")] if head else []
    return f"<table>{''.join([*lines, *(_row(row, 'td') for row in rows)])}</table>"


def png(rgba: NDArray[Any]) -> str:
    """A picture, RGBA uint8 (h, w, 4), as a PNG data URI."""
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    imsave(buffer, rgba, format="png")
    return data_uri("image/png", buffer.getvalue())


def data_uri(kind: str, content: bytes) -> str:
    """The contents of a file as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _row(cells: Sequence[object], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(str(cell))}</{tag}>' for cell in cells)}</tr>"
