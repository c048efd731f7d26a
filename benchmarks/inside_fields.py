"""Labels as analysts draw them: small polygons inside the fields of the scene ``thin``, whose classes are all known.

python benchmarks/inside_fields.py [--seeds 3,4,5] [--polygons 10] [-o FOLDER]

Prints the accuracy of BDGF's map and of extra trees on the same pixels: of all pixels with data but no label, and by
their distance to the nearest pixel of another class of the truth; beside it, the accuracy that the report says.
"""

import argparse
from pathlib import Path

import geopandas
import numpy as np
import rasterio
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_cdt
from shapely.geometry import box

import landcover_bdgf as bdgf
from landcover_bdgf.bench.baselines import fit_and_classify
from landcover_bdgf.bench.pixel_features import PixelFeatures, physical_layers
from landcover_bdgf.bench.simulated import ThinScene, thin_scene

INSIDE_PX = 2  # least distance of a polygon's pixels from another class; streams are too thin for it
SIDES_PX = 3, 6
APART_PX = 6
TREES = {"extra trees": (), "extra trees + 9 px": (9,), "extra trees + 33 px": (33,)}
BORDERS_PX = (1, 2), (3, 5), (6, 10_000)


def depth_px(truth: NDArray[np.integer]) -> NDArray[np.integer]:
    """Chebyshev distance (h, w) to the nearest pixel of another class."""
    found = np.zeros(truth.shape, int)
    for code in np.unique(truth):
        found[truth == code] = distance_transform_cdt(truth == code, "chessboard")[truth == code]
    return found


def polygons(scene: ThinScene, per_class: int, seed: int) -> geopandas.GeoDataFrame:
    """Rectangles inside fields, at random."""
    rng, truth = np.random.default_rng(seed), scene.classes
    depth, taken, rows = depth_px(truth), np.zeros(truth.shape, bool), []
    with rasterio.open(scene.spectral) as dataset:
        transform, crs = dataset.transform, dataset.crs
    for code, name in scene.names.items():
        least = 1 if name == "water" else INSIDE_PX
        places = rng.permutation(np.argwhere((truth == int(code)) & (depth >= least)))
        found = 0
        for row, col in places:
            height, width = rng.integers(SIDES_PX[0], SIDES_PX[1] + 1, 2)
            own = np.s_[row : row + height, col : col + width]
            near = np.s_[
                max(0, row - APART_PX) : row + height + APART_PX, max(0, col - APART_PX) : col + width + APART_PX
            ]
            inside = truth[own].shape == (height, width) and ((truth[own] == int(code)) & (depth[own] >= least)).all()
            if found < per_class and inside and not taken[near].any():
                taken[own], found = True, found + 1
                (left, top), (right, bottom) = transform * (col, row), transform * (col + width, row + height)
                rows.append((name, box(left, bottom, right, top)))
    return geopandas.GeoDataFrame({"class": [name for name, _ in rows]}, geometry=[g for _, g in rows], crs=crs)


def scores(codes: NDArray[np.integer], truth: NDArray[np.integer], judged: NDArray[np.bool_]) -> str:
    """OA / AA, and OA by the distance to class borders, as a row of a table."""
    right, depth = codes == truth, depth_px(truth)
    average = np.mean([right[judged & (truth == code)].mean() for code in np.unique(truth)])
    by_border = (right[judged & (depth >= low) & (depth <= high)].mean() for low, high in BORDERS_PX)
    return " | ".join(f"{100 * value:.1f}" for value in (right[judged].mean(), average, *by_border))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="3,4,5")
    parser.add_argument("--polygons", type=int, default=10, help="of each class")
    parser.add_argument("-o", "--output", type=Path, default=Path("inside_fields"))
    given = parser.parse_args()
    print(
        "| scene | method | OA | AA | 1 to 2 px | 3 to 5 px | 6 px and more | the report says |\n|" + "---|" * 8,
        flush=True,
    )
    for seed in map(int, given.seeds.split(",")):
        folder = given.output / str(seed)
        folder.mkdir(parents=True, exist_ok=True)
        scene = thin_scene(folder, seed=seed)
        stack = bdgf.align(scene.spectral, scene.sar)
        samples = bdgf.sample(stack, polygons(scene, given.polygons, seed), field="class")
        model = bdgf.train(stack, samples, denoiser=bdgf.pretrain(stack, samples=samples))
        found = bdgf.map_scene(model, stack, folder / "map.tif", overwrite=True)
        said = f"{100 * bdgf.assess(found, model.left_out).overall:.1f}"
        with rasterio.open(found) as dataset:
            maps = {"BDGF": dataset.read(1)}
        for name, windows_px in TREES.items():
            features = PixelFeatures(stack, windows_px, physical_layers(stack))
            maps[name] = fit_and_classify("et", features, samples.train, seed)[0]
        judged = maps["BDGF"] > 0
        judged[samples.rows, samples.cols] = False
        code_of = {name: int(code) for code, name in scene.names.items()}
        truth_code = np.array([0, *(code_of[entry.name] for entry in samples.legend.entries)])
        for name, codes in maps.items():
            row = scores(truth_code[codes], scene.classes, judged)
            print(f"| {seed} | {name} | {row} | {said if name == 'BDGF' else ''} |", flush=True)
        shares = ", ".join(f"{name} {share:.2f}" for name, share in model.shares.items())
        print(f"    {len(samples)} px; {shares}; averages similar within {model.similar}", flush=True)


if __name__ == "__main__":
    main()
