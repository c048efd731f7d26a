"""The version and the dependencies are the same everywhere, and images of containers are fixed and not of root."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OF_CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base", "SimpleITK": "simpleitk"}
INSTRUCTIONS = {"FROM", "ARG", "COPY", "RUN", "ENV", "USER", "WORKDIR", "ENTRYPOINT", "CMD"}


def recipe() -> dict[str, Any]:
    """The conda recipe, with the version in its place."""
    text = (ROOT / "recipe/recipe.yaml").read_text()
    loaded: dict[str, Any] = yaml.safe_load(text.replace("${{ version }}", yaml.safe_load(text)["context"]["version"]))
    return loaded


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile: word and arguments."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(word, arguments) for word, arguments in lines]


def test_the_version_is_the_same_everywhere() -> None:
    version = PROJECT["version"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == version
    assert recipe()["package"]["version"] == version
    assert f"\n## [{version}] - {cited['date-released']}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_conda_gets_the_same_dependencies() -> None:
    names = [re.match(r"([\w-]+)(.*)", each).groups() for each in PROJECT["dependencies"]]  # type: ignore[union-attr]
    expected = {f"{OF_CONDA.get(name, name)} {bound}" for name, bound in names}
    assert {*recipe()["requirements"]["run"]} == expected | {f"python {PROJECT['requires-python']}"}
    command, function = next(iter(PROJECT["scripts"].items()))
    assert recipe()["build"]["python"]["entry_points"] == [f"{command} = {function}"]


def test_the_container_is_of_a_fixed_image_and_not_of_root() -> None:
    found = instructions()
    assert {word for word, _ in found} <= INSTRUCTIONS
    assert all(re.match(r"python:\d+\.\d+\.\d+-slim-\w+( AS \w+)?$", of) for word, of in found if word == "FROM")
    assert [user for word, user in found if word == "USER"] == ["bdgf"]
    torch = next(each for each in PROJECT["dependencies"] if each.startswith("torch"))
    assert any(f'"{torch}"' in arguments for word, arguments in found if word == "RUN")


@pytest.mark.parametrize("name", ["LICENSE", "NOTICE", "README.md", "pyproject.toml", "landcover_bdgf"])
def test_the_container_has_what_the_package_needs(name: str) -> None:
    assert (ROOT / name).exists()
    assert f"!{name}" in (ROOT / ".dockerignore").read_text().splitlines()


@pytest.mark.parametrize("path", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem)
def test_forms_of_issues_can_be_read(path: Path) -> None:
    form = yaml.safe_load(path.read_text())
    if path.stem == "config":
        return
    assert form["name"]
    assert form["description"]
    assert all(part["type"] in ("markdown", "textarea") and part["attributes"] for part in form["body"])
