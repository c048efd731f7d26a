"""Which sensor do diffusion features speak of? A linear classifier on them, with one sensor's pixels shuffled.

If accuracy stays when the SAR's pixels change places all over the scene, the features do not use the SAR: the spectral
bands have drowned it, which the modality masks (eq. 7) are there to prevent.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from rasterio.windows import Window
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from landcover_bdgf.bench.datasets import Dataset
from landcover_bdgf.checkpoint import Checkpoint
from landcover_bdgf.device import Run, open_workers
from landcover_bdgf.features import Viewer
from landcover_bdgf.samples import Samples
from landcover_bdgf.split import draw_per_class
from landcover_bdgf.stack import Stack, Tile
from landcover_bdgf.windows import cut_windows

TEST_PER_CLASS = 500


@dataclass(frozen=True)
class Probe:
    """Producer's accuracy in % of each class (C,), from features of the scene as it is and with one sensor shuffled."""

    as_it_is: NDArray[np.float64]
    sar_shuffled: NDArray[np.float64]
    spectra_shuffled: NDArray[np.float64]


def probe(denoiser: Checkpoint, dataset: Dataset, samples: Samples, run: Run) -> Probe:
    """Train on features of the training pixels, and test on features of test pixels."""
    viewer = Viewer.of(denoiser.part("unet."), denoiser.scaling, denoiser.recipe, run.torch_device(), run.seed)
    test = samples.test
    test = test.where(draw_per_class(test.codes, TEST_PER_CLASS, np.random.default_rng(run.seed)))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    model.fit(_features(viewer, dataset.stack, samples.train, run), samples.train.codes)

    def right(stack: Stack) -> NDArray[np.float64]:
        found = model.predict(_features(viewer, stack, test, run))
        labels = list(dataset.legend.codes)
        shares: NDArray[np.float64] = recall_score(test.codes, found, average=None, labels=labels, zero_division=0)
        return 100 * shares

    shuffled = (with_shuffled(dataset.stack, sensor, seed=run.seed) for sensor in ("sar", "spectral"))
    return Probe(right(dataset.stack), *map(right, shuffled))


def with_shuffled(stack: Stack, sensor: str, *, seed: int) -> Stack:
    """The scene, all of it in memory, with the valid pixels of one sensor ("sar" or "spectral") in random order."""
    height, width = stack.grid.shape_hw
    whole = stack.read(Window(0, 0, width, height))
    pixels = {"spectral": whole.spectral, "sar": whole.sar}
    there = pixels[sensor][:, whole.valid]
    pixels[sensor][:, whole.valid] = there[:, np.random.default_rng(seed).permutation(there.shape[1])]

    class Shuffled(Stack):
        def read(self, window: Window) -> Tile:
            rows, cols = window.toslices()
            spectral, sar = (pixels[name][:, rows, cols].copy() for name in ("spectral", "sar"))
            return Tile(spectral, sar, whole.valid[rows, cols].copy())

        def fingerprint(self) -> str:
            return f"{super().fingerprint()} {sensor} shuffled by {seed}"

    return Shuffled(**{f.name: getattr(stack, f.name) for f in fields(stack)})


def _features(viewer: Viewer, stack: Stack, samples: Samples, run: Run) -> NDArray[np.float32]:
    """Diffusion features of pixels, (n, F)."""
    seeing = replace(viewer, recipe=viewer.recipe.model_copy(update={"fusion": _guided(viewer)}))
    with open_workers(run.workers(viewer.device)) as workers:
        table = cut_windows(stack, samples, seeing, workers)
    middle = torch.from_numpy(np.arange(len(table)))
    own = table.pixels[table.at[middle, table.at.shape[1] // 2]]
    features: NDArray[np.float32] = own[:, -table.channels[2] :].numpy()
    return features


def _guided(viewer: Viewer) -> object:
    """Settings under which features are computed, whatever branch sees them."""
    fusion = viewer.recipe.fusion
    return fusion if fusion.guided else fusion.model_copy(update={"guidance": fusion.branches})
