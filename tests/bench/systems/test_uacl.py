"""UACL has the published size; its contrast pulls pairs of one class together and pushes the others apart."""

import pytest
import torch

from landcover_bdgf.bench.systems.learner import Learner, Sizes
from landcover_bdgf.bench.systems.patches import View
from landcover_bdgf.bench.systems.uacl import PSEUDO, Pool, Uacl, contrast
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.run import Run
from landcover_bdgf.model.workers import open_workers
from landcover_bdgf.scene.stack import Stack


@pytest.mark.parametrize(
    ("sizes", "measured"),
    [
        (Sizes(180, 4, 7), 0.188e6),  # Augsburg
        (Sizes(166, 2, 5), 0.183e6),  # Yellow River Estuary
        (Sizes(244, 4, 8), 0.208e6),  # Berlin
        (Sizes(10, 4, 13), 0.134e6),  # LCZ HK
    ],
)
def test_parameters(sizes: Sizes, measured: float) -> None:
    """Measured; table 9 prints 0.19, 0.18, 0.21 and 0.13 M."""
    assert sum(p.numel() for p in Uacl().network(sizes).parameters()) == pytest.approx(measured, rel=0.005)


@pytest.mark.parametrize("sizes", [Sizes(2, 1, 2), Sizes(4, 2, 5), Sizes(12, 4, 3), Sizes(244, 1, 13)])
def test_shapes(sizes: Sizes) -> None:
    network = Uacl().network(sizes).eval()
    logits, z = network(torch.randn(1, sizes.bands, 16, 16), torch.randn(1, sizes.sar_bands, 16, 16))
    assert logits.shape == (3, 1, sizes.classes)
    assert z.shape == (1, 32)


def test_contrast_by_hand() -> None:
    """Two reliable windows of one class, one of another, and an unreliable one."""
    z = torch.tensor([[0.0, 0], [3, 0], [0, 1], [0, 0]])
    p = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0.25, 0.75]])
    reliable = torch.tensor([True, True, True, False])
    rpc = (3**2 + (2 - 1) ** 2 + 0) / 3
    upc = (0.75 * 2**2 + 0.25 * 3**2 + (0.75 * 1**2 + 0.25 * (2 - 1) ** 2)) / 3
    torch.testing.assert_close(contrast(z, p, reliable), torch.tensor(rpc + upc))
    torch.testing.assert_close(contrast(z[:3], p[:3], reliable[:3]), torch.tensor(rpc))


class Constant(torch.nn.Module):
    """All heads name the class of the rows, except that the last head never names the last class."""

    def forward(self, spec: torch.Tensor, sar: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = torch.stack([spec[:, 0, 8, 8], spec[:, 1, 8, 8], spec[:, 2, 8, 8]], dim=1)
        last = torch.cat([logits[:, :2], torch.full((len(spec), 1), -9.0)], dim=1)
        return torch.stack([logits, logits, last]), torch.zeros(len(spec), 32)


def pool(stack: Stack, samples: Samples, columns: int) -> Pool:
    """Pseudo-labels in all but the first columns."""
    view = View.of(stack, 16, None, 0)
    with open_workers(1) as workers:
        patches, known = view.patches(stack, samples.train), samples.positions[samples.cols < columns]
        return Pool.of(Constant(), Learner("test", Sizes(12, 2, 3), patches, view, stack, known, Run(), workers))


def test_pseudo_labels_are_balanced_and_certain_only_where_all_heads_agree(tiny: Stack, tiny_samples: Samples) -> None:
    found = pool(tiny, tiny_samples, 0)
    codes = Constant()(found.patches.spec, found.patches.sar)[0].softmax(2).mean(0).argmax(1)
    assert codes.bincount().max() <= PSEUDO // 3
    assert (found.p[found.reliable].amax(1) == 1).all()
    assert (found.p[~found.reliable].amax(1) < 1).all()
    assert (codes[found.reliable] < 2).all()
    assert not found.reliable.all()


def test_training_goes_on_where_every_pixel_has_a_label(tiny: Stack, tiny_samples: Samples) -> None:
    found, system = pool(tiny, tiny_samples, 36), Uacl()
    assert len(found.patches) == 0
    torch.manual_seed(0)
    some = View.of(tiny, 16, None, 0).patches(tiny, tiny_samples.train).where(torch.arange(8))
    assert torch.isfinite(found.loss(system.network(Sizes(12, 2, 3)), some, torch.Generator()))
