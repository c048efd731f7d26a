"""Costs of all methods are counted, and stand beside those of the paper."""

import pytest

from landcover_bdgf.bench import complexity, costs as module
from landcover_bdgf.bench.costs import costs
from landcover_bdgf.bench.systems import SYSTEMS
from landcover_bdgf.model.recipe import RECIPES


def test_costs_of_augsburg(monkeypatch: pytest.MonkeyPatch) -> None:
    """The U-Net of the paper has 4.30 M parameters; 996.43 billion multiply-adds count transposed layers by outputs."""
    monkeypatch.setattr(complexity, "TILE_PX", 8)
    monkeypatch.setattr(module, "RUNS", 1)
    full, fewer = module.BATCH, 8  # windows; each costs the same
    monkeypatch.setattr(module, "BATCH", fewer)
    found = {cost.name: cost for cost in costs("augsburg", 180, 4, 7, RECIPES["laptop"])}
    assert list(found) == [*SYSTEMS, "bdgf (p)", "bdgf (t)"]
    assert all(cost.macs > 0 and cost.published_parameters_m for cost in found.values() if cost.name != "spectral-diff")
    assert found["bdgf (p)"].published_giga_macs == 996.43
    assert found["fusion-hct"].parameters / 1e6 == pytest.approx(0.43, rel=0.02)
    macs = found["fusion-hct"].macs * full / fewer
    assert macs / 1e9 == pytest.approx(found["fusion-hct"].published_giga_macs, rel=0.1)
