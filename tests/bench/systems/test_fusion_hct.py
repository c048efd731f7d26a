"""Fusion-HCT has the published number of parameters."""

import pytest
import torch

from landcover_bdgf.bench.systems.fusion_hct import FusionHct
from landcover_bdgf.bench.systems.learner import Sizes


def test_parameters() -> None:
    """Table 9 prints 0.43 M for 30 components."""
    network = FusionHct().network(Sizes(30, 4, 7))
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(0.43e6, rel=0.02)
    few = FusionHct().network(Sizes(10, 4, 13))
    assert sum(p.numel() for p in few.parameters()) == 344_986, "LCZ HK; Table 9 prints 0.43 M there, too"
    assert network(torch.zeros(2, 30, 11, 11), torch.zeros(2, 4, 11, 11)).shape == (2, 7)
