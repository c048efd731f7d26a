"""The manual: commands in it exist, its links lead somewhere, and the reference has every option and setting."""

import importlib.util
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer

from landcover_bdgf.app.cli import app
from landcover_bdgf.model import RECIPES, load_recipe

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<!!)\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+)$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]

spec = importlib.util.spec_from_file_location("pages", ROOT / "docs/pages.py")
assert spec is not None
assert spec.loader is not None
pages = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pages)
SITE = [path for path in pages.site_files() if path.suffix == ".md"]
MANUAL = [path for path in SITE if path.parent.name != "decisions"]


def _options(name: str) -> set[str]:
    words = [word for each in COMMANDS[name].params for word in (*each.opts, *each.secondary_opts)]
    return {"--help", *(word for word in words if word.startswith("-"))}


def _shown_commands(path: Path) -> Iterator[list[str]]:
    """The words of each command line of bdgf in the code of a page."""
    text = path.read_text("utf-8").replace("\\\n", " ")
    fenced = [line for block in FENCE.findall(text) for line in block.splitlines()]
    indented = [line for line in FENCE.sub("", text).splitlines() if line.startswith("    ")]
    for line in (line.strip().removeprefix("$ ") for line in (*fenced, *indented)):
        if line.startswith("bdgf ") and len(line.split()) > 1:
            yield shlex.split(line, comments=True)[1:]


def _slugs(path: Path) -> set[str]:
    """The anchors of a page, as MkDocs and GitHub make them of its headings."""
    headings = HEADING.findall(FENCE.sub("", path.read_text("utf-8")))
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", text).strip().lower()) for text in headings}


def test_commands_in_the_manual_exist() -> None:
    seen = 0
    for path in MANUAL:
        for name, *words in _shown_commands(path):
            if name.startswith("-"):  # bdgf --version
                continue
            assert name in COMMANDS or name == "COMMAND", f"{path}: bdgf {name}"
            for word in words:
                option = word.partition("=")[0]
                if re.match(r"--?[a-z]", word) and name in COMMANDS:
                    assert option in _options(name), f"{path}: bdgf {name} {option}"
            changes = tuple(after for word, after in pairwise(words) if word == "--set")
            load_recipe(None, changes)
            seen += 1
    assert seen > 50


def test_links_of_the_manual_lead_somewhere() -> None:
    slugs = {path: _slugs(path) for path in SITE}
    for path in SITE:
        for groups in LINK.findall(FENCE.sub("", path.read_text("utf-8"))):
            target, _, anchor = "".join(groups).partition("#")
            if target.startswith(("http:", "https:")):
                continue
            place = (path.parent / target).resolve() if target else path
            assert place.is_file(), f"{path}: {target}"
            assert place in pages.site_files(), f"{path}: {target} is not in the site"
            assert not anchor or anchor in slugs[place], f"{path}: {target}#{anchor}"


def test_each_page_is_in_the_navigation() -> None:
    listed = re.findall(r"^ +- (?:[^:\n]+: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(str(path.relative_to(ROOT)) for path in MANUAL)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_reference_has_each_option(name: str) -> None:
    part = pages.commands().partition(f"## {name}\n")[2].partition("\n## ")[0]
    for option in _options(name) - {"--help"}:
        assert re.search(rf"(<code>|/){option}[ </]", part), option


def test_the_reference_has_each_setting_with_its_reason() -> None:
    text = pages.settings()
    for section, values in RECIPES["laptop"].model_dump().items():
        if isinstance(values, dict):
            part = text.partition(f"## {section}\n")[2].partition("\n## ")[0]
            assert all(f"| `{key}` | " in part for key in values)
    assert "[decision 0014](../decisions/0014-pretraining.md)" in text
    assert "| `learning_rate` | 0.002 | **0.0004** | **0.0004** | 4e-4 in the paper, too slow" in text


def test_generated_parts_are_known() -> None:
    for path in SITE:
        for kind, words in pages.GENERATED.findall(path.read_text("utf-8")):
            assert kind in ("commands", "settings", "decisions", "output")
            assert kind != "output" or (ROOT / words.split()[0]).is_file()
