"""Pages share one look; names from files cannot break them, and a missing value is an error."""

from __future__ import annotations

import jinja2
import pytest

from landcover_bdgf.assessment.pages import html_page, number_text, points_text
from landcover_bdgf.survey.chips import TEMPLATE


def test_text_is_escaped_and_units_stay_with_their_numbers() -> None:
    page = html_page(TEMPLATE, title="<b>12 px</b>", chips=[], classes=["<i>", "40 % forest"], image="", bands=[])
    assert "<h1>&lt;b&gt;12\N{NO-BREAK SPACE}px&lt;/b&gt;</h1>" in page
    assert "Classes: &lt;i&gt;, 40\N{NO-BREAK SPACE}% forest." in page
    assert "0 25%, var(--page) 0 50%" in page  # the style sheet is as it was written


def test_a_value_that_is_not_given_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="'classes' is undefined"):
        html_page(TEMPLATE, title="x", chips=[], image="", bands=[])


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0"), (0.04, "0.04"), (5.26, "5.3"), (99, "99"), (1234.5, "1,234"), (50176, "50,176")],
)
def test_numbers(value: float | None, text: str) -> None:
    assert number_text(value) == text


def test_differences_have_a_sign() -> None:
    assert [points_text(share) for share in (0.0123, -0.2)] == ["+1.2", "−20.0"]
