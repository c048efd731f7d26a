"""Accuracy of BDGF, a random forest and an SVM trained on the same pixels, on real scenes.

python benchmarks/polygons.py [--scenes chile,denmark] [--seeds 0,1,2,3,4] [--set key=value …]

For each scene and seed, pixels are drawn from the training polygons as in `bdgf map --labels`. All methods are trained
on the training part and evaluated on `test_polygons.gpkg`, which is at least 9 px away from it. The features of the
baselines are the bands, the SAR in dB, and mean and standard deviation of each in 9 × 9 windows. Prints overall and
average accuracy in %.
"""

import argparse
import logging
import tempfile
import time
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
from landcover_bdgf.geo.raster import open_raster
from landcover_bdgf.labels.rasterize import read_labels

DATA = Path(__file__).parents[2] / "shared/data"


def statistics(stack: bdgf.Stack) -> NDArray[np.float64]:
    """Bands, and their mean and standard deviation in 9 × 9 windows: (3 · B, h, w)."""
    height, width = stack.grid.shape_hw
    tile = stack.read(Window(0, 0, width, height))
    bands = np.concatenate([tile.spectral, 10 * np.log10(np.maximum(tile.sar, 1e-6))]).astype(np.float64)
    mean = np.stack([uniform_filter(b, 9) for b in bands])
    square = np.stack([uniform_filter(b * b, 9) for b in bands])
    return np.concatenate([bands, mean, np.sqrt(np.maximum(square - mean**2, 0))])


def baseline(model: object, stack: bdgf.Stack, samples: bdgf.Samples) -> NDArray[np.int64]:
    """Classes of the whole scene from a scikit-learn model."""
    features = statistics(stack)
    train = samples.train
    model.fit(features[:, train.rows, train.cols].T, train.codes)  # type: ignore[attr-defined]
    flat = features.reshape(len(features), -1).T
    return model.predict(flat).reshape(stack.grid.shape_hw)  # type: ignore[attr-defined, no-any-return]


def bdgf_map(stack: bdgf.Stack, samples: bdgf.Samples, recipe: bdgf.Recipe, seed: int) -> NDArray[np.int64]:
    """Classes of the whole scene from BDGF: pre-training, training and mapping."""
    run = bdgf.Run(seed=seed)
    denoiser = bdgf.pretrain(stack, recipe, samples=samples, run=run)
    model = bdgf.train(stack, samples, denoiser=denoiser, recipe=recipe, run=run)
    with tempfile.TemporaryDirectory() as folder:
        bdgf.map_scene(model, stack, f"{folder}/map.tif", run=run)
        with open_raster(f"{folder}/map.tif") as dataset:
            return dataset.read(1)  # type: ignore[no-any-return]


def one_run(scene: str, seed: int, recipe: bdgf.Recipe) -> dict[str, tuple[float, float, float]]:
    """Method -> overall accuracy, average accuracy (%), seconds."""
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
        found = classify()[test.rows, test.cols]
        average = recall_score(truth, found, average="macro", labels=np.unique(truth), zero_division=0)
        results[name] = (100 * accuracy_score(truth, found), 100 * average, time.monotonic() - started)
        overall, average, seconds = results[name]
        print(f"{scene} seed {seed} {name:<13} OA {overall:5.1f}  AA {average:5.1f}  {seconds:4.0f} s", flush=True)
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
            overall, average, seconds = np.array([run[method] for run in runs]).T
            lines.append(
                f"| {scene} | {method} | {overall.mean():.1f} ± {overall.std(ddof=len(runs) > 1):.1f} "
                f"| {average.mean():.1f} ± {average.std(ddof=len(runs) > 1):.1f} | {seconds.mean():.0f} |"
            )
    print(
        f"\n{len(runs)} seeds, mean ± standard deviation\n\n| scene | method | OA % | AA % | s |\n|---|---|---|---|---|"
    )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
