"""Accuracy of a map after 20 more labelled places, chosen by `bdgf where` and by chance, on the real scene of Chile.

python benchmarks/where.py [--data ../shared/data] [--seeds 0,1,2] [--places 20] [--set key=value …]

A first model learns from two polygons of each class, drawn by the seed. Places of 5 × 5 pixels are chosen on its map,
without training pixels, and get the class that most of their pixels have in the land-cover product; then a new model
learns from polygons and places. Accuracies are those of all pixels of the product that are in no training polygon and
no place of either kind. The product is made by a model and noisy, and the settings are small: compare the rows only.
"""

import argparse
import logging
import tempfile
from collections import Counter
from pathlib import Path

import geopandas
import numpy as np
import pandas
import rasterio
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from sklearn.metrics import accuracy_score, recall_score

import landcover_bdgf as bdgf
from landcover_bdgf.labels.class_raster import open_classes
from landcover_bdgf.survey.places_file import Places, as_frame

SIDE_PX = 5
NAMES = {1: "water", 2: "trees", 4: "crops", 5: "built area", 9: "rangeland"}
SMALL = ("diffusion.steps=100", "training.steps=150")


class Scene:
    """The scene, its first polygons, and the product."""

    def __init__(self, folder: Path, seed: int, recipe: bdgf.Recipe, work: Path) -> None:
        self.seed, self.recipe, self.work = seed, recipe, work
        self.stack = bdgf.align(folder / "s2_l2a.tif", folder / "s1_rtc_db.tif")
        polygons = geopandas.read_file(folder / "train_polygons.shp")[["class", "geometry"]]
        self.first = polygons.groupby("class").sample(2, random_state=seed).to_crs(self.stack.grid.crs.to_wkt())
        with rasterio.open(folder / "lulc.tif") as dataset:
            self.product = dataset.read(1)
        self.denoiser = bdgf.pretrain(self.stack, recipe, run=bdgf.Run(seed=seed))

    def burnt(self, frame: geopandas.GeoDataFrame) -> NDArray[np.bool_]:
        """The pixels of polygons."""
        grid = self.stack.grid
        return geometry_mask(frame.geometry, grid.shape_hw, grid.transform, invert=True)

    def map(self, labels: geopandas.GeoDataFrame, name: str) -> Path:
        """A map by a model that learns from these labels, with what ``where`` needs."""
        settings = bdgf.SampleSettings(seed=self.seed).with_recipe(
            self.recipe.training.folds, self.recipe.fusion.clear_px
        )
        samples = bdgf.sample(self.stack, labels, field="class", settings=settings)
        run = bdgf.Run(seed=self.seed)
        model = bdgf.train(self.stack, samples, denoiser=self.denoiser, recipe=self.recipe, run=run)
        mapping = bdgf.MapSettings(probabilities=True, novelty=True, force=True)
        return bdgf.map_scene(model, self.stack, self.work / f"{name}.tif", settings=mapping, run=run)

    def labelled(self, places: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
        """Places with the class of most of their pixels in the product, without those of a class of no polygon."""
        classes = []
        for number in range(len(places)):
            inside = self.product[self.burnt(places.iloc[[number]])]
            classes.append(NAMES.get(Counter(inside.tolist()).most_common(1)[0][0]))
        return places.assign(**{"class": classes})[["class", "geometry"]].dropna()


def by_chance(path: Path, number: int, taken: NDArray[np.bool_], seed: int) -> geopandas.GeoDataFrame:
    """Places at random positions, of the same shape as those of ``where``: without training pixels or overlaps."""
    rng, half, free = np.random.default_rng(seed), SIDE_PX // 2, ~taken
    found: list[tuple[int, int]] = []
    with open_classes(path) as map_:
        while len(found) < number:
            row, col = (int(rng.integers(half, side - half)) for side in free.shape)
            square = np.s_[row - half : row + half + 1, col - half : col + half + 1]
            if free[square].all():
                free[square] = False
                found.append((row, col))
        rows, cols = np.array(found, np.int32).T
        nothing, classes = np.zeros(number, np.float32), np.zeros(number, np.uint16)
        places = Places(rows, cols, nothing, nothing, nothing, classes, classes)
        return as_frame(places, map_, side_px=SIDE_PX, polygons=True)


def one_seed(scene: Scene, number: int) -> dict[str, tuple[float, float]]:
    """Overall and average accuracy of the maps, in percent."""
    first = scene.map(scene.first, "first")
    places = {
        "where": bdgf.where(first, settings=bdgf.WhereSettings(number=number, side_px=SIDE_PX)),
        "chance": by_chance(first, number, scene.burnt(scene.first), scene.seed),
    }
    labels = {name: pandas.concat([scene.first, scene.labelled(each)]) for name, each in places.items()}
    maps = {"first": first} | {name: scene.map(each, name) for name, each in labels.items()}
    known = np.isin(scene.product, list(NAMES))
    rest = known & ~scene.burnt(pandas.concat([scene.first, *places.values()]))
    results = {}
    for name, path in maps.items():
        truth, codes = scene.product[rest], rasterio.open(path).read(1)[rest]
        in_product = np.array([0, *sorted(NAMES, key=lambda code: NAMES[code])])  # classes are coded by name
        found = in_product[codes]
        average = recall_score(truth, found, average="macro", labels=list(NAMES), zero_division=0)
        results[name] = (100 * accuracy_score(truth, found), 100 * average)
        counts = "" if name == "first" else dict(labels[name]["class"].value_counts() - 2)
        print(
            f"seed {scene.seed} {name:<7} OA {results[name][0]:5.1f}  AA {results[name][1]:5.1f}  {counts}", flush=True
        )
    return results


def main() -> None:
    """Print the accuracies of each seed and their means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--places", type=int, default=20)
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()
    logging.getLogger("landcover_bdgf").setLevel(logging.ERROR)
    recipe = bdgf.load_recipe("laptop", (*SMALL, *given.set))
    runs = []
    for seed in map(int, given.seeds.split(",")):
        with tempfile.TemporaryDirectory() as work:
            runs.append(one_seed(Scene(given.data / "s1s2_chile", seed, recipe, Path(work)), given.places))
    for name in runs[0]:
        overall, average = np.array([run[name] for run in runs]).mean(axis=0)
        print(f"mean of {len(runs)} seeds {name:<7} OA {overall:5.1f}  AA {average:5.1f}")


if __name__ == "__main__":
    main()
