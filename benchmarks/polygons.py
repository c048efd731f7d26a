"""Accuracy of BDGF, a random forest and an SVM trained on the same pixels, on real scenes.

python benchmarks/polygons.py [--scenes chile,denmark] [--seeds 0,1,2,3,4] [--set key=value …]

For each scene and seed, pixels are drawn from the training polygons as in `bdgf map --labels`. All methods are trained
on all of them and evaluated on `test_polygons.gpkg`, which is at least 9 px away. The features of the baselines are the
bands, the SAR in dB, and mean and standard deviation of each in 9 × 9 windows. Prints overall and average accuracy and,
of BDGF, the overall accuracy that its folds say and the expected calibration error on the test polygons, in %.
"""

import argparse
import logging
import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window
from scipy.ndimage import uniform_filter
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import landcover_bdgf as bdgf
from landcover_bdgf.assessment import calibration_error, reliability_bins
from landcover_bdgf.geo.raster import open_raster
from landcover_bdgf.labels.rasterize import read_labels

DATA = Path(__file__).parents[2] / "shared/data"
NAMES = "OA %", "AA %", "folds say %", "calibration error %", "s"


def statistics(stack: bdgf.Stack) -> NDArray[np.float64]:
    """Bands, and their mean and standard deviation in 9 × 9 windows: (3 · B, h, w)."""
    height, width = stack.grid.shape_hw
    tile = stack.read(Window(0, 0, width, height))
    bands = np.concatenate([tile.spectral, 10 * np.log10(np.maximum(tile.sar, 1e-6))]).astype(np.float64)
    mean = np.stack([uniform_filter(b, 9) for b in bands])
    square = np.stack([uniform_filter(b * b, 9) for b in bands])
    return np.concatenate([bands, mean, np.sqrt(np.maximum(square - mean**2, 0))])


@dataclass(frozen=True)
class Mapped:
    """Classes (h, w) of the whole scene; of BDGF, their confidence in % and the accuracy that the folds say."""

    codes: NDArray[np.int64]
    confidence: NDArray[np.uint8] | None = None
    said: float = math.nan


def baseline(model: object, stack: bdgf.Stack, samples: bdgf.Samples) -> Mapped:
    """A map by a scikit-learn model."""
    features = statistics(stack)
    train = samples.train
    model.fit(features[:, train.rows, train.cols].T, train.codes)  # type: ignore[attr-defined]
    flat = features.reshape(len(features), -1).T
    return Mapped(model.predict(flat).reshape(stack.grid.shape_hw))  # type: ignore[attr-defined]


def bdgf_map(stack: bdgf.Stack, samples: bdgf.Samples, recipe: bdgf.Recipe, seed: int) -> Mapped:
    """A map by BDGF: pre-training, training and mapping."""
    run = bdgf.Run(seed=seed)
    denoiser = bdgf.pretrain(stack, recipe, samples=samples, run=run)
    model = bdgf.train(stack, samples, denoiser=denoiser, recipe=recipe, run=run)
    with tempfile.TemporaryDirectory() as folder:
        bdgf.map_scene(model, stack, f"{folder}/map.tif", settings=bdgf.MapSettings(confidence=True), run=run)
        with open_raster(f"{folder}/map.tif") as classes, open_raster(f"{folder}/map_confidence.tif") as confidence:
            said = 100 * model.left_out.accuracy if model.left_out else math.nan
            return Mapped(classes.read(1), confidence.read(1), said)


def one_run(scene: str, seed: int, recipe: bdgf.Recipe) -> dict[str, tuple[float, ...]]:
    """Method -> overall accuracy, average accuracy, what its folds say, calibration error (%), seconds."""
    folder = DATA / f"s1s2_{scene}"
    stack = bdgf.align(folder / "s2_l2a.tif", folder / "s1_rtc_db.tif")
    settings = bdgf.SampleSettings(seed=seed, buffer_px=9)
    samples = bdgf.sample(stack, folder / "train_polygons.shp", field="class", settings=settings)
    test = read_labels(folder / "test_polygons.gpkg", "class", stack.grid)
    truth = np.array([samples.legend.code_of(test.legend.names[code - 1]) for code in test.codes])
    methods = {
        "random forest": lambda: baseline(RandomForestClassifier(500, random_state=seed, n_jobs=-1), stack, samples),
        "SVM": lambda: baseline(make_pipeline(StandardScaler(), SVC()), stack, samples),
        "BDGF": lambda: bdgf_map(stack, samples, recipe, seed),
    }
    results = {}
    for name, classify in methods.items():
        started = time.monotonic()
        mapped = classify()
        found = mapped.codes[test.rows, test.cols]
        average = 100 * recall_score(truth, found, average="macro", labels=np.unique(truth), zero_division=0)
        overall, error = 100 * accuracy_score(truth, found), math.nan
        if mapped.confidence is not None:
            error = 100 * calibration_error(
                reliability_bins(mapped.confidence[test.rows, test.cols] / 100, found == truth)
            )
        results[name] = (overall, average, mapped.said, error, time.monotonic() - started)
        line = "  ".join(f"{metric} {value:5.1f}" for metric, value in zip(NAMES, results[name], strict=True))
        print(f"{scene} seed {seed} {name:<13} {line}", flush=True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", default="chile,denmark")
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--set", action="append", default=[])
    arguments = parser.parse_args()
    logging.getLogger("landcover_bdgf").setLevel(logging.ERROR)
    if not DATA.is_dir():
        raise SystemExit("needs the real scenes of ../shared/data, which are not here")
    recipe = bdgf.load_recipe("laptop", tuple(arguments.set))
    lines = []
    for scene in arguments.scenes.split(","):
        runs = [one_run(scene, int(seed), recipe) for seed in arguments.seeds.split(",")]
        for method in runs[0]:
            columns = np.array([run[method] for run in runs]).T
            cells = [
                "" if np.isnan(own).any() else f"{own.mean():.1f} ± {own.std(ddof=len(runs) > 1):.1f}"
                for own in columns
            ]
            lines.append(f"| {scene} | {method} | {' | '.join(cells)} |")
    print(f"\n{len(runs)} seeds, mean ± standard deviation\n\n| scene | method | {' | '.join(NAMES)} |")
    print("\n".join(["|---" * (2 + len(NAMES)) + "|", *lines]))


if __name__ == "__main__":
    main()
