"""A resumed training equals an uninterrupted one; only the whole state of the same training is resumed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from small_training import Pair, assert_same, batch_of, net, run, task
from torch import nn

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.model.checkpoint import load_checkpoint
from landcover_bdgf.training import loop as fitting


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


def test_only_the_whole_state_of_the_same_training_is_resumed(tmp_path: Path) -> None:
    partial = tmp_path / "train.partial.safetensors"
    with pytest.raises(CheckpointError, match="so there is no training to resume"):
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
