"""The version of a result changes with the files that it depends on, and with no others."""

from pathlib import Path

import pytest

from landcover_bdgf.bench import version
from landcover_bdgf.bench.version import version_of_baselines, version_of_models, version_of_networks


@pytest.mark.parametrize(("changed", "baselines", "networks", "models"), [
    ("labels.split", True, True, True), ("bench.cells", True, False, True), ("bench.probe", False, False, True),
    ("model.novelty", False, True, True), ("model.scaling", True, True, True),
    ("assessment.report", False, False, False), ("app.cli", False, False, False),
])  # fmt: skip
def test_a_version_changes_with_its_files(
    changed: str, baselines: bool, networks: bool, models: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def versions() -> list[str]:
        version._sha256.cache_clear()
        return [version_of_baselines(), version_of_networks("cpu"), version_of_models("cpu")]

    before, other = versions(), tmp_path / "other.py"
    other.write_text("changed")
    files = version._files() | {changed: other}
    assert changed in version._files()
    monkeypatch.setattr(version, "_files", lambda: files)
    differs = [one != another for one, another in zip(before, versions(), strict=True)]
    version._sha256.cache_clear()
    assert differs == [baselines, networks, models]
    assert version_of_models("cpu") != version_of_models("cuda")
