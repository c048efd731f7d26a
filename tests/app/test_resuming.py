"""After an interruption, messages name --resume; an interrupted job is told from a finished one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Bdgf

from landcover_bdgf.app.resuming import CONTINUE, check_not_begun, is_begun, steps_folder, telling_resume
from landcover_bdgf.errors import OutputError
from landcover_bdgf.storage.products import Product


def test_a_job_is_begun_with_its_samples_and_finished_with_its_report(finished_job: Path, tmp_path: Path) -> None:
    output = tmp_path / "map.tif"
    assert not is_begun(output)
    shutil.copytree(finished_job / "map_steps", steps_folder(output))
    assert not is_begun(output)
    (steps_folder(output) / "report/report.html").unlink()
    assert is_begun(output)
    check_not_begun(output, overwrite=True, resume=False)
    check_not_begun(output, overwrite=False, resume=True)
    with pytest.raises(OutputError, match=r"map_steps: was left by an interrupted run\. Continue with `resume`, start"):
        check_not_begun(output, overwrite=False, resume=False)


@pytest.mark.parametrize("left", [True, False])
def test_an_exception_gets_a_note_if_the_run_can_be_continued(left: bool, tmp_path: Path) -> None:
    product = Product(tmp_path / "a.tif", scratch=(tmp_path / "a.tif.partial",))
    if left:
        product.scratch[0].mkdir()
    with pytest.raises(KeyboardInterrupt) as caught, telling_resume([product]):
        raise KeyboardInterrupt
    assert getattr(caught.value, "__notes__", []) == ([CONTINUE] if left else [])


def stop(ctrl_c: Callable[[], None]) -> Callable[..., Any]:
    def interrupted(*_: Any, **__: Any) -> None:
        ctrl_c()

    return interrupted


@pytest.mark.parametrize("step", ["pretrain", "train", "map_scene", "assess"])
def test_a_job_stopped_in_any_step_names_resume_then_and_when_it_is_typed_again(
    step: str, bdgf: Bdgf, finished_job: Path, job_words: list[str], tmp_path: Path, ctrl_c: Callable[[], None],
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The steps before it are finished: their files are those of a finished job."""
    steps = ("pretrain", "train", "map_scene", "assess")
    (tmp_path / "map_steps").mkdir()
    kept = ("map_steps/samples.gpkg*", "map_steps/denoiser.*", "model.*", "map*.*")[: steps.index(step) + 1]
    for file in (file for name in kept for file in finished_job.glob(name)):
        shutil.copy(file, tmp_path / file.relative_to(finished_job))
    with monkeypatch.context() as patch:
        patch.setattr(f"landcover_bdgf.app.job.{step}", stop(ctrl_c))
        assert bdgf(*job_words, "--resume") == 130
    assert capfd.readouterr().err.splitlines()[-1] == "bdgf: error: stopped. Continue with --resume."
    assert bdgf(*job_words) == 6
    assert "map_steps: was left by an interrupted run. Continue with --resume" in capfd.readouterr().err
    assert bdgf(*job_words, "--resume", "--seed", 1) in (5, 6)
    assert "--resume" in capfd.readouterr().err.splitlines()[-1]


def test_a_full_disk_in_a_job_names_resume_too(
    bdgf: Bdgf, finished_job: Path, job_words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (tmp_path / "map_steps").mkdir()
    for file in finished_job.glob("map_steps/samples.gpkg*"):
        shutil.copy(file, tmp_path / "map_steps")

    def full(*_: Any, **__: Any) -> None:
        raise OutputError("d.safetensors", "cannot be written, No space left on device", "Free some space.")

    monkeypatch.setattr("landcover_bdgf.app.job.pretrain", full)
    assert bdgf(*job_words, "--resume") == 6
    said = "d.safetensors: cannot be written, No space left on device. Free some space. Continue with --resume."
    assert said in capfd.readouterr().err
