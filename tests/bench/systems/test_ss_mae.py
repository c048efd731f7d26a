"""SS-MAE has the published number of parameters; its decoders see masked tokens at their places, and only there."""

import numpy as np
import pytest
import torch

from landcover_bdgf.bench.systems.learner import Learner, Sizes
from landcover_bdgf.bench.systems.patches import Patches, View
from landcover_bdgf.bench.systems.ss_mae import (
    AutoEncoder,
    Components,
    Encoder,
    Pretraining,
    SsMae,
    SsMaeNetwork,
    adamw,
    pretraining_loss,
)
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.run import Run
from landcover_bdgf.model.workers import open_workers
from landcover_bdgf.scene.stack import Stack


def count(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("sizes", "fine_tuning", "pretraining"),
    [(Sizes(180, 4, 7), 4.51, 7.72), (Sizes(244, 4, 8), 4.54, 7.80), (Sizes(10, 4, 13), 4.44, 7.56)],
)
def test_parameters(sizes: Sizes, fine_tuning: float, pretraining: float) -> None:
    """Table 9, for Augsburg, Berlin and LCZ HK."""
    network = SsMaeNetwork(sizes, 256)
    assert count(network) == pytest.approx(fine_tuning * 1e6, rel=0.02)
    assert count(Pretraining(network)) == pytest.approx(pretraining * 1e6, rel=0.02)


@pytest.mark.parametrize("sizes", [Sizes(2, 1, 3), Sizes(4, 2, 2), Sizes(40, 4, 5)])
def test_shape(sizes: Sizes) -> None:
    network = SsMaeNetwork(sizes, 32).eval()
    windows = torch.randn(1, sizes.bands, 7, 7), torch.randn(1, sizes.sar_bands, 7, 7)
    with torch.no_grad():
        assert network(*windows).shape == (1, sizes.classes)


def test_masked_tokens_are_not_seen() -> None:
    """Other values of masked tokens change what is to be predicted, but no prediction."""
    torch.manual_seed(0)
    branch, x, order = AutoEncoder(Encoder(10, 5, 32)), torch.randn(2, 10, 5), torch.rand(2, 10).argsort(1)
    found, expected = branch(x, order)
    assert found.shape == expected.shape == (2, 3, 5)
    assert torch.equal(expected[1, 2], x[1, order[1, 2]])
    other = x.clone()
    other[torch.arange(2)[:, None], order[:, :3]] += 1
    again, targets = branch(other, order)
    torch.testing.assert_close(again, found)
    torch.testing.assert_close(targets, expected + 1)


def test_the_pretraining_trains_the_encoders_of_the_network() -> None:
    torch.manual_seed(0)
    network = SsMaeNetwork(Sizes(6, 2, 3), 32)
    pretraining, before = Pretraining(network), network.spectral.embed.weight.clone()
    patches = Patches(torch.rand(16, 6, 1, 1).expand(-1, -1, 7, 7), torch.zeros(16, 2, 7, 7), torch.zeros(16))
    optimizer = adamw(list(pretraining.parameters()))
    losses = []
    for _ in range(15):
        loss = pretraining_loss(pretraining, patches, torch.Generator().manual_seed(0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    assert not torch.equal(network.spectral.embed.weight, before)


def test_components_are_white_and_missing_ones_zero() -> None:
    torch.manual_seed(0)
    components, sources = Components(6), torch.randn(50, 4, 7, 7)
    spec = torch.einsum("bs,nshw->nbhw", torch.randn(6, 4), sources)
    components.fit(spec)
    pixels = components(spec).transpose(0, 1).flatten(1).numpy()
    np.testing.assert_allclose(np.cov(pixels), np.diag([1, 1, 1, 1, 0, 0]), atol=0.02)
    np.testing.assert_allclose(pixels.mean(1), 0, atol=0.02)


def test_windows_of_the_pretraining(tiny: Stack, tiny_samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    """60 training windows and as many others as 64 a step need, up to a limit; then the fine-tuning."""
    asked: list[tuple[int, int | None]] = []

    def fit(self: Learner, *given: object) -> None:
        patches, steps = given[3:] or (self.patches, None)
        asked.append((len(patches), steps))  # type: ignore[arg-type]

    monkeypatch.setattr(Learner, "fit", fit)
    monkeypatch.setattr(SsMae, "width", 32)
    monkeypatch.setattr("landcover_bdgf.bench.systems.ss_mae.WINDOWS", 200)
    view, train = View.of(tiny, 7, None, 0), tiny_samples.train
    with open_workers(1) as workers:
        patches = view.patches(tiny, train)
        learner = Learner("test", Sizes(12, 2, 3), patches, view, tiny, train.positions, Run(), workers)
        for steps in (2, 9):
            SsMae(steps=steps).trained(learner)
    assert asked == [(128, 2), (60, None), (200, 9), (60, None)]
