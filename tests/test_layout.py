"""Imports point the way the plan says, and the package's docstring tells the whole story."""

import ast
from collections.abc import Iterator
from pathlib import Path

import landcover_bdgf

PACKAGE = Path(landcover_bdgf.__file__).parent
MODULES = {p.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."): p for p in PACKAGE.rglob("*.py")}

# Both sides meet here and above; all other modules outside networks/ are geography or shared, without torch.
MEETING = {
    "device",
    "fit",
    "features",
    "windows",
    "classifier",
    "domain",
    "posttraining",
    "pretraining",
    "training",
    "mapping",
    "chain",
    "check",
    "diagnostics",
    "demo",
    "cli",
    "bench.complexity",
    "bench.embedding",
    "bench.methods",
    "bench.probe",
    "bench.version",
    "bench.whole",
}
STEPS = {"pretraining", "training", "mapping"}
GEO_LIBRARIES = {"rasterio", "geopandas", "pyogrio", "shapely", "pyproj", "affine"}


def imports(path: Path, *, at_start: bool = False) -> Iterator[str]:
    """Modules that a file imports; ``at_start`` leaves out those inside functions and for types only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if at_start else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(path: Path) -> set[str]:
    """Modules of the package that a file imports."""
    names = {name.removeprefix("landcover_bdgf.") for name in imports(path)}
    return {n for n in names if n in MODULES}


def test_networks_know_no_files_and_no_geography() -> None:
    for name in (n for n in MODULES if n.startswith("networks")):
        assert not GEO_LIBRARIES & {i.split(".")[0] for i in imports(MODULES[name])}, name
        assert own(MODULES[name]) <= {n for n in MODULES if n.startswith("networks")} | {"recipe"}, name


def test_geography_never_imports_torch() -> None:
    for name in (n for n in MODULES if not n.startswith("networks") and n not in MEETING):
        assert "torch" not in {i.split(".")[0] for i in imports(MODULES[name])} or name == "device", name


def test_steps_do_not_import_each_other() -> None:
    for name in STEPS:
        assert not own(MODULES[name]) & STEPS, name


def test_nothing_imports_the_command_line_and_nothing_goes_round() -> None:
    graph = {name: own(path) for name, path in MODULES.items() if name != "__init__"}
    assert all("cli" not in imported for name, imported in graph.items() if name != "__main__")
    finished: set[str] = set()
    while graph.keys() - finished:
        ready = {n for n in graph.keys() - finished if graph[n] <= finished | {"__init__"}}
        assert ready, f"these import each other in a circle: {sorted(graph.keys() - finished)}"
        finished |= ready


def test_help_needs_no_heavy_import() -> None:
    light = {"cli", "options", "terminal", "limits", "errors", "__init__", "__main__"}
    heavy = {"torch", "rasterio", "geopandas", "sklearn", "matplotlib", "numpy"}
    for name in light:
        assert not heavy & {i.split(".")[0] for i in imports(MODULES[name], at_start=True)}, name


def test_the_docstring_lists_every_file() -> None:
    text = landcover_bdgf.__doc__ or ""
    listed = {word.strip(",/") for line in text.splitlines() for word in line[:22].split()}
    missing = {n for n in MODULES if "." not in n and not n.startswith("__")} - listed
    assert not missing


def test_all_public_names_are_there() -> None:
    assert all(getattr(landcover_bdgf, name) for name in landcover_bdgf.__all__)
