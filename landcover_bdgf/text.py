"""Names from files, made safe to print."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import islice

PRINTED_CHARACTERS = 60
LISTED_NAMES = 12

# Paths of temporary files, and the names to show for them. Entries outlive their files, as an error may be shown later.
FILE_NAMES: dict[str, str] = {}


def with_names(message: str) -> str:
    """A message with the paths of temporary files replaced by the names to show for them."""
    for path, name in list(FILE_NAMES.items()):
        message = message.replace(path, name)
    return message


def printable(name: str) -> str:
    """A name that is safe in a terminal, a table or XML: one short line without control characters.

    Escape sequences, line breaks and marks that change the writing direction become spaces; longer names are cut to
    60 characters.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in name[: 20 * PRINTED_CHARACTERS]).split())
    line = line or "(no name)"
    return line if len(line) <= PRINTED_CHARACTERS else f"{line[: PRINTED_CHARACTERS - 1]}…"


def listed(names: Collection[str], show: Callable[[str], str] = printable) -> str:
    """The first twelve names, formatted by ``show``, and the number of the others."""
    more = f" and {len(names) - LISTED_NAMES} more" if len(names) > LISTED_NAMES else ""
    return ", ".join(map(show, islice(names, LISTED_NAMES))) + more
