"""A resumed training equals an uninterrupted one, for any number of threads; failures are reported."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from landcover_bdgf.errors import BdgfError, CheckpointError, ResourceError
from landcover_bdgf.model.checkpoint import load_checkpoint
from landcover_bdgf.model.history import History
from landcover_bdgf.model.workers import open_workers
from landcover_bdgf.training import loop as fitting
from landcover_bdgf.training.loop import fit, generator_of
from landcover_bdgf.training.task import Task

STEPS = 12
Pair = tuple[Tensor, Tensor]


def net() -> nn.Module:
    """Linear layers, and batch norm with running statistics."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))


def batch_of(step: int) -> list[Pair]:
    inputs = [torch.randn((10, 6), generator=generator_of(1, step, i)) for i in range(4)]
    return [(x, x.sum(1, keepdim=True)) for x in inputs]


def task(**changes: object) -> Task[Pair]:
    def loss(network: nn.Module, shard: Pair) -> tuple[Tensor, dict[str, Tensor]]:
        x, y = shard
        return (network(x) - y).square().mean(), {"x": x.mean()}

    made = Task("train", net(), batch_of, loss, STEPS, learning_rate=0.01, identity={"seed": 1})
    return replace(made, **changes)  # type: ignore[arg-type]


def run(made: Task[Pair], threads: int = 2, **options: object) -> tuple[dict[str, Tensor], History]:
    with open_workers(threads) as workers:
        history = fit(made, workers, **options)  # type: ignore[arg-type]
    return made.network.state_dict(), history


def assert_same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_the_number_of_threads_changes_no_bit() -> None:
    first, history = run(task(), threads=1)
    assert_same(first, run(task(), threads=3)[0])
    assert len(history) == STEPS
    assert history.series("loss")[-1] < history.series("loss")[0]


@pytest.mark.parametrize(("stop", "averaged_share"), [(1, 0.0), (5, 0.75), (11, 0.5)])
def test_resumed_equals_uninterrupted(
    stop: int, averaged_share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ctrl_c: Callable[[], None]
) -> None:
    whole, expected = run(task(averaged_share=averaged_share))
    partial = tmp_path / "train.partial.safetensors"

    def batch(step: int) -> list[Pair]:
        if step == stop - 1:
            ctrl_c()  # in the middle of a step
        return batch_of(step)

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

    assert_same(run(task(evaluate=evaluate))[0], seen[1])


def test_the_mean_of_the_last_weights_is_kept_when_asked() -> None:
    """Of the last 3 of 12 steps."""
    plain = task()
    steps: list[dict[str, Tensor]] = []

    def batch(step: int) -> list[Pair]:
        steps.append({k: v.clone() for k, v in plain.network.state_dict().items()})  # after step − 1
        return batch_of(step)

    last, _ = run(replace(plain, batch=batch))
    for key, value in run(task(averaged_share=0.25))[0].items():
        if value.dtype.is_floating_point:
            torch.testing.assert_close(value, torch.stack([steps[10][key], steps[11][key], last[key]]).mean(0))


def test_only_the_whole_state_of_the_same_training_is_resumed(tmp_path: Path) -> None:
    partial = tmp_path / "train.partial.safetensors"
    with pytest.raises(CheckpointError, match="no training to resume here"):
        run(task(), partial=partial, resume=True)
    run(task(), partial=partial)
    with pytest.raises(CheckpointError, match=r"is the state of an interrupted training\. Continue it with"):
        load_checkpoint(partial)
    with pytest.raises(CheckpointError, match="another training: seed was 1, is 2"):
        run(task(identity={"seed": 2}), partial=partial, resume=True)
    with pytest.raises(CheckpointError, match=r"(?s)is damaged \(.*Missing key.*\)\. Start without `resume`"):
        run(task(network=nn.Sequential(net())), partial=partial, resume=True)  # as another version might have it
    partial.write_bytes(partial.read_bytes()[:-3])
    with pytest.raises(CheckpointError, match=r"it is cut off \(.*\)\. Start without `resume`"):
        run(task(), partial=partial, resume=True)


def test_a_batch_too_large_for_the_gpu_is_reported() -> None:
    def loss(network: nn.Module, shard: Pair) -> tuple[Tensor, dict[str, Tensor]]:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(ResourceError, match=r"train: a batch does not fit into the GPU memory\. Halve `training"):
        run(task(loss=loss))


def test_a_loss_that_is_not_finite_is_reported_with_step_and_rate() -> None:
    def loss(network: nn.Module, shard: Pair) -> tuple[Tensor, dict[str, Tensor]]:
        return (network(shard[0]) * float("nan")).mean(), {}

    with pytest.raises(BdgfError, match=r"not finite at step 0 \(learning rate 0.01\)"):
        run(task(loss=loss))
