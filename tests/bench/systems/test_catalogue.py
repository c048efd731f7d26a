"""Every system has the published size, learns, maps a scene, and never sees a test label."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from landcover_bdgf.bench.systems.catalogue import SYSTEMS, settings_of, system_codes
from landcover_bdgf.bench.systems.learner import Sizes
from landcover_bdgf.bench.systems.patches import Patches
from landcover_bdgf.bench.systems.system import Source
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.recipe import RECIPES, changed
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.training.pretraining import pretrain

QUICK: dict[str, Any] = {"epochs": 4, "batch": 12, "learning_rate": 1e-3}
# The slowest see fewer windows; AsyFFNet sees each window three times in an epoch, and descends without Adam.
SCHEDULES: dict[str, dict[str, Any]] = {
    "asyffnet": {"epochs": 1, "batch": 9, "learning_rate": 2e-2},
    "ncglf": {"epochs": 1, "batch": 4},
    "spectral-diff": {"epochs": 1, "batch": 6},
}
SMALLER: dict[str, dict[str, Any]] = {
    "asyffnet": {"patch_px": 5},
    "hlmamba": {"scales_px": (4,), "patch_px": 4},
    "msfmamba": {"patch_px": 4},
    "ss-mae": {"width": 32, "steps": 2},
}


def source(stack: Stack) -> Source:
    """With a denoiser that hardly learns."""
    recipe = changed(RECIPES["laptop"], ("diffusion.steps=2",))
    return Source(stack, Run(), recipe, lambda recipe: pretrain(stack, recipe))


@pytest.fixture(params=list(SYSTEMS))
def name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A system that trains for a few steps of small batches; attention to 81 pixels with 2 heads instead of 20."""
    system = SYSTEMS[request.param]
    settings = QUICK | SCHEDULES.get(request.param, {})
    monkeypatch.setattr(system, "schedule", replace(system.schedule, **settings))
    monkeypatch.setattr("landcover_bdgf.bench.systems.spectral_diff.HEADS", 2)
    for attribute, value in SMALLER.get(request.param, {}).items():
        monkeypatch.setattr(system, attribute, value)
    return request.param


def test_a_batch_is_learned(name: str) -> None:
    """The loss falls when the same batch is shown again, and there is a probability for each class."""
    torch.manual_seed(0)
    system = SYSTEMS[name]()
    network, generator = system.network(Sizes(12, 2, 3)).train(), torch.Generator().manual_seed(0)
    side = system.patch_px
    patches = Patches(torch.randn(12, 12, side, side), torch.randn(12, 2, side, side), torch.arange(12) % 3)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    losses = []
    for _ in range(6):
        loss = system.loss(network, patches, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert system.channels(244, 4, RECIPES["laptop"]) <= 244
    p = system.probabilities(network.eval(), patches)
    assert p.shape == (12, 3)
    torch.testing.assert_close(p.sum(1), torch.ones(12))


def test_a_scene_is_mapped_better_than_by_chance_and_without_test_labels(
    name: str, tiny: Stack, tiny_samples: Samples
) -> None:
    codes, probability = system_codes(name, source(tiny), tiny_samples)
    test = tiny_samples.test
    assert codes.shape == probability.shape == tiny.grid.shape_hw
    assert set(np.unique(codes)) <= {1, 2, 3}
    assert (codes[test.rows, test.cols] == test.codes).mean() > 0.6
    wrong = np.where(tiny_samples.parts == 1, tiny_samples.codes % 3 + 1, tiny_samples.codes).astype(np.uint16)
    where = np.zeros(codes.shape, bool)
    where[test.rows, test.cols] = True
    again, _ = system_codes(name, source(tiny), replace(tiny_samples, codes=wrong), where)
    assert np.array_equal(np.where(where, codes, 0), again), "other labels of test pixels change nothing"


def test_a_method_sets_the_steps_of_a_pretraining() -> None:
    assert SYSTEMS["ss-mae"](**settings_of("ss-mae", ["steps=2000"])).steps == 2000  # type: ignore[attr-defined]
    assert SYSTEMS["ss-mae"]().steps == 100  # type: ignore[attr-defined]
    for wrong, message in (
        ("step=9", r"`step=9`: ss-mae has no setting step. Did you mean steps\?"),
        ("width=9", "ss-mae has no setting width. It has steps."),
        ("steps=0", "`steps=0`: is not a whole number from 1 to 1000000. Usual is steps=100."),
        ("steps", "is not a whole number from 1"),
    ):
        with pytest.raises(SettingsError, match=message):
            settings_of("ss-mae", [wrong])
    with pytest.raises(SettingsError, match=r"calc has no setting steps. It has none\."):
        settings_of("calc", ["steps=9"])
