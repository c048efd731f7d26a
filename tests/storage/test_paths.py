"""Typed paths and addresses become paths of GDAL."""

from pathlib import Path

import pytest

from landcover_bdgf.storage.paths import is_remote, typed_path


@pytest.mark.parametrize(("text", "path"), [
    ("a.tif", "a.tif"), ("https://x.org/a.tif", "/vsicurl/https:/x.org/a.tif"),
    ("s3://bucket/a.tif", "/vsis3/bucket/a.tif"), ("/vsis3/bucket/a.tif", "/vsis3/bucket/a.tif"),
])  # fmt: skip
def test_addresses_become_paths_of_gdal(text: str, path: str) -> None:
    assert typed_path(text) == Path(path)
    assert is_remote(text) == (text != "a.tif")
