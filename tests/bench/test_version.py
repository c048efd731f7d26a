"""The version of a result changes with the files that it depends on, and with no others."""

from pathlib import Path

import pytest

from landcover_bdgf.bench import version
from landcover_bdgf.bench.version import (
    version_of_baselines,
    version_of_models,
    version_of_networks,
    version_of_system,
)


@pytest.mark.parametrize(("changed", "baselines", "networks", "models", "calc"), [
    ("labels.split", True, True, True, True), ("bench.cells", True, False, True, True),
    ("bench.probe", False, False, True, False), ("bench.whole_scene", False, False, True, True),
    ("model.novelty", False, True, True, False), ("model.scaling", True, True, True, True),
    ("bench.systems.stems", False, False, False, True), ("bench.systems.calc", False, False, False, True),
    ("bench.systems.macn", False, False, False, False), ("model.networks.layers", False, True, True, True),
    ("assessment.report", False, False, False, False), ("app.cli", False, False, False, False),
    ("survey.estimators", False, False, False, False),
])  # fmt: skip
def test_a_version_changes_with_its_files(
    changed: str,
    baselines: bool,
    networks: bool,
    models: bool,
    calc: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def versions() -> list[str]:
        version._sha256.cache_clear()
        system = version_of_system("landcover_bdgf.bench.systems.calc")
        return [version_of_baselines(), version_of_networks("cpu"), version_of_models("cpu"), system]

    before, other = versions(), tmp_path / "other.py"
    other.write_text("changed")
    files = version._files() | {changed: other}
    assert changed in version._files()
    monkeypatch.setattr(version, "_files", lambda: files)
    differs = [one != another for one, another in zip(before, versions(), strict=True)]
    version._sha256.cache_clear()
    assert differs == [baselines, networks, models, calc]
    assert version_of_models("cpu") != version_of_models("cuda")
