"""Names, tables and pictures as text that is safe to show."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRINTED_CHARACTERS = 60
LISTED_NAMES = 12

# Temporary files by their paths, and the names that the user knows them by. An entry outlives its file, as an error
# may be shown later.
FILE_NAMES: dict[str, str] = {}


def with_names(message: str) -> str:
    """A message in which temporary files have the names that the user knows them by."""
    for path, name in list(FILE_NAMES.items()):
        message = message.replace(path, name)
    return message


def printable(name: str) -> str:
    """A name fit for a terminal, a table or XML: one short line without control characters.

    Escape sequences, line breaks and marks that reverse the direction of writing become spaces; what is
    longer than 60 characters is cut.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in name[: 20 * PRINTED_CHARACTERS]).split())
    line = line or "(no name)"
    return line if len(line) <= PRINTED_CHARACTERS else f"{line[: PRINTED_CHARACTERS - 1]}…"


def listed(names: Collection[str], show: Callable[[str], str] = printable) -> str:
    """The first twelve of some names, each as it is shown, and how many more there are."""
    more = f" and {len(names) - LISTED_NAMES} more" if len(names) > LISTED_NAMES else ""
    return ", ".join(map(show, islice(names, LISTED_NAMES))) + more


def table(rows: Iterable[Sequence[object]], head: Sequence[object] = ()) -> str:
    """An HTML table; what stands in its cells is escaped."""
    lines = [_row(head, "th")] if head else []
    return f"<table>{''.join([*lines, *(_row(row, 'td') for row in rows)])}</table>"


def png(rgba: NDArray[Any]) -> str:
    """A picture, uint8 (h, w, 4), as the address of an image that holds itself."""
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    imsave(buffer, rgba, format="png")
    return data_uri("image/png", buffer.getvalue())


def data_uri(kind: str, content: bytes) -> str:
    """Contents of a file as its own address."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _row(cells: Sequence[object], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(str(cell))}</{tag}>' for cell in cells)}</tr>"
