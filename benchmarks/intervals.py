"""How often the 95 % interval of the overall accuracy covers the truth, when pixels come in polygons.

python benchmarks/intervals.py [--runs 2000]

Polygons of 4 to 59 px whose accuracies scatter around the truth as a beta distribution does; pixels of a polygon are
right or wrong with its accuracy. ``alike`` is the correlation of two pixels of a polygon. Prints the share of runs
whose interval covers the truth, of the program's interval and of one for independent pixels, in %.
"""

import argparse
from itertools import product

import numpy as np

from landcover_bdgf.assessment.intervals import effective_size, wilson

POLYGONS, SHARES, ALIKE = (5, 10, 20, 40, 70, 200), (0.7, 0.8, 0.9), (0.1, 0.3, 0.6)


def coverage(polygons: int, share: float, alike: float, runs: int) -> tuple[float, float]:
    """Shares of runs whose interval covers the truth: of polygons, and of independent pixels."""
    rng, covered, naive = np.random.default_rng(0), 0, 0
    scatter = share * (1 / alike - 1), (1 - share) * (1 / alike - 1)
    for _ in range(runs):
        sizes = rng.integers(4, 60, polygons)
        right = rng.random(sizes.sum()) < np.repeat(rng.beta(*scatter, polygons), sizes)
        for_polygons = wilson(right.mean(), effective_size(right, np.repeat(np.arange(polygons), sizes)))
        for_pixels = wilson(right.mean(), len(right))
        covered += for_polygons[0] <= share <= for_polygons[1]
        naive += for_pixels[0] <= share <= for_pixels[1]
    return covered / runs, naive / runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000)
    runs = parser.parse_args().runs
    print("| polygons | accuracy | alike | interval of polygons | of independent pixels |\n|---|---|---|---|---|")
    for polygons, share, alike in product(POLYGONS, SHARES, ALIKE):
        found = coverage(polygons, share, alike, runs)
        print(f"| {polygons} | {share} | {alike} | {100 * found[0]:.1f} | {100 * found[1]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
