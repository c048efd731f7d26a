"""Samples are read back after they are written."""

import os
from pathlib import Path

import pytest

from landcover_bdgf.errors import LabelError, OutputError
from landcover_bdgf.labels import sample_file
from landcover_bdgf.labels.sample_file import write_samples
from landcover_bdgf.labels.samples import Samples


def test_a_disk_that_loses_samples_is_noticed(
    samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = sample_file.read_samples
    monkeypatch.setattr(sample_file, "read_samples", lambda path: read(path).train)
    with pytest.raises(OutputError, match=r"s\.gpkg: reads differently"):
        write_samples(samples, tmp_path / "s.gpkg")

    def damaged(path: Path) -> None:
        raise LabelError(None, "is damaged")

    monkeypatch.setattr(sample_file, "read_samples", damaged)
    with pytest.raises(OutputError, match=r"s\.gpkg: cannot be written, is damaged"):
        write_samples(samples, tmp_path / "s.gpkg")
    assert not os.listdir(tmp_path)
