"""A run has a device and threads; settings out of range are refused."""

import pytest
import torch

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.model.run import Run


def test_threads_are_for_the_cpu() -> None:
    assert (Run(threads=3).workers(torch.device("cpu")), Run(threads=3).workers(torch.device("cuda"))) == (3, 1)
    assert Run().workers(torch.device("cpu")) >= 1
    assert Run(device="cpu").torch_device() == torch.device("cpu")


def test_negative_seeds_and_threads_are_refused() -> None:
    for settings in ({"seed": -1}, {"threads": -1}):
        with pytest.raises(SettingsError):
            Run(**settings)
