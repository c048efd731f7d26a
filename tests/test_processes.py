"""One, two or four processes train the same model, interrupted or not; an error of all is told once."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import NARROW, Bdgf
from small_training import assert_same, run, task

from landcover_bdgf.errors import BdgfError, SettingsError
from landcover_bdgf.model.device import choose_device, pieces_of_batch
from landcover_bdgf.processes import Processes, is_first, local_number, process_count, tells_error
from landcover_bdgf.scene.simulation import SceneFiles
from landcover_bdgf.training import loop
from landcover_bdgf.training.loop import Result

SMALL = (
    "diffusion.steps=2", "diffusion.width=0.0625", "diffusion.batch=6", "diffusion.tile_px=16", "training.steps=3",
    "training.batch=17", "training.folds=2", *NARROW, "fusion.patch=5", "fusion.average_px=3", "context.sizes_px=3,5",
)  # fmt: skip


def started(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    tests, package = Path(__file__).parent, Path(__file__).parents[1]
    alone = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{tests}:{package}"}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=folder, env=alone, capture_output=True, text=True, check=False, timeout=300)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return int(found.getsockname()[1])


def test_any_number_of_processes_trains_the_same_model(bdgf: Bdgf, tmp_path: Path, scene_files: SceneFiles) -> None:
    """Batches of 6 and 17, of which shards have 1 or 2, and 8 or 9; two are stopped, and one continues."""
    words = ["train", str(scene_files.spectral), str(scene_files.sar), "--labels", str(scene_files.labels), "--field",
             "class", *(word for setting in SMALL for word in ("--set", setting))]  # fmt: skip
    assert bdgf(*words, "-o", "one.safetensors") == 0  # first, as it keeps what it compiles for the others
    runs = [
        {"count": 4, "port": free_port(), "words": [*words, "-o", "four.safetensors"]},
        {"count": 2, "port": free_port(), "words": [*words, "-o", "two.safetensors"], "stop": True},
    ]
    several = started(tmp_path, str(Path(__file__).parent / "forked_processes.py"), json.dumps(runs))
    assert several.stdout == "four.safetensors: model of 6 classes\n[0, 0, 0, 0]\n[130, 130]\n"
    assert several.stderr.count("pre-training the denoiser") == 2  # once in each run
    assert several.stderr.count("error: stopped. Continue with --resume.") == several.stderr.count("error") == 1
    assert bdgf(*words, "-o", "two.safetensors", "--resume") == 0
    one = (tmp_path / "one.safetensors").read_bytes()
    assert (tmp_path / "four.safetensors").read_bytes() == one
    assert (tmp_path / "two.safetensors").read_bytes() == one


def test_what_all_refuse_is_told_once_under_torchrun(tmp_path: Path, scene_files: SceneFiles) -> None:
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "landcover_bdgf")
    both = started(tmp_path, *torchrun, "pretrain", str(scene_files.spectral), "missing.tif", "-o", "d.safetensors")
    assert both.stderr.count("bdgf: error") == both.stderr.count("bdgf: error: missing.tif: does not exist.") == 1
    assert "exitcode  : 3" in both.stderr  # of a process; torchrun has its own
    assert not [*tmp_path.iterdir()]


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is the second of four, and the first on its machine."""
    variables = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "0", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "1"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_without_a_launcher_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")  # as some clusters set it
    assert (is_first(), process_count(), local_number(), tells_error()) == (True, 1, 0, True)


def test_commands_that_do_not_train_are_the_work_of_one_process(
    second: None, bdgf: Bdgf, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "0")
    assert bdgf("info", "model.safetensors") == 2
    problem = "info is the work of one process, and torchrun started 4. Start it without torchrun."
    assert capsys.readouterr().err == f"bdgf: error: {problem}\n"


def test_each_process_has_its_own_gpu_and_batches_have_the_shards_of_a_cpu(
    second: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda:1")
    assert choose_device("cpu") == torch.device("cpu")
    assert pieces_of_batch(4, torch.device("cuda:1")) == 4
    with pytest.raises(SettingsError, match="is one GPU for several processes"):
        choose_device("cuda:0")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(BdgfError, match="this machine has fewer GPUs than processes"):
        choose_device("cuda")


@pytest.mark.parametrize(("shards", "count"), [(4, 1), (4, 2), (4, 3), (2, 4), (1, 2)])
def test_every_shard_is_computed_and_comes_in_its_place(shards: int, count: int) -> None:
    shares = [Processes(number, count).shares(shards) for number in range(count)]
    in_order = [share[i] for i in range(len(shares[0])) for share in shares]
    assert in_order[:shards] == [*range(shards)]


def test_results_keep_their_bits_and_the_strides_of_gradients_on_their_way() -> None:
    """As norms of gradients are summed in the order of the memory."""
    gradient = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    sent = Result([gradient, torch.randn(3)], [torch.randn(2)], {"loss": torch.tensor(0.1)})
    row = torch.cat([x.reshape(-1) for x in sent.tensors])
    found = Result([torch.empty_like(gradient), torch.empty(3)], [torch.empty(2)], {"loss": torch.tensor(0.0)}).of(row)
    assert all(map(torch.equal, sent.tensors, found.tensors))
    assert found.gradients[0].stride() == gradient.stride()
    assert found.values.keys() == sent.values.keys()


def test_a_process_whose_training_differs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Others(Processes):
        def gathered(self, own: Any) -> Any:
            return torch.cat([own, own + 1])

    monkeypatch.setattr(loop, "joined", lambda: Others(0, 2, store=object()))
    with pytest.raises(SettingsError, match="train: the processes have different images, labels, settings"):
        run(task())


def test_a_single_process_under_torchrun_is_like_one_without(monkeypatch: pytest.MonkeyPatch) -> None:
    class Alone(Processes):
        def gathered(self, own: Any) -> Any:
            return own.clone()

    expected, _ = run(task())
    monkeypatch.setattr(loop, "joined", lambda: Alone(0, 1, store=object()))
    assert_same(expected, run(task())[0])
