"""A run has a device and threads; settings out of range are refused."""

import os

import pytest
import torch

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.model.run import Run, available_threads


def test_threads_are_for_the_cpu() -> None:
    assert (Run(threads=3).workers(torch.device("cpu")), Run(threads=3).workers(torch.device("cuda"))) == (3, 1)
    assert Run().workers(torch.device("cpu")) >= 1
    assert Run(device="cpu").torch_device() == torch.device("cpu")


@pytest.mark.parametrize("name", ["seed", "threads"])
def test_negative_seeds_and_threads_are_refused(name: str) -> None:
    with pytest.raises(SettingsError):
        Run(**{name: -1})


@pytest.mark.parametrize(("wanted", "threads"), [("3", 3), ("0", 1), ("many", None), ("", None)])
def test_omp_num_threads_sets_the_number_of_threads(
    wanted: str, threads: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert available_threads() == (threads or cores)
