"""Costs of all methods are counted, and stand beside those of the paper."""

import pytest

from landcover_bdgf.bench import complexity, costs as module
from landcover_bdgf.bench.costs import costs
from landcover_bdgf.bench.systems import SYSTEMS, Sizes
from landcover_bdgf.model.recipe import RECIPES


def test_costs_of_augsburg(monkeypatch: pytest.MonkeyPatch) -> None:
    """All are counted, and those of the paper stand beside them."""
    monkeypatch.setattr(complexity, "TILE_PX", 8)
    monkeypatch.setattr(module, "RUNS", 1)
    full, fewer = module.BATCH, 8  # windows; each costs the same
    monkeypatch.setattr(module, "BATCH", fewer)
    found = {cost.name: cost for cost in costs("augsburg", 180, 4, 7, RECIPES["laptop"])}
    names = [name for name in SYSTEMS if name != "ss-mae"]
    assert list(found) == [*names, "ss-mae (p)", "ss-mae (t)", "bdgf (p)", "bdgf (t)"]
    assert all(cost.step_s > 0 for cost in found.values())
    assert all(cost.macs > 0 and cost.published_parameters_m for cost in found.values() if cost.name != "spectral-diff")
    assert found["bdgf (p)"].published_giga_macs == 996.43
    assert found["fusion-hct"].parameters / 1e6 == pytest.approx(0.43, rel=0.02)
    macs = found["fusion-hct"].macs * full / fewer
    assert macs / 1e9 == pytest.approx(found["fusion-hct"].published_giga_macs, rel=0.1)
    for phase in ("ss-mae (p)", "ss-mae (t)"):
        assert found[phase].parameters / 1e6 == pytest.approx(found[phase].published_parameters_m, rel=0.02)


def test_scans_of_systems_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """HLMamba's block of 128 channels with 16 states scans 64 tokens at three scales: three multiply-adds for each."""
    monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(module, "_step_s", lambda *_: 0.1)

    def macs() -> int:
        ((_, found),) = module._of_system("hlmamba", Sizes(4, 2, 3), None, RECIPES["laptop"])
        return found[1]

    whole = macs()
    monkeypatch.setattr(complexity, "SCAN", 0)
    assert whole - macs() == 3 * 128 * 16 * 64 * 3 * 2


def test_msfmamba_has_two_modules_for_berlin(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Table 9 implies, which prints 2.46 M for Berlin and 0.82 M for Augsburg."""
    monkeypatch.setattr(module, "BATCH", 1)
    monkeypatch.setattr(module, "_step_s", lambda *_: 0.1)
    for dataset, millions in (("berlin", 2.46), ("augsburg", 0.82)):
        ((_, found),) = module._of_system("msfmamba", Sizes(244, 4, 8), dataset, RECIPES["laptop"])
        assert found[0] / 1e6 == pytest.approx(millions, rel=0.02)
