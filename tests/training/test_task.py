"""The mean of weights is kept."""

import torch
from torch import nn

from landcover_bdgf.training.task import Kept


def filled(network: nn.Module, value: float) -> nn.Module:
    for tensor in network.state_dict().values():
        tensor.fill_(value)
    return network


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def test_the_mean_is_over_weights_and_running_statistics() -> None:
    kept = Kept()
    for value in (1.0, 2.0, 6.0):
        kept.average(filled(network(), value))
    torch.testing.assert_close(kept.weights["0.weight"], torch.full((3, 2), 3.0))
    torch.testing.assert_close(kept.weights["1.running_var"], torch.full((3,), 3.0))
    assert int(kept.weights["1.num_batches_tracked"]) == 1, "counts are not averaged"
