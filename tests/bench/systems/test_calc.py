"""CALC has the published size; generator and discriminators pull in opposite directions; heads are trusted by class."""

import copy

import pytest
import torch

from landcover_bdgf.bench.systems.calc import Calc, CalcNetwork
from landcover_bdgf.bench.systems.learner import Sizes
from landcover_bdgf.bench.systems.patches import Patches


@pytest.mark.parametrize(
    ("sizes", "measured"),
    [
        (Sizes(180, 4, 7), 0.935e6),  # Augsburg
        (Sizes(166, 2, 5), 0.921e6),  # Yellow River Estuary
        (Sizes(244, 4, 8), 0.991e6),  # Berlin
        (Sizes(10, 4, 13), 0.790e6),  # LCZ HK
    ],
)
def test_parameters(sizes: Sizes, measured: float) -> None:
    """Measured; table 9 prints 0.94, 0.92, 0.99 and 0.79 M."""
    assert sum(p.numel() for p in Calc().network(sizes).parameters()) == pytest.approx(measured, rel=0.005)


@pytest.mark.parametrize("sizes", [Sizes(2, 1, 2), Sizes(4, 2, 5), Sizes(12, 4, 3), Sizes(244, 1, 13)])
def test_shapes(sizes: Sizes) -> None:
    network = CalcNetwork(sizes).eval()
    spec, sar = torch.randn(1, sizes.bands, 16, 16), torch.randn(1, sizes.sar_bands, 16, 16)
    logits, level = network(spec, sar)
    assert logits.shape == (3, 1, sizes.classes)
    assert [x.shape for x in network.decoder(level)] == [spec.shape, sar.shape]


def test_both_sides_of_a_game_descend_their_own_loss() -> None:
    """Discriminators 1 − D(real) + D(made), and the generator, from there, 0.01 · (1 − D(made))."""
    torch.manual_seed(0)
    network, level = CalcNetwork(Sizes(4, 2, 3)), torch.randn(3, 128, 2, 2)
    spec, sar = torch.rand(3, 4, 16, 16) * 2 - 1, torch.rand(3, 2, 16, 16) * 8 - 4
    apart = copy.deepcopy(network)

    network.game(level, spec, sar).backward()
    made = apart.decoder(level)
    for D, real, fake in zip(apart.discriminators, ((spec + 1) / 2, (sar + 4) / 8), made, strict=True):
        (1 - D(real).mean() + D(fake.detach()).mean()).backward()
    own = [p.grad.clone() for p in apart.discriminators.parameters()]
    torch.stack(
        [0.01 * (1 - D(fake).mean()) for D, fake in zip(apart.discriminators, made, strict=True)]
    ).sum().backward()

    torch.testing.assert_close([p.grad for p in network.discriminators.parameters()], own)
    torch.testing.assert_close(
        [p.grad for p in network.decoder.parameters()], [p.grad for p in apart.decoder.parameters()]
    )


class Heads(torch.nn.Module):
    """Head k names class k, whatever the windows."""

    def forward(self, spec: torch.Tensor, sar: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return 9 * torch.eye(3)[:, None].expand(-1, len(spec), -1), spec


def test_heads_are_trusted_by_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pixels of class 0 and three of class 1, none of class 2."""
    network, system = CalcNetwork(Sizes(2, 1, 3)), Calc()
    patches = Patches(torch.zeros(5, 2, 16, 16), torch.zeros(5, 1, 16, 16), torch.tensor([0, 1, 0, 1, 1]))
    monkeypatch.setattr(CalcNetwork, "forward", Heads.forward)
    trust = system._trust(network, patches, 3)
    torch.testing.assert_close(trust, torch.tensor([[1, 1 / 4, 1], [1 / 3, 1, 1], [1 / 3, 1 / 4, 1]]))
    network.trust.copy_(trust)
    p = system.probabilities(network, patches)
    weighted = (trust[:, None] * Heads()(patches.spec, patches.sar)[0].softmax(2)).sum(0)
    torch.testing.assert_close(p, weighted / weighted.sum(1, keepdim=True))
