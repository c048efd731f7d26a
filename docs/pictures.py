"""The pictures of a scene and its map in the manual.

python docs/pictures.py docs/chile.png S2 S1 MAP     # bands of S2 as Level-2A: B01 to B12
python docs/pictures.py docs/crisp.png FOLDER SEED   # FOLDER and SEED of benchmarks/inside_fields.py
"""

import json
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import rasterio
from matplotlib.patches import Patch
from numpy.typing import NDArray
from PIL import Image

import landcover_bdgf as bdgf
from landcover_bdgf.bench.baselines import fit_and_classify
from landcover_bdgf.bench.pixel_features import PixelFeatures, physical_layers
from landcover_bdgf.bench.simulated import thin_scene

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from inside_fields import polygons

Panels = dict[str, NDArray[np.generic]]  # by title: pictures (h, w, 3), and maps (h, w) of codes
Colours = dict[str, list[int]]  # by name of the class, in the order of codes from 1


def stretched(path: Path, *bands: int) -> NDArray[np.floating]:
    """Bands of an image, from their 2nd to their 98th percentile, (h, w, bands) from 0 to 1; without data 1."""
    with rasterio.open(path) as dataset:
        pixels = dataset.read(bands, masked=True).astype(float).filled(np.nan)
    low, high = np.nanpercentile(pixels, (2, 98), axis=(1, 2), keepdims=True)
    return np.nan_to_num(np.clip((pixels - low) / (high - low), 0, 1), nan=1).transpose(1, 2, 0)


def read_map(path: Path) -> tuple[NDArray[np.integer], Colours]:
    legend = json.loads(path.with_name(f"{path.name}.json").read_text())["legend"]
    with rasterio.open(path) as dataset:
        return dataset.read(1), {entry["name"]: entry["color"] for entry in legend}


def draw(panels: Panels, colours: Colours, output: Path) -> None:
    """Write the panels side by side, with one legend."""
    palette = np.array([[255, 255, 255], *colours.values()]) / 255
    figure, axes = plt.subplots(1, len(panels), figsize=(3.3 * len(panels), 3.9))
    figure.subplots_adjust(0.003, 0.1, 0.997, 0.93, wspace=0.03)
    for axis, (title, pixels) in zip(axes, panels.items(), strict=True):
        axis.imshow(palette[pixels] if pixels.ndim == 2 else pixels, interpolation="nearest")
        axis.set_title(title, fontsize=11)
        axis.axis("off")
    boxes = [Patch(color=colour) for colour in palette[1:]]
    figure.legend(boxes, list(colours), loc="lower center", ncols=len(boxes), frameon=False)
    figure.savefig(output, dpi=100)
    Image.open(output).convert("RGB").quantize(dither=Image.Dither.NONE).save(output, optimize=True)


def chile(spectral: str, sar: str, land_cover: str) -> tuple[Panels, Colours]:
    codes, colours = read_map(Path(land_cover))
    bands, radar = stretched(Path(spectral), 4, 3, 2), stretched(Path(sar), 1).repeat(3, axis=2)
    return {"Sentinel-2": bands, "Sentinel-1, VV": radar, "land cover": codes}, colours


def thin(folder: str, seed: str) -> tuple[Panels, Colours]:
    """A simulated scene, its truth, the map of extra trees on the bands of both images, and BDGF's."""
    codes, colours = read_map(Path(folder) / seed / "map.tif")
    with tempfile.TemporaryDirectory() as work:
        scene = thin_scene(Path(work), seed=int(seed))
        stack, picture = bdgf.align(scene.spectral, scene.sar), stretched(scene.spectral, 3, 2, 1)
        train = bdgf.sample(stack, polygons(scene, 10, int(seed)), field="class").train
        by_trees, _ = fit_and_classify("et", PixelFeatures(stack, (), physical_layers(stack)), train, int(seed))
    unlabelled = np.ones(codes.shape, bool)
    unlabelled[train.rows, train.cols] = False
    truth = np.array([0, *(list(colours).index(name) + 1 for name in scene.names.values())])[scene.classes]
    panels: Panels = {"spectral image": picture, "truth": truth}
    for name, found in (("extra trees on bands", by_trees), ("BDGF", codes)):
        right, data = found == truth, codes > 0
        kept = [round(100 * right[data & (scene.stream_px == px)].mean()) for px in (1, 2)]
        share = 100 * right[data & unlabelled].mean()
        print(f"{name}: {share:.1f} % right; of the length of streams of 1 and 2 px, {kept} % kept")
        panels[f"{name}: {share:.0f} % right"] = np.where(data, found, 0)
    return panels, colours


if __name__ == "__main__":
    draw(*(thin if len(sys.argv) == 4 else chile)(*sys.argv[2:]), Path(sys.argv[1]))
