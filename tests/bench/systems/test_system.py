"""What a system does unless it says otherwise."""

import torch
from torch import nn
from torch.nn import functional as F

from landcover_bdgf.bench.systems.learner import Sizes
from landcover_bdgf.bench.systems.patches import Patches
from landcover_bdgf.bench.systems.system import System


class Plain(System):
    """Class c has logit c, whatever the windows."""

    patch_px = 1

    def network(self, sizes: Sizes) -> nn.Module:
        class Constant(nn.Module):
            def forward(self, spec: torch.Tensor, sar: torch.Tensor) -> torch.Tensor:
                return torch.arange(float(sizes.classes)).expand(len(spec), -1)

        return Constant()


def test_cross_entropy_and_softmax_by_default() -> None:
    system = Plain()
    network = system.network(Sizes(4, 2, 3))
    patches = Patches(torch.zeros(2, 4, 1, 1), torch.zeros(2, 2, 1, 1), torch.tensor([2, 0]))
    z = torch.tensor([[0.0, 1, 2]] * 2)
    torch.testing.assert_close(system.loss(network, patches, torch.Generator()), F.cross_entropy(z, patches.codes))
    torch.testing.assert_close(system.probabilities(network, patches), z.softmax(1))
