"""The text encoding of vector files: which one it is, and whether text was read with a wrong one."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from pathlib import Path

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.geo.vector_checks import companion
from landcover_bdgf.progress import log
from landcover_bdgf.text import printable

# In which UTF-8 is often read by mistake; in the second, a word of another language may be valid UTF-8, too.
_WRONG, _WRONG_EAST_ASIAN = ("latin-1", "cp1252", "cp1250", "cp1251"), ("gbk", "cp932", "cp949", "cp950")
_FIRST_EAST_ASIAN = "\u2e80"
# Control letters; signs or lost letters within a word, such as "Gew?sser"; several signs together.
_LETTER, _SIGN = r"[^\W\d_]", "[\u00a1-\u00a9\u00ab-\u00b3\u00b6\u00b8\u00b9\u00bb-\u00bf]"
_GARBLED = re.compile(
    rf"[\x80-\x9f\ufffd]|{_LETTER}(?:{_SIGN}|[\u00b5?]){_LETTER}|(?![\u00b2\u00b3]{{2}}){_SIGN}{{2}}", re.UNICODE
)
# Language driver at byte 29 of a .dbf: of encodings of several bytes per letter, in which GDAL drops what is invalid,
# and of those that GDAL 3.10 reads as Latin-1, in which the quotes and the euro of cp1252 would be control letters. It
# knows the others.
_LANGUAGES = {
    0x00: "cp1252", 0x03: "cp1252", 0x57: "cp1252", 0x7D: "cp1255", 0x7E: "cp1256",
    0x13: "cp932", 0x7B: "cp932", 0x4D: "gbk", 0x7A: "gbk", 0x4E: "cp949", 0x79: "cp949", 0x4F: "cp950", 0x78: "cp950",
}  # fmt: skip
_ISO, _PAGE = re.compile(r"(?:iso)?[-_ ]?8859[-_ ]?(\d{1,2})"), re.compile(r"(?:ansi|oem|cp|windows)?[-_ ]?(\d{3,5})")


def check_encoding(encoding: str | None) -> None:
    """SettingsError if Python does not know a text encoding."""
    if encoding is not None and not _is_known(encoding):
        known = "utf-8, latin-1, cp1252 or gbk"
        raise SettingsError(f"`encoding={encoding}`", "is unknown", f"Use one such as {known}.")


def shapefile_encoding(path: Path) -> str | None:
    """Python's name of the encoding that a Shapefile declares, if it must be decoded strictly; None: leave it to GDAL.

    GDAL drops letters that are invalid in the declared encoding, which would merge or rename classes.
    """
    declared = companion(path, ".cpg")
    if declared is not None:
        name = declared.read_bytes()[:100].decode("ascii", "replace").strip().lower()
        page = _PAGE.fullmatch(name)
        if iso := _ISO.fullmatch(name):
            name = f"iso8859-{iso[1]}"
        elif page:
            name = "utf-8" if page[1] == "65001" else f"cp{page[1]}"
        return name if _is_known(name) else None
    if (table := companion(path, ".dbf")) is None:
        return None
    with table.open("rb") as file:
        return _LANGUAGES.get(file.read(30).ljust(30)[29])


def warn_of_garbled(path: Path, texts: Iterable[str], *, can_choose: bool) -> None:
    """Warn of text that was read in another encoding than it was written in.

    Such as "GewÃ¤sser", which is UTF-8, or "âîäà", which is Cyrillic; or "d³o", of which the encoding is unknown.
    """
    texts = [text for text in texts if not text.isascii() or "?" in text]
    # The remedy is not an argument, so that the command line shows the setting as its option.
    for text in texts:
        if found := next(filter(None, (_as_utf8(text), _as_cyrillic(text))), None):
            meant, encoding = found
            name = "UTF-8" if encoding == "utf-8" else encoding
            remedy = f"set `encoding={encoding}`" if can_choose else "correct it where the file was made"
            log.warning(
                f"%s: the text %s looks like %s in %s that was read in another encoding. If so, {remedy}",
                path, printable(text), printable(meant), name,
            )  # fmt: skip
            return
    if found_text := next(filter(_GARBLED.search, texts), None):
        remedy = "set it with `encoding=cp1250`, cp850 or gbk" if can_choose else "correct it where the file was made"
        log.warning(
            f"%s: the text %s looks as if it was read in another encoding. If so, {remedy}", path, printable(found_text)
        )


def _as_utf8(text: str) -> tuple[str, str] | None:
    """What a text means if it is UTF-8 read in another encoding, and "utf-8"; None if it is not."""
    for encoding in (*_WRONG, *_WRONG_EAST_ASIAN):
        try:
            meant = codecs.getincrementaldecoder("utf-8")().decode(text.encode(encoding))  # a last letter may be cut
        except UnicodeError:
            continue
        east_asian = all(letter.isascii() or letter >= _FIRST_EAST_ASIAN for letter in meant)
        if not meant.isascii() and (encoding in _WRONG or east_asian):
            return meant, "utf-8"
    return None


def _as_cyrillic(text: str) -> tuple[str, str] | None:
    """What a text means if it is Cyrillic read as Latin-1, and its encoding; None if it is not.

    No word of a language in Latin letters has accents on all of its letters.
    """
    words = [word for word in re.findall(r"[^\W\d_]+", text) if len(word) > 2]
    if not words or not all("\u00c0" <= letter <= "\u00ff" for letter in "".join(words)):
        return None
    meant = text.encode("cp1252", "replace").decode("cp1251", "replace")
    return meant, "cp1251"


def _is_known(encoding: str) -> bool:
    try:
        codecs.lookup(encoding)
        "a".encode(encoding)
    except (LookupError, ValueError):  # ValueError: a codec for something else than text
        return False
    return True
