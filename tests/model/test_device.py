"""The device and the number of threads are as set, and an unavailable device or unsuitable weights are refused."""

import numpy as np
import pytest
import torch
from torch import nn

from landcover_bdgf.errors import CheckpointError, ResourceError, SettingsError
from landcover_bdgf.model.device import choose_device, with_weights


def test_auto_is_a_gpu_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for available, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda available=available: available)
        monkeypatch.setattr(torch.cuda, "device_count", lambda available=available: int(available))
        assert choose_device("auto").type == device


def test_an_unknown_or_unavailable_device_is_refused() -> None:
    with pytest.raises(SettingsError, match=r'`device="tpu"`: is unknown'):
        choose_device("tpu")
    with pytest.raises(ResourceError, match=r'`device="cuda:99"`: is not available on this machine'):
        choose_device("cuda:99")


def test_the_gpu_of_a_mac_is_refused_and_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("mps", "mps:0"):
        with pytest.raises(
            SettingsError, match=r'is not supported: .* compared with those of the CPU\. Use `device="cpu"`'
        ):
            choose_device(name)
    assert choose_device("auto").type == "cpu"


def test_weights_fit_their_network_or_are_refused() -> None:
    weights = {"weight": np.ones((2, 3), np.float32), "bias": np.zeros(2, np.float32)}
    network = with_weights(lambda: nn.Linear(3, 2), weights)
    assert not network.training
    assert network(torch.ones(3)).tolist() == [3, 3]
    with pytest.raises(CheckpointError, match=r"weight is \(2, 3\), expected \(2, 4\)"):
        with_weights(lambda: nn.Linear(4, 2), weights)
    with pytest.raises(CheckpointError, match="bias is missing"):
        with_weights(lambda: nn.Linear(3, 2), {"weight": weights["weight"]})
