"""A training gives the same weights with any number of threads; failures are reported."""

from dataclasses import replace

import pytest
import torch
from small_training import STEPS, Pair, assert_same, batch_of, run, task
from torch import Tensor, nn

from landcover_bdgf.errors import BdgfError, ResourceError


def test_the_number_of_threads_changes_no_bit() -> None:
    first, history = run(task(), threads=1)
    assert_same(first, run(task(), threads=3)[0])
    assert len(history) == STEPS
    assert history.series("loss")[-1] < history.series("loss")[0]


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


def test_one_shard_is_computed_by_the_network_itself() -> None:
    """As on a GPU; the same weights as of two equal shards, whose networks are copies."""

    def equal(count: int) -> dict[str, Tensor]:
        made = task(shards=count, batch=lambda step: [batch_of(step)[0]] * count)
        seen = set()

        def loss(network: nn.Module, shard: Pair) -> tuple[Tensor, dict[str, Tensor]]:
            seen.add(network is made.network)
            return made.loss(network, shard)

        trained = run(replace(made, loss=loss))[0]
        assert seen == {count == 1}
        return trained

    one, two = equal(1), equal(2)
    for key, value in one.items():
        if value.dtype.is_floating_point:
            torch.testing.assert_close(value, two[key])


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_a_batch_too_large_for_the_gpu_is_reported(error: RuntimeError) -> None:
    def loss(network: nn.Module, shard: Pair) -> tuple[Tensor, dict[str, Tensor]]:
        raise error

    with pytest.raises(
        ResourceError, match=r"train: a batch does not fit into the GPU memory\. Halve `training.batch`"
    ):
        run(task(loss=loss, settings="training"))
    with pytest.raises(ResourceError, match=r"GPU memory\. Use `device=\"cpu\"`"):
        run(task(loss=loss))


def test_a_loss_that_is_not_finite_is_reported_with_step_and_rate() -> None:
    def loss(network: nn.Module, shard: Pair) -> tuple[Tensor, dict[str, Tensor]]:
        return (network(shard[0]) * float("nan")).mean(), {}

    with pytest.raises(
        BdgfError, match=r"not finite at step 0 \(learning rate 0.01\)\. Lower `diffusion.learning_rate`"
    ):
        run(task(loss=loss, settings="diffusion"))
    with pytest.raises(BdgfError, match=r"learning rate 0.01\)\. Check the images"):
        run(task(loss=loss))
