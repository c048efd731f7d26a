"""One look for all HTML pages, in ``page.html.jinja``: light, dark, narrow, on paper and read aloud.

The template of a page extends ``assessment/page.html.jinja`` and fills its blocks: ``lead`` below the title, ``main``,
and ``style`` for what only this page has. Nothing is loaded from elsewhere; pictures are data URIs.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from landcover_bdgf.text import percent, printable

_PACKAGE = Path(__file__).parents[1]
# A number and its unit stay on one line, but a command can be copied.
_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:%|px|ha)(?!\w))(?![^<]*</code>)")


def html_page(template: str, *, title: str, **values: Any) -> str:
    """A page as HTML.

    Parameters
    ----------
    template : str
        Path of a template in the package, such as ``survey/chips.html.jinja``.
    title : str
    **values
        Values of the template. Text is escaped; names from files go through ``printable`` here or there.

    Raises
    ------
    jinja2.UndefinedError
        If the template needs a value that is not given.
    """
    page = _environment().get_template(template).render(title=title, **values)
    return _BEFORE_UNIT.sub("\N{NO-BREAK SPACE}", page)


@cache
def _environment() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(_PACKAGE)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"percent": percent, "printable": printable, "number": number_text}
    return environment


def number_text(value: float | None) -> str:
    """A number as text: thousands separated, decimals only below 100; a dash for None."""
    if value is None:
        return "–"
    digits = 0 if isinstance(value, int) or value >= 100 or value == 0 else 1 if value >= 1 else 2
    return f"{value:,.{digits}f}"


def points_text(difference: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * difference:+.1f}".replace("-", "−")
