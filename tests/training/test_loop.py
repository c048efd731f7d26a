"""A resumed training equals an uninterrupted one, for any number of threads; failures are reported."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from landcover_bdgf.errors import BdgfError, CheckpointError, ResourceError
from landcover_bdgf.model.checkpoint import load_checkpoint
from landcover_bdgf.model.history import History
from landcover_bdgf.model.workers import open_workers
from landcover_bdgf.storage.tensors import Arrays, read_tensors, write_tensors
from landcover_bdgf.training import loop as fitting
from landcover_bdgf.training.loop import fit, generator_of
from landcover_bdgf.training.task import Task

STEPS = 12


class Net(nn.Module):
    """Linear layers, and batch norm with running statistics."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)  # type: ignore[no-any-return]


def task(**changes: object) -> Task[tuple[Tensor, Tensor]]:
    def batch(step: int) -> list[tuple[Tensor, Tensor]]:
        shards = []
        for i in range(4):
            x = torch.randn((10, 6), generator=generator_of(1, step, i))
            shards.append((x, x.sum(1, keepdim=True)))
        return shards

    def loss(network: nn.Module, shard: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        x, y = shard
        return (network(x) - y).square().mean(), {"x": x.mean()}

    made = Task("train", Net(), batch, loss, STEPS, learning_rate=0.01, identity={"seed": 1})
    return replace(made, **changes)  # type: ignore[arg-type]


def run(made: Task[tuple[Tensor, Tensor]], threads: int = 2, **options: object) -> tuple[dict[str, Tensor], History]:
    with open_workers(threads) as workers:
        history = fit(made, workers, **options)  # type: ignore[arg-type]
    return made.network.state_dict(), history


def assert_same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_the_number_of_threads_changes_no_bit() -> None:
    first, history = run(task(), threads=1)
    second, _ = run(task(), threads=3)
    assert_same(first, second)
    assert len(history) == STEPS
    assert history.series("loss")[-1] < history.series("loss")[0]


@pytest.mark.parametrize(("stop", "averaged_share"), [(1, 0.0), (5, 0.75), (11, 0.5)])
def test_resumed_equals_uninterrupted(
    stop: int, averaged_share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ctrl_c: Callable[[], None]
) -> None:
    whole, expected = run(task(averaged_share=averaged_share))
    partial = tmp_path / "train.partial.safetensors"
    asked = task().batch

    def batch(step: int) -> list[tuple[Tensor, Tensor]]:
        if step == stop - 1:
            ctrl_c()  # in the middle of a step
        return list(asked(step))

    monkeypatch.setattr(fitting, "SAVE_INTERVAL_S", 1e9)
    with pytest.raises(KeyboardInterrupt):
        run(task(batch=batch, averaged_share=averaged_share), partial=partial)
    resumed, history = run(task(averaged_share=averaged_share), partial=partial, resume=True)
    assert_same(whole, resumed)
    assert history.columns == expected.columns


def test_the_best_weights_are_kept_when_asked() -> None:
    scores = iter([0.1, 0.9, 0.3, *[0.2] * STEPS])
    seen: list[dict[str, Tensor]] = []

    def evaluate(network: nn.Module) -> float:
        seen.append({k: v.clone() for k, v in network.state_dict().items()})
        return next(scores)

    kept, _ = run(task(evaluate=evaluate))
    assert_same(kept, seen[1])


def test_the_mean_of_the_last_weights_is_kept_when_asked() -> None:
    plain = task()
    steps: list[dict[str, Tensor]] = []
    asked = plain.batch

    def batch(step: int) -> list[tuple[Tensor, Tensor]]:
        steps.append({k: v.clone() for k, v in plain.network.state_dict().items()})  # after step − 1
        return list(asked(step))

    last, _ = run(replace(plain, batch=batch))
    kept, _ = run(task(averaged_share=0.25))  # the last 3 of 12 steps
    for key, value in kept.items():
        if value.dtype.is_floating_point:
            torch.testing.assert_close(value, torch.stack([steps[10][key], steps[11][key], last[key]]).mean(0))


def test_another_training_is_not_resumed(tmp_path: Path) -> None:
    partial = tmp_path / "train.partial.safetensors"
    run(task(), partial=partial)
    with pytest.raises(CheckpointError, match="another training: seed was 1, is 2"):
        run(task(identity={"seed": 2}), partial=partial, resume=True)
    with pytest.raises(CheckpointError, match="no training to resume here"):
        run(task(), partial=tmp_path / "nothing.safetensors", resume=True)


def without_weights(arrays: Arrays, description: dict[str, Any]) -> None:
    arrays.pop("network.layers.0.weight")


def no_losses(arrays: Arrays, description: dict[str, Any]) -> None:
    arrays["history.rate"] = arrays.pop("history.loss")


def no_score(arrays: Arrays, description: dict[str, Any]) -> None:
    description.pop("score")


@pytest.mark.parametrize(("spoil", "message"), [
    (without_weights, 'Missing key(s) in state_dict: "layers.0.weight"'),
    (no_losses, "its loss history is incomplete"),
    (no_score, "score: Field required"),
])  # fmt: skip
def test_a_state_that_is_damaged_is_not_resumed(
    spoil: Callable[[Arrays, dict[str, Any]], None], message: str, tmp_path: Path
) -> None:
    partial = tmp_path / "train.partial.safetensors"
    run(task(), partial=partial)
    with pytest.raises(CheckpointError) as told:
        load_checkpoint(partial)
    assert str(told.value) == (f"{partial}: is the state of an interrupted training. Continue it with `resume`.")
    arrays, text = read_tensors(partial)
    description = json.loads(text)
    spoil(arrays, description)
    write_tensors(partial, arrays, json.dumps(description), overwrite=True)
    with pytest.raises(CheckpointError, match=r"partial\.safetensors: is damaged \(") as told:
        run(task(), partial=partial, resume=True)
    assert message in str(told.value)
    assert str(told.value).endswith("). Start without `resume`.")


def test_a_state_with_a_flipped_bit_is_not_resumed(tmp_path: Path) -> None:
    partial = tmp_path / "train.partial.safetensors"
    run(task(), partial=partial)
    content = partial.read_bytes()
    for damaged, message in (
        (content[:-3] + bytes([content[-3] ^ 4]) + content[-2:], r"is damaged \(its checksum does not match\)"),
        (content[:-3], r"it is cut off \(.*\)"),
    ):
        partial.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=rf"{message}\. Start without `resume`"):
            run(task(), partial=partial, resume=True)


def test_a_batch_too_large_for_the_gpu_is_reported() -> None:
    def loss(network: nn.Module, shard: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(
        ResourceError, match=r"train: a batch does not fit into the GPU memory\. Halve `training.batch`"
    ):
        run(task(loss=loss))


def test_a_loss_that_is_not_finite_is_reported_with_step_and_rate() -> None:
    def loss(network: nn.Module, shard: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        return (network(shard[0]) * float("nan")).mean(), {}

    with pytest.raises(BdgfError, match=r"not finite at step 0 \(learning rate 0.01\)"):
        run(task(loss=loss))
