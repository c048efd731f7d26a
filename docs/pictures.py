"""The pictures of scenes and their maps in the manual.

python docs/pictures.py docs/chile.png chile S2 S1 MAP     # bands of S2 as Level-2A: B01 to B12
python docs/pictures.py docs/crisp.png thin FOLDER SEED    # FOLDER and SEED of benchmarks/inside_fields.py
python docs/pictures.py docs/figures/averages_kenya.png averages kenya SEED   # a scene of benchmarks/accuracy.py
"""

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import rasterio
from matplotlib.patches import Patch
from numpy.typing import NDArray
from PIL import Image
from rasterio.windows import Window

import landcover_bdgf as bdgf
from landcover_bdgf.bench import protocols
from landcover_bdgf.bench.baselines import fit_and_classify
from landcover_bdgf.bench.datasets import Dataset
from landcover_bdgf.bench.methods import Laboratory
from landcover_bdgf.bench.pixel_features import PixelFeatures, physical_layers
from landcover_bdgf.bench.simulated import thin_scene
from landcover_bdgf.bench.whole_scene import TILE_PX, whole_scene
from landcover_bdgf.model import BlockStream, Checkpoint, Classifier

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from accuracy import open_scene
from inside_fields import polygons

RGB = {"potsdam": (45, 28, 12), "indian_pines": (28, 16, 8), "thin": (2, 1, 0)}  # bands from 0; Sentinel-2: 3, 2, 1
PER_LINE = 8  # classes of the legend
SMEARED = {"windows": 1.0, "surroundings": 0.0, "pixel": 0.0}  # shares of the experts as before decision 10

Panels = dict[str, NDArray[np.generic]]  # by title: pictures (h, w, 3), and maps (h, w) of codes
Colours = dict[str, list[int]]  # by name of the class, in the order of codes from 1


def picture_of(path: Path, *bands: int) -> NDArray[np.floating]:
    """Bands of an image, as :func:`stretched`."""
    with rasterio.open(path) as dataset:
        return stretched(dataset.read(bands, masked=True).astype(float).filled(np.nan))


def stretched(pixels: NDArray[np.floating]) -> NDArray[np.floating]:
    """Bands (B, h, w) from their 2nd to their 98th percentile, (h, w, B) from 0 to 1; without data 1."""
    low, high = np.nanpercentile(pixels, (2, 98), axis=(1, 2), keepdims=True)
    return np.nan_to_num(np.clip((pixels - low) / (high - low), 0, 1), nan=1).transpose(1, 2, 0)


def read_map(path: Path) -> tuple[NDArray[np.integer], Colours]:
    legend = json.loads(path.with_name(f"{path.name}.json").read_text())["legend"]
    with rasterio.open(path) as dataset:
        return dataset.read(1), {entry["name"]: entry["color"] for entry in legend}


def draw(panels: Panels, colours: Colours, output: Path) -> None:
    """Write the panels side by side, with one legend."""
    palette = np.array([[255, 255, 255], *colours.values()]) / 255
    lines = -(-len(colours) // PER_LINE)
    height = 3.6 + 0.3 * lines
    figure, axes = plt.subplots(1, len(panels), figsize=(3.3 * len(panels), height))
    figure.subplots_adjust(0.003, (0.1 + 0.29 * lines) / height, 0.997, 0.93, wspace=0.03)
    for axis, (title, pixels) in zip(axes, panels.items(), strict=True):
        axis.imshow(palette[pixels] if pixels.ndim == 2 else pixels, interpolation="nearest")
        axis.set_title(title, fontsize=11)
        axis.axis("off")
    boxes = [Patch(color=colour) for colour in palette[1:]]
    figure.legend(boxes, list(colours), loc="lower center", ncols=-(-len(boxes) // lines), frameon=False)
    figure.savefig(output, dpi=100)
    Image.open(output).convert("RGB").quantize(dither=Image.Dither.NONE).save(output, optimize=True)


def chile(spectral: str, sar: str, land_cover: str) -> tuple[Panels, Colours]:
    codes, colours = read_map(Path(land_cover))
    bands, radar = picture_of(Path(spectral), 4, 3, 2), picture_of(Path(sar), 1).repeat(3, axis=2)
    return {"Sentinel-2": bands, "Sentinel-1, VV": radar, "land cover": codes}, colours


def thin(folder: str, seed: str) -> tuple[Panels, Colours]:
    """A simulated scene, its truth, the map of extra trees on the bands of both images, and BDGF's."""
    codes, colours = read_map(Path(folder) / seed / "map.tif")
    with tempfile.TemporaryDirectory() as work:
        scene = thin_scene(Path(work), seed=int(seed))
        stack, picture = bdgf.align(scene.spectral, scene.sar), picture_of(scene.spectral, 3, 2, 1)
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


def averages(name: str, seed: str) -> tuple[Panels, Colours]:
    """A scene, its labels, and maps of one training: windows averaged whatever they show, and the map as it is."""
    with tempfile.TemporaryDirectory() as work:
        dataset = open_scene(name, Path(work))
        samples = protocols.draw(dataset, protocols.PROTOCOLS["near"], per_class=50, seed=int(seed))
        laboratory = Laboratory(dataset, bdgf.load_recipe("laptop"), Path(work))
        model = laboratory.model(laboratory.recipe, samples, int(seed))
        stack, codes = dataset.stack, [entry.code for entry in dataset.legend.entries]
        tile = stack.read(Window(0, 0, *stack.grid.shape_hw[::-1]))
        bands = tile.spectral[list(RGB.get(name, (3, 2, 1)))].astype(float)
        panels: Panels = {
            "spectral image": stretched(np.where(tile.valid, bands, np.nan)),
            "labels": np.searchsorted([0, *codes], dataset.truth),
        }
        for title, each in (("before", replace(model, shares=SMEARED, similar=1e6)), ("now", model)):
            panels[title] = np.where(tile.valid, _classes(dataset, each, int(seed)), 0)
    return panels, {entry.name: list(entry.color) for entry in dataset.legend.entries}


def _classes(dataset: Dataset, model: Checkpoint, seed: int) -> NDArray[np.integer]:
    """Indices from 1 of the classes of all pixels."""
    run = bdgf.Run(seed=seed)
    classifier = Classifier(model, run)
    scaling, halo_px = classifier.viewer.scaling_of(dataset.stack), classifier.viewer.recipe.halo_px
    stream = BlockStream(dataset.stack, scaling, halo_px, TILE_PX)
    p = whole_scene(lambda block: classifier.probabilities([block])[0], len(dataset.legend.entries), stream, run)
    return p.argmax(0) + 1


if __name__ == "__main__":
    draw(*{"chile": chile, "thin": thin, "averages": averages}[sys.argv[2]](*sys.argv[3:]), Path(sys.argv[1]))
