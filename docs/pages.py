"""The pages of the manual, for MkDocs: python docs/pages.py FOLDER

FOLDER gets the markdown files and figures of the repository at their own places, so that links between them are the
same there. A comment ``<!-- generated: commands -->`` becomes the options of all commands, ``settings`` the settings of
the recipes, ``decisions`` their list, and ``output SCRIPT WORDS…`` what an example prints.
"""

from __future__ import annotations

import ast
import inspect
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic.fields import FieldInfo
from typer.models import ArgumentInfo, OptionInfo

from landcover_bdgf.app.cli import app
from landcover_bdgf.app.options import GROUPS
from landcover_bdgf.model import recipe as recipes
from landcover_bdgf.settings import choices

ROOT = Path(__file__).parents[1]
IN_SITE = (
    "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "benchmarks/RESULTS.md",
    "benchmarks/accuracy.csv", "benchmarks/datasets/*.toml", "examples/*", "models/README.md", "docs/**/*.md",
    "docs/**/*.png", "docs/**/*.css", "docs/**/*.csv",
)  # fmt: skip
GENERATED = re.compile(r"^<!-- generated: (\w+) ?(.*) -->$", re.MULTILINE)
DECISION = re.compile(r"\bdecision (\d+)")


def write_pages(folder: Path) -> None:
    """The files of the manual in ``folder``, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scenes:
        makers = {
            "commands": commands, "settings": settings, "decisions": decisions,
            "output": lambda words: output(words, Path(scenes)),
        }  # fmt: skip
        for path in site_files():
            place = folder / path.relative_to(ROOT)
            place.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix != ".md":
                shutil.copyfile(path, place)
                continue
            place.write_text(GENERATED.sub(lambda found: makers[found[1]](found[2]), path.read_text("utf-8")), "utf-8")


def site_files() -> Iterator[Path]:
    """The files of the repository that the manual shows or links."""
    return (path for pattern in IN_SITE for path in sorted(ROOT.glob(pattern)) if path.is_file())


def commands(_: str = "") -> str:
    """Usage and options of every command, as ``--help`` shows them."""
    return "\n\n".join(_command(each.name or "", each.callback) for each in app.registered_commands)


def _command(name: str, run: Any) -> str:
    described = [
        (p, p.annotation.__metadata__[0]) for p in inspect.signature(run).parameters.values() if p.name != "context"
    ]
    arguments = [(p, found) for p, found in described if isinstance(found, ArgumentInfo)]
    options = [(p, found) for p, found in described if isinstance(found, OptionInfo)]
    words = [_word(p, found) if p.default is p.empty else f"[{_word(p, found)}]" for p, found in arguments]
    words += [f"{_names(found)[0]} {_metavar(p, found)}" for p, found in options if p.default is p.empty]
    usage = " ".join(["    bdgf", name, *words, "[OPTIONS]"]).replace("[[MORE]...]", "[MORE]...")
    parts = [f"## {name}", inspect.getdoc(run) or "", usage]
    if arguments:
        rows = [f"| {_code(_word(p, found))} | {_cell(found.help)} |" for p, found in arguments]
        parts.append("\n".join(["| argument | meaning |", "|---|---|", *rows]))
    for panel in GROUPS:
        rows = [_option(p, found) for p, found in options if found.rich_help_panel == panel]
        if rows:
            parts.append("\n".join([f"**{panel}**\n", "| option | meaning | default |", "|---|---|---|", *rows]))
    return "\n\n".join(parts)


def _option(parameter: inspect.Parameter, found: OptionInfo) -> str:
    metavar = _metavar(parameter, found)
    names = "<br>".join(_code(f"{name} {metavar}".rstrip()) for name in _names(found))
    default = found.show_default if isinstance(found.show_default, str) else ""
    if parameter.default is parameter.empty:
        default = "required"
    elif not default and parameter.default not in (None, []) and parameter.default is not False:
        default = _value(parameter.default)
    return f"| {names} | {_cell(found.help)} | {_cell(default)} |"


def _word(parameter: inspect.Parameter, found: ArgumentInfo) -> str:
    return found.metavar or "|".join(choices(get_args(parameter.annotation)[0])) or parameter.name.upper()


def _names(found: OptionInfo) -> list[str]:
    """Its names, of which typer takes the first for a default in an annotation."""
    return [each for each in (found.default, *(found.param_decls or ())) if isinstance(each, str)]


def _metavar(parameter: inspect.Parameter, found: OptionInfo) -> str:
    """The value of an option in capitals, or the words to choose from; empty for one without a value."""
    hint = get_args(parameter.annotation)[0]
    if hint is bool:
        return ""
    if words := choices(hint):
        return "|".join(words)
    kinds = {int: "NUMBER", float: "NUMBER", Path: "PATH"}
    return found.metavar or next((word for kind, word in kinds.items() if kind in (hint, *get_args(hint))), "TEXT")


def settings(_: str = "") -> str:
    """All settings of the recipes by section, with the comments of their lines."""
    notes = _notes()
    parts = []
    for section, field in recipes.Recipe.model_fields.items():
        kind: Any = field.annotation
        if not isinstance(kind, type) or not issubclass(kind, recipes.Settings):
            continue
        rows = [_setting(section, key, each, notes[kind.__name__, key]) for key, each in kind.model_fields.items()]
        table = ["| setting | laptop | base | paper | meaning |", "|---|---|---|---|---|", *rows]
        parts += [f"## {section}", _linked(kind.__doc__ or ""), "\n".join(table)]
    return "\n\n".join(parts)


def _setting(section: str, key: str, field: FieldInfo, note: str) -> str:
    values = [_value(getattr(getattr(recipes.RECIPES[name], section), key)) for name in ("laptop", "base", "paper")]
    shown = [values[0], *(f"**{value}**" if value != values[0] else value for value in values[1:])]
    text = "; ".join(filter(None, [note.rstrip("."), _allowed(field)]))
    return f"| `{key}` | {' | '.join(map(_cell, shown))} | {_linked(_cell(text))} |"


def _allowed(field: FieldInfo) -> str:
    """The values that a setting may have, in words."""
    words = choices(field.annotation) or (choices(get_args(field.annotation)[0]) if get_args(field.annotation) else ())
    if words:
        return f"{'one' if choices(field.annotation) else 'some'} of {', '.join(words)}"
    signs = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    limits = [
        f"{word} {getattr(limit, sign):g}"
        for limit in field.metadata
        for sign, word in signs.items()
        if hasattr(limit, sign)
    ]
    return " and ".join(limits)


def _notes() -> dict[tuple[str, str], str]:
    """The comments of each setting, those above it and that on its line, by class and key."""
    source = Path(recipes.__file__).read_text("utf-8")
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    lines, notes = source.splitlines(), {}
    for kind in (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)):
        for node in (node for node in kind.body if isinstance(node, ast.AnnAssign)):
            above = node.lineno
            while lines[above - 2].lstrip().startswith("#"):
                above -= 1
            found = [comments[line] for line in range(above, node.lineno + 1) if line in comments]
            notes[kind.name, ast.unparse(node.target)] = " ".join(found)
    return notes


def decisions(_: str = "") -> str:
    """A list of the decisions with their titles, for a page in docs."""
    titles = {path: path.read_text("utf-8").partition("\n")[0] for path in _decision_files()}
    return "\n".join(f"- [{title.lstrip('# ')}](decisions/{path.name})" for path, title in titles.items())


def _decision_files() -> list[Path]:
    return sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))


def output(words: str, folder: Path) -> str:
    """An example, how it is run, and what it prints; all run in one folder, one after the other."""
    script, *rest = shlex.split(words)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    typed = [str(ROOT / word) if (ROOT / word).is_file() else word for word in rest]
    command = [sys.executable, str(ROOT / script), *typed]
    done = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    code = (ROOT / script).read_text("utf-8").strip()
    return f"```python\n{code}\n```\n\n    python {words}\n\nIt prints:\n\n```text\n{done.stdout.strip()}\n```"


def _value(value: object) -> str:
    """A value as it is typed in ``--set``."""
    if isinstance(value, tuple | list):
        return ",".join(map(_value, value)) or "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:,}" if value >= 10_000 else f"{value:g}"
    return "none" if value is None else str(value) or "empty"


def _code(text: str) -> str:
    """Code in a cell of a table, where a bare | would end the cell."""
    return f"<code>{text.replace('|', '&#124;')}</code>"


def _cell(text: object) -> str:
    """Text in a cell of a table."""
    return " ".join(str(text or "").split()).replace("|", "\\|").replace("<", "&lt;")


def _linked(text: str) -> str:
    """Text whose decisions are links, from a page in docs/reference."""
    files = {int(path.name[:4]): path.name for path in _decision_files()}
    return DECISION.sub(lambda found: f"[{found[0]}](../decisions/{files[int(found[1])]})", " ".join(text.split()))


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
