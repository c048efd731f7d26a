"""Imports point one way, from the command line down to files, and stop at the face of a package; modules have tests."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import landcover_bdgf

PACKAGE = Path(landcover_bdgf.__file__).parent
MODULES = {p.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."): p for p in PACKAGE.rglob("*.py")}
ROOT = {"__init__", "__main__", "errors", "processes", "progress", "settings", "text"}
# Which packages a package may import; the modules of the root are below all of them.
BELOW: dict[str, set[str]] = {
    "storage": set(),
    "geo": {"storage"},
    "scene": {"storage", "geo"},
    "labels": {"storage", "geo", "scene"},
    "assessment": {"storage", "geo", "scene", "labels"},
    "survey": {"storage", "geo", "scene", "labels", "assessment"},
    "model": {"storage", "geo", "scene", "labels"},
    "training": {"storage", "geo", "scene", "labels", "model"},
    "mapping": {"storage", "geo", "scene", "labels", "model"},
    "bench": {"storage", "geo", "scene", "labels", "assessment", "model", "training", "mapping"},
    "app": {"storage", "geo", "scene", "labels", "assessment", "survey", "model", "training", "mapping", "bench"},
}
WITHOUT_TORCH = {"storage", "geo", "scene", "labels", "assessment", "survey"}
GEO_LIBRARIES = {"rasterio", "geopandas", "pyogrio", "shapely", "pyproj", "affine"}
HEAVY = {"torch", "rasterio", "geopandas", "sklearn", "matplotlib", "numpy", "scipy"}


def package_of(module: str) -> str:
    """``geo.grid`` -> ``geo``; empty for modules of the root."""
    return module.split(".")[0] if "." in module else ""


@cache
def imports(path: Path) -> list[tuple[str, list[str]]]:
    """Modules that a file imports, and the names out of each, also as attributes of an own package."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "landcover_bdgf"]
    faces = {alias.name for node in froms for alias in node.names} & BELOW.keys()
    found: list[tuple[str, list[str]]] = []
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in faces:
            found.append((f"landcover_bdgf.{node.value.id}", [node.attr]))
        if isinstance(node, ast.Import):
            found += [(alias.name, []) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, [alias.name for alias in node.names]))
    return found


def own_imports(module: str) -> Iterator[str]:
    """Own modules and packages that a module imports, without the name of the whole."""
    for name, names in imports(MODULES[module]):
        if name == "landcover_bdgf":
            yield from names
        elif name.startswith("landcover_bdgf."):
            yield name.removeprefix("landcover_bdgf.")


def test_the_root_holds_packages_and_a_few_modules_that_all_of_them_use() -> None:
    loose = {module for module in MODULES if "." not in module}
    assert loose == ROOT
    assert {package_of(module) for module in MODULES} - {""} <= BELOW.keys()


@pytest.mark.parametrize("package", sorted({*BELOW, "model.networks"}))
def test_the_docstring_of_a_package_names_its_modules(package: str) -> None:
    folder = PACKAGE / package.replace(".", "/")
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert sorted(name for name in names if not re.search(rf"\b{name}\b", said)) == []


def test_imports_point_down_and_stop_at_the_face() -> None:
    wrong = []
    for module in MODULES.keys() - {"__init__", "__main__"}:
        home = package_of(module)
        for name in own_imports(module):
            other = name.split(".")[0]
            if other in BELOW and other != home:
                if other not in BELOW.get(home, set()):
                    wrong.append(f"{module} imports {name}: {other} is not below {home or 'the root'}")
                if "." in name:
                    wrong.append(f"{module} imports {name}: not through the face of {other}")
            elif other not in BELOW and other not in ROOT:
                wrong.append(f"{module} imports {name}: no such module")
    assert not wrong, "\n".join(sorted(wrong))


def test_no_circular_imports() -> None:
    graph = {}
    for module in MODULES.keys() - {"__init__", "__main__"}:
        found = set()
        for name, names in imports(MODULES[module]):
            inside = name.removeprefix("landcover_bdgf.")
            found |= {n for n in (inside, *(f"{inside}.{each}" for each in names)) if n in MODULES}
        graph[module] = found - {module}
    finished: set[str] = set()
    while graph.keys() - finished:
        ready = {n for n in graph.keys() - finished if graph[n] <= finished}
        assert ready, f"circular imports: {sorted(graph.keys() - finished)}"
        finished |= ready


def test_geography_never_imports_torch_and_networks_no_files_and_no_geography() -> None:
    for module in (n for n in MODULES if package_of(n) in WITHOUT_TORCH):
        assert "torch" not in {name.split(".")[0] for name, _ in imports(MODULES[module])}, module
    for module in (n for n in MODULES if "networks." in n):
        libraries = {name.split(".")[0] for name, _ in imports(MODULES[module])}
        assert not GEO_LIBRARIES & libraries, module
        for name in own_imports(module):
            assert name.startswith(("model.networks", "model.recipe")), f"{module}: {name}"


@pytest.mark.parametrize("package", [p for p in BELOW if (PACKAGE / p / "__init__.pyi").exists()])
def test_a_face_names_only_what_exists_and_is_used_outside(package: str) -> None:
    face = ast.parse((PACKAGE / package / "__init__.pyi").read_text(encoding="utf-8"))
    named = {a.name: n.module for n in face.body if isinstance(n, ast.ImportFrom) for a in n.names}
    modules = {module.removeprefix(f"{package}.").split(".")[0] for module in MODULES if package_of(module) == package}
    assert not named.keys() & modules, "a name in the face must not also be a module"
    for name, module in named.items():
        assert hasattr(__import__(f"landcover_bdgf.{package}.{module}", fromlist=[name]), name), name
    used = {
        name
        for module in MODULES
        if package_of(module) != package
        for imported, names in imports(MODULES[module])
        if imported == f"landcover_bdgf.{package}"
        for name in names
    }
    public = set(landcover_bdgf.__all__)
    assert named.keys() - used - public == set(), "not used outside the package"


def test_every_module_has_tests_in_a_file_of_its_name() -> None:
    """Kernels are tested through the networks that call them, commands and settings through what they do.

    What runs in QGIS alone is tested there, by end_to_end/test_qgis.py.
    """
    files = {path.stem for path in Path(__file__).parent.rglob("test_*.py")}
    untested = {module for module in MODULES if f"test_{module.split('.')[-1]}" not in files}
    elsewhere = ("__init__", "__main__", ".settings")
    assert not [
        module
        for module in untested
        if not module.endswith(elsewhere)
        and not {"kernels", "commands"} & {*module.split(".")}
        and not {"qgis", "processing"} & {name.split(".")[0] for name, _ in imports(MODULES[module])}
    ]


def test_help_loads_no_heavy_library() -> None:
    code = "import sys, landcover_bdgf.app.cli; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert not HEAVY & {name.split(".")[0] for name in run.stdout.split()}


def test_all_public_names_exist() -> None:
    assert all(getattr(landcover_bdgf, name) for name in landcover_bdgf.__all__)
