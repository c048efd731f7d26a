"""A record detects every change of its files and of itself."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from landcover_bdgf.storage import records
from landcover_bdgf.storage.records import (
    changed_files,
    command_line,
    content_sha256,
    read_record,
    record,
    record_path,
    without_warnings,
    write_record,
)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A map with a layer and their record."""
    output = tmp_path / "m.tif"
    output.write_text("map")
    (tmp_path / "m_novelty.tif").write_text("layer")
    write_record(output, record("map", {"scene": "abc"}, share=0.1), beside=[tmp_path / "m_novelty.tif"])
    return output


def test_a_record_has_step_inputs_and_versions(written: Path) -> None:
    found = read_record(written)
    assert (found["step"], found["inputs"], found["share"]) == ("map", {"scene": "abc"}, 0.1)
    assert {"python", "torch", "numpy"} <= set(found["versions"])
    assert changed_files(written) == []


@pytest.mark.parametrize("name", ["m.tif", "m_novelty.tif"])
def test_a_file_that_differs_or_is_missing_is_named(name: str, written: Path) -> None:
    path = written.with_name(name)
    path.write_text("other")
    assert changed_files(written) == [name]
    path.unlink()
    assert changed_files(written) == [name]


@pytest.mark.parametrize(("old", "new"), [(b"abc", b"abd"), (b": ", b":  "), (b"}\n", b"}"), (b'"sha256":', b'"sha":')])
def test_any_change_of_a_record_is_detected(old: bytes, new: bytes, written: Path) -> None:
    path = record_path(written)
    head, tail = path.read_bytes().rsplit(old, 1)
    path.write_bytes(head + new + tail)
    assert changed_files(written) == ["m.tif.json"]


def test_without_a_record_changes_are_unknown_and_a_cut_off_one_counts_as_changed(tmp_path: Path) -> None:
    for text, changed in ((None, None), ("", ["m.tif.json"]), ('{"step": ', ["m.tif.json"])):
        if text is not None:
            record_path(tmp_path / "m.tif").write_text(text)
        assert changed_files(tmp_path / "m.tif") == changed
        assert read_record(tmp_path / "m.tif") == {}


def test_an_address_is_its_own_hash_and_hashing_a_long_file_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert content_sha256(Path("/vsis3/bucket/s2.tif")) == "/vsis3/bucket/s2.tif"
    assert "is identified by its address, not by its contents" in caplog.text
    monkeypatch.setattr(records, "LONG_TO_HASH_BYTES", 3)
    (tmp_path / "a.tif").write_bytes(b"abcd")
    assert content_sha256(tmp_path / "a.tif") == hashlib.sha256(b"abcd").hexdigest()
    assert "hashing" in caplog.text


@pytest.mark.parametrize(("typed", "expected"), [
    (["/usr/bin/bdgf", "map", "my s2.tif", "-o", "x.tif", "--resume"], "bdgf map 'my s2.tif' -o x.tif"),
    (["bdgf", "map", "x.tif", "--threads", "2", "--tile=64", "-q", "--seed", "2"], "bdgf map x.tif --seed 2"),
    (["/lib/landcover_bdgf/__main__.py", "info", "x.tif"], "bdgf info x.tif"),
    (["bdgf", "map", "https://me:word@host/a.tif?sig=1&b=2,b.tif?c"], "bdgf map https://host/a.tif,b.tif"),
    (["/lib/pytest/__main__.py", "-q"], None),
    (["notebook.py"], None),
])  # fmt: skip
def test_the_command_is_recorded_without_passwords(
    typed: list[str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", typed)
    assert command_line() == expected


def test_a_record_is_compared_without_its_warnings_and_those_of_earlier_steps() -> None:
    made = {"seed": 1, "warnings": ["a"], "denoiser": {"warnings": [], "seed": 2}}
    assert without_warnings(made) == {"seed": 1, "denoiser": {"seed": 2}}
