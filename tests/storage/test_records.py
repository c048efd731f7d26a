"""A record knows inputs by their contents, and an address by itself."""

import hashlib
from pathlib import Path

import pytest

from landcover_bdgf.storage import records
from landcover_bdgf.storage.records import content_sha256


def test_an_address_is_known_by_itself_and_a_long_file_takes_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert content_sha256(Path("/vsis3/bucket/s2.tif")) == "/vsis3/bucket/s2.tif"
    assert "is known by its address, not by its contents" in caplog.text
    monkeypatch.setattr(records, "LONG_TO_HASH_BYTES", 3)
    (tmp_path / "a.tif").write_bytes(b"abcd")
    assert content_sha256(tmp_path / "a.tif") == hashlib.sha256(b"abcd").hexdigest()
    assert "hashing" in caplog.text
