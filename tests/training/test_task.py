"""The best weights, or the mean of weights, are kept."""

import torch
from torch import nn

from landcover_bdgf.training.task import Kept


def filled(network: nn.Module, value: float) -> nn.Module:
    for tensor in network.state_dict().values():
        tensor.fill_(value)
    return network


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def test_the_weights_with_the_highest_score_are_kept() -> None:
    kept, live = Kept(), network()
    kept.offer(0.5, filled(live, 1))
    kept.offer(0.5, filled(live, 2))
    assert all((value == 1).all() for value in kept.weights.values()), "a copy, and the first of equal scores"
    kept.offer(0.6, live)
    assert all((value == 2).all() for value in kept.weights.values())


def test_the_mean_is_over_weights_and_running_statistics() -> None:
    kept = Kept()
    for value in (1.0, 2.0, 6.0):
        kept.average(filled(network(), value))
    torch.testing.assert_close(kept.weights["0.weight"], torch.full((3, 2), 3.0))
    torch.testing.assert_close(kept.weights["1.running_var"], torch.full((3,), 3.0))
    assert int(kept.weights["1.num_batches_tracked"]) == 1, "counts are not averaged"
