"""Names out of files, fit to be printed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import islice

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
