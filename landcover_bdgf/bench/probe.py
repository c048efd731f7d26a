"""Dependence of diffusion features on each sensor: a linear classifier on them, with the pixels of one sensor shuffled.

If accuracy does not change when the pixels of the SAR are shuffled, the features ignore the SAR. The modality masks
(eq. 7) should prevent this.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from landcover_bdgf.bench.whole_scene import TILE_PX, whole_scene
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.labels import Samples
from landcover_bdgf.model import Block, BlockStream, Checkpoint, Recipe, Run, Viewer, crop
from landcover_bdgf.scene import KnownFile, Stack, Tile


def probe(denoiser: Checkpoint, stack: Stack, train: Samples, shuffled: str, run: Run) -> NDArray[np.float64]:
    """Class probabilities (C, h, w), in the order of their codes, of a linear classifier on diffusion features.

    ``train`` are samples whose features are from the unshuffled scene; ``shuffled`` is the sensor whose pixels
    are shuffled in the classified scene: "sar", "spectral" or "".
    """
    viewer = Viewer.of(denoiser.weights, denoiser.scaling, _guided(denoiser), run.torch_device(), run.seed)
    if not viewer.features:
        raise SettingsError('`features.source="none"`', "leaves no features to probe", "Leave out the method `probe`.")
    features = scene_features(viewer, stack, run)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    model.fit(features[:, train.rows, train.cols].T, train.codes)
    if shuffled:
        features = scene_features(viewer, with_shuffled(stack, shuffled, seed=run.seed), run)
    found: NDArray[np.float64] = model.predict_proba(features.reshape(len(features), -1).T)
    return found.T.reshape(-1, *features.shape[1:])


def scene_features(viewer: Viewer, stack: Stack, run: Run) -> NDArray[np.float32]:
    """Diffusion features of all pixels, (F, h, w)."""

    def features(block: Block) -> Tensor:
        return crop(viewer.see(block).dif, viewer.recipe.fusion.margin_px)[0]

    stream = BlockStream(stack, viewer.scaling_of(stack), viewer.recipe.halo_px, TILE_PX)
    return whole_scene(features, viewer.features, stream, run)


def with_shuffled(stack: Stack, sensor: str, *, seed: int) -> Stack:
    """The scene, in memory, with the valid pixels of one sensor ("sar" or "spectral") in random order."""
    height, width = stack.grid.shape_hw
    whole = stack.read(Window(0, 0, width, height))
    pixels = {"spectral": whole.spectral, "sar": whole.sar}
    valid = pixels[sensor][:, whole.valid]
    pixels[sensor][:, whole.valid] = valid[:, np.random.default_rng(seed).permutation(valid.shape[1])]

    class Shuffled(Stack):
        def read_image(self, window: Window) -> Tile:
            rows, cols = window.toslices()
            spectral, sar = (pixels[name][:, rows, cols].copy() for name in ("spectral", "sar"))
            return Tile(spectral, sar, whole.condition[rows, cols].copy())

        def fingerprint(self, known: tuple[KnownFile, ...] = ()) -> str:
            return f"{super().fingerprint()} {sensor} shuffled by {seed}"

    return Shuffled(**{f.name: getattr(stack, f.name) for f in fields(stack)})


def _guided(denoiser: Checkpoint) -> Recipe:
    """The recipe of the denoiser, with guidance, so that features are computed."""
    fusion = denoiser.recipe.fusion
    if fusion.guided:
        return denoiser.recipe
    return denoiser.recipe.model_copy(update={"fusion": fusion.model_copy(update={"guidance": fusion.branches})})
