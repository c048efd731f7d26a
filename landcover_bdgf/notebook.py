"""How objects show themselves in a notebook: settings in one line, tables, pictures."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
