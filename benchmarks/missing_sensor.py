"""Accuracy of maps where one sensor is missing, on the real scenes of Chile, Denmark and Kenya.

python benchmarks/missing_sensor.py [--data FOLDER] [--scenes chile,denmark,kenya] [--seeds 0] [--set KEY=VALUE …]

A model with networks of one sensor alone (``training.one_sensor``) learns from the training polygons of a scene. Its
maps by both sensors, by the spectral image alone and by the SAR image alone are compared with the test polygons, and
so are maps of models that know one sensor only: denoiser and networks are trained on the scene with a constant image in
place of the other. The labels are of a noisy land-cover product, and one seed does not tell differences of a few points
from chance: compare the rows only.
"""

import argparse
import logging
import tempfile
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.features import rasterize
from sklearn.metrics import accuracy_score, recall_score

import landcover_bdgf as bdgf
from landcover_bdgf.model import changed
from landcover_bdgf.scene import open_image

CLOUD = 9  # of a scene classification
CONSTANT = {"spectral": 1000.0, "sar": -10.0}  # reflectance × 10,000, dB


class Scene:
    """A scene, its training pixels, and its test pixels with their classes by name."""

    def __init__(self, folder: Path, seed: int, recipe: bdgf.Recipe, work: Path) -> None:
        self.images, self.work = (folder / "s2_l2a.tif", folder / "s1_rtc_db.tif"), work
        self.recipe, self.run = recipe, bdgf.Run(seed=seed)
        self.stack = bdgf.align(*self.images)
        sampling = bdgf.SampleSettings(seed=seed).with_recipe(recipe.training.folds, recipe.fusion.clear_px)
        labels = folder / "train_polygons.shp"
        self.samples = bdgf.sample(self.stack, labels, field="class", settings=sampling)
        self.truth = self._truth(geopandas.read_file(folder / "test_polygons.gpkg"))

    def _truth(self, polygons: geopandas.GeoDataFrame) -> NDArray[np.integer]:
        """Codes (h, w) of the legend of the model, 0 outside the test polygons."""
        legend, grid = self.samples.legend, self.stack.grid
        codes = dict(zip(legend.names, legend.codes, strict=True))
        polygons = polygons[polygons["class"].isin(codes)].to_crs(grid.crs.to_wkt())
        shapes = [(shape, codes[name]) for shape, name in zip(polygons.geometry, polygons["class"], strict=True)]
        return rasterize(shapes, grid.shape_hw, transform=grid.transform)

    def model(self, stack: bdgf.Stack, recipe: bdgf.Recipe) -> bdgf.Checkpoint:
        """A denoiser and a model of the training polygons."""
        denoiser = bdgf.pretrain(stack, recipe, samples=self.samples, run=self.run)
        return bdgf.train(stack, self.samples, denoiser=denoiser, recipe=recipe, run=self.run)

    def written(self, name: str, pixels: NDArray[np.generic], names: tuple[str, ...] = ()) -> Path:
        """A raster of pixels (bands, h, w) on the grid of the spectral image."""
        with rasterio.open(self.images[0]) as like:
            place = {"crs": like.crs, "transform": like.transform, "width": like.width, "height": like.height}
        with rasterio.open(
            self.work / name, "w", driver="GTiff", count=len(pixels), dtype=pixels.dtype, **place
        ) as file:
            file.write(pixels)
            file.descriptions = names or file.descriptions
        return self.work / name

    def without(self, sensor: str) -> bdgf.Stack:
        """The scene with a constant image in place of one sensor's."""
        image = getattr(self.stack, sensor)
        pixels = np.full((len(image.bands), *self.stack.grid.shape_hw), CONSTANT[sensor], np.float32)
        return replace(self.stack, **{sensor: open_image(self.written(f"{sensor}.tif", pixels, image.names))})

    def accuracy(self, model: bdgf.Checkpoint, stack: bdgf.Stack, **mapping: object) -> tuple[float, float]:
        """Overall and average accuracy of a map on the test polygons, in percent."""
        settings = bdgf.MapSettings(force=True, **mapping)  # type: ignore[arg-type]
        codes = bdgf.map_scene(model, stack, settings=settings, run=self.run).codes
        truth, found = self.truth[self.truth > 0], codes[self.truth > 0]
        average = recall_score(truth, found, average="macro", labels=np.unique(truth), zero_division=0)
        return 100 * accuracy_score(truth, found), 100 * average


def rows_of(scene: Scene) -> dict[str, tuple[float, float]]:
    """Accuracies of all maps of a scene."""
    given = scene.model(scene.stack, scene.recipe)
    cloud = scene.written("scl.tif", np.full((1, *scene.stack.grid.shape_hw), CLOUD, np.uint8))
    cloudy = bdgf.align(*scene.images, settings=bdgf.AlignSettings(mask=(str(cloud),)), missing="sar")
    single = changed(scene.recipe, ("training.one_sensor=false",))
    no_sar, no_spectral = scene.without("sar"), scene.without("spectral")
    return {
        "both sensors": scene.accuracy(given, scene.stack),
        "spectral image alone": scene.accuracy(given, bdgf.align(scene.images[0], None)),
        "  model of the spectral image": scene.accuracy(scene.model(no_sar, single), no_sar),
        "SAR image alone": scene.accuracy(given, cloudy, missing="sar"),
        "  model of the SAR image": scene.accuracy(scene.model(no_spectral, single), no_spectral),
    }


def told(name: str, found: list[dict[str, tuple[float, float]]]) -> None:
    """Print the mean of each row."""
    for row in found[0]:
        overall, average = np.mean([each[row] for each in found], axis=0)
        print(f"{name:<15} {row:<30} OA {overall:5.1f}  AA {average:5.1f}", flush=True)


def main() -> None:
    """Print the accuracies of each scene, of each seed and as a mean over the seeds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data")
    parser.add_argument("--scenes", default="chile,denmark,kenya")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()
    logging.getLogger("landcover_bdgf").setLevel(logging.ERROR)
    recipe = bdgf.load_recipe(None, ("training.one_sensor=true", *given.set))
    for name in given.scenes.split(","):
        found = []
        for seed in map(int, given.seeds.split(",")):
            with tempfile.TemporaryDirectory() as folder:
                found.append(rows_of(Scene(given.data / f"s1s2_{name}", seed, recipe, Path(folder))))
            told(f"{name} seed {seed}", found[-1:])
        told(f"{name} mean", found)


if __name__ == "__main__":
    main()
