"""Compare the outputs of two versions of the code byte for byte: the demo, Chile and Potsdam with fixed seeds.

CI does not run it, because it needs a commit to compare with and several minutes. Run it after a change that must not
change results::

    python tests/end_to_end/same_bytes.py 2d73e02

It exports the commit into the work folder, runs the same commands with that code and with the working tree, and
prints a line for each map, layer, model, denoiser and sample file. The exit status is 1 if any file differs.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
from rasterio import features
from shapely.geometry import shape

REPOSITORY = Path(__file__).parents[2]
DATA = REPOSITORY.parent / "shared" / "data"
QUICK = ("--set", "diffusion.steps=20", "--set", "diffusion.batch=4", "--set", "training.steps=60", "--seed", "7")
SUFFIXES = (".tif", ".safetensors", ".gpkg", ".qml", ".xml")


def main() -> int:
    """Print which outputs differ; return 1 if any does, else 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("commit", help="the version to compare with")
    parser.add_argument("--work", type=Path, default=Path("/tmp/same_bytes"), help="folder for inputs and outputs")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    jobs = _jobs(work / "inputs")
    before, after = work / arguments.commit, work / "now"
    if not (before / "finished").exists():  # the outputs of a commit never change, so they are made once
        code = work / f"code-{arguments.commit}"
        shutil.rmtree(code, ignore_errors=True)
        code.mkdir(parents=True)
        exported = subprocess.run(["git", "archive", arguments.commit], cwd=REPOSITORY, check=True, capture_output=True)
        subprocess.run(["tar", "-x", "-C", code], input=exported.stdout, check=True)
        _run(jobs, code, before)
        (before / "finished").touch()
    _run(jobs, REPOSITORY, after)
    return _compare(before, after)


def _jobs(inputs: Path) -> dict[str, list[str]]:
    """The arguments of ``bdgf`` for the demo and for each real scene that is present."""
    jobs = {"demo": ["demo", "demo", *QUICK]}
    layers = ("--confidence", "--ood", *QUICK)  # as commits before --novelty know it
    if (chile := DATA / "s1s2_chile").is_dir():
        images = [str(chile / "s2_l2a.tif"), str(chile / "s1_rtc_db.tif")]
        labels = ["--labels", str(chile / "train_polygons.shp"), "--field", "class"]
        jobs["chile"] = ["map", *images, "-o", "chile.tif", "--model", "chile.safetensors", *labels, *layers]
    if (DATA / "enmap_potsdam").is_dir():
        images = [str(DATA / "enmap_potsdam" / "enmap.tif"), str(inputs / "potsdam_sar.tif")]
        labels = ["--labels", str(inputs / "potsdam.gpkg"), "--field", "class"]
        _potsdam(inputs)
        jobs["potsdam"] = ["map", *images, "-o", "potsdam.tif", "--model", "potsdam.safetensors", *labels, *layers]
    return jobs


def _potsdam(inputs: Path) -> None:
    """Write polygons from the label raster, and a simulated SAR image: power by class with four looks of speckle."""
    inputs.mkdir(parents=True, exist_ok=True)
    with rasterio.open(DATA / "enmap_potsdam" / "labels.tif") as file:
        codes, profile = file.read(1), file.profile
    power = np.array([0.05, 0.4, 0.1, 0.08, 0.2, 0.06, 0.01])[np.minimum(codes, 6)]
    speckle = np.random.default_rng(5).gamma(4.0, 0.25, (2, *codes.shape))
    bands = (np.stack([power, power / 5]) * speckle).astype(np.float32)
    with rasterio.open(
        inputs / "potsdam_sar.tif", "w", driver="GTiff", width=codes.shape[1], height=codes.shape[0], count=2,
        dtype="float32", crs=profile["crs"], transform=profile["transform"],
    ) as file:  # fmt: skip
        file.write(bands)
        file.descriptions = ("VV", "VH")
    found = [(shape(s), f"class {int(v)}") for s, v in features.shapes(codes, codes > 0, 8, profile["transform"])]
    table = gpd.GeoDataFrame({"class": [name for _, name in found]}, geometry=[s for s, _ in found], crs=profile["crs"])
    (inputs / "potsdam.gpkg").unlink(missing_ok=True)
    table.to_file(inputs / "potsdam.gpkg")


def _run(jobs: dict[str, list[str]], code: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, arguments in jobs.items():
        print(f"{name} with {code}", flush=True)
        subprocess.run(
            [sys.executable, "-m", "landcover_bdgf", *arguments, "-q"], cwd=folder, check=True,
            stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": str(code), "BDGF_CACHE": ""},
        )  # fmt: skip


def _compare(before: Path, after: Path) -> int:
    one, other = (_hashes(folder) for folder in (before, after))
    differing = [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)]
    for name in sorted(one.keys() | other.keys()):
        print(f"{'DIFFERS' if name in differing else 'same':8}{name}")
    print(f"{len(one.keys() | other.keys())} files, {len(differing)} differ")
    return int(bool(differing))


def _hashes(folder: Path) -> dict[str, str]:
    files = [f for f in folder.rglob("*") if f.suffix in SUFFIXES and f.is_file()]
    names = {f: str(f.relative_to(folder)).replace("_ood.tif", "_novelty.tif") for f in files}
    return {names[f]: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


if __name__ == "__main__":
    sys.exit(main())
