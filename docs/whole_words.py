"""For MkDocs: words of code with hyphens, such as ``--sar-unit``, are not broken at the end of a line."""

from __future__ import annotations

import re
from typing import Any

CODE = re.compile(r"(?<!<pre>)<code>([^<]+)</code>")
WORD = re.compile(r"(?<!\S)(?=\S*-)\S{1,30}(?!\S)")  # longer ones would not fit on a narrow screen


def on_page_content(html: str, **_: Any) -> str:
    """The page, with such words marked for the style sheet."""
    return CODE.sub(lambda code: f"<code>{WORD.sub(_whole, code[1])}</code>", html)


def _whole(word: re.Match[str]) -> str:
    return f'<span class="whole">{word[0]}</span>'
